"""`mnist` and `fashion-mnist`: 70,000 grayscale images, 28×28, from a local folder or downloaded once.

`mnist:refit` trains on all 60,000 images, as usual for likelihoods in the literature; its name and hash differ, so
that results of the two are never mixed.

References: LeCun, Bottou, Bengio & Haffner (1998), Gradient-Based Learning Applied to Document Recognition;
Xiao, Rasul & Vollgraf (2017), Fashion-MNIST, arXiv:1708.07747.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import zoo

_PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_VALID = 10_000
_WATCHED = 1_000  # validation images of a refit, which are also training images
_ARGUMENT = "refit: train on the validation images too"


class MNIST:
    """The data set plugin `mnist`."""

    card = zoo.DatasetCard(
        name="mnist",
        summary="70,000 handwritten digits, 28x28 grayscale, 10 classes",
        argument=_ARGUMENT,
        licence="CC BY-SA 3.0",
    )
    files = (
        zoo.DataFile(_PARTS[0], "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        zoo.DataFile(_PARTS[1], "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        zoo.DataFile(_PARTS[2], "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        zoo.DataFile(_PARTS[3], "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    )
    mirror = "https://storage.googleapis.com/cvdf-datasets/mnist/"

    @zoo.hookimpl
    def load(self, argument: str, folder: Path | None) -> zoo.Data:
        """Return 50,000 training, 10,000 validation (split from the 60,000 by a fixed seed) and 10,000 test images.

        With the argument `refit` the training split is all 60,000, and its first 1,000 are the validation split.
        """
        name = self.card.name
        if argument not in ("", "refit"):
            raise zoo.ConfigError(f"{name} takes no argument but refit, got {argument!r}.")
        images, classes, test_images, test_classes = (zoo.read_idx(path) for path in self.fetch(folder))
        order = torch.randperm(len(images), generator=zoo.generator(zoo.SPLIT_SEED, "split"))
        train, valid = order[_VALID:].numpy(), order[:_VALID].numpy()
        if argument:
            train, valid = order.numpy(), order[:_WATCHED].numpy()
        return zoo.Data(
            f"{name}:{argument}" if argument else name,
            zoo.DataSpec(tuple(images.shape[1:]), "unit"),
            train=_grey(images[train]),
            valid=_grey(images[valid]),
            test=_grey(test_images),
            train_labels=_classes(classes[train]),
            valid_labels=_classes(classes[valid]),
            test_labels=_classes(test_classes),
            epochs=10,
        )

    def fetch(self, folder: Path | None) -> list[Path]:
        """Download missing files and return the paths of all four; their hashes are verified."""
        return zoo.fetch_files(self.card.name, self.files, self.mirror, folder)


class FashionMNIST(MNIST):
    """The data set plugin `fashion-mnist`."""

    card = zoo.DatasetCard(
        name="fashion-mnist",
        summary="70,000 articles of clothing, 28x28 grayscale, 10 classes",
        argument=_ARGUMENT,
        licence="MIT",
    )
    files = (
        zoo.DataFile(_PARTS[0], "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        zoo.DataFile(_PARTS[1], "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        zoo.DataFile(_PARTS[2], "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        zoo.DataFile(_PARTS[3], "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    )
    mirror = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"


def _grey(x: NDArray[Any]) -> torch.Tensor:
    """Convert bytes to grayscale values in [0, 1]."""
    return torch.from_numpy(x).to(torch.float32).div_(255)


def _classes(labels: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(labels.astype(np.int64))
