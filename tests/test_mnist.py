"""`mnist` and `fashion-mnist`: the splits on a small data set of the same form, and the real files where they lie."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from tests.wrong_data import idx
from zoo.builtin.datasets.mnist import MNIST, FashionMNIST
from zoo.data import fetch
from zoo.data.fetch import DataFile
from zoo.plugins.plugin import Plugin

SPLITS = ("train", "valid", "test")
REAL = os.environ.get("ZOO_DATA")
needs_real = pytest.mark.skipif(REAL is None, reason="ZOO_DATA names no folder with the real files")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A plugin of the same form: 10,050 and 30 images of 1×2 bytes that tell which they are, label = number mod 10."""
    folder = tmp_path_factory.mktemp("data") / "mnist"
    folder.mkdir()
    files = []
    for count, images, labels in ((10_050, 0, 1), (30, 2, 3)):
        numbers = np.arange(count)
        x = np.stack([numbers // 256, numbers % 256], 1).astype(np.uint8).reshape(count, 1, 2)
        for place, values in ((images, x), (labels, (numbers % 10).astype(np.uint8))):
            name, content = MNIST.files[place].name, idx(values)
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            files.append(DataFile(name, hashlib.sha256(content).hexdigest()))

    class Small(MNIST):
        pass

    Small.files = tuple(files)
    return Small, folder


def test_10000_of_the_training_images_are_for_validation_and_labels_stay_with_their_images(small, monkeypatch):
    monkeypatch.setattr(fetch, "_SYSTEM", Path("no such folder"))
    data = Plugin(small[0](), "zoo.datasets").hooks.load(argument="", folder=small[1])
    assert [len(getattr(data, split)) for split in SPLITS] == [50, 10_000, 30]
    numbers = {}
    for split in SPLITS:
        high, low = (getattr(data, split).flatten(1) * 255).round().long().T
        numbers[split] = 256 * high + low
        assert torch.equal(numbers[split] % 10, getattr(data, f"{split}_labels"))
    assert sorted(torch.cat([numbers["train"], numbers["valid"]]).tolist()) == list(range(10_050))
    assert numbers["test"].tolist() == list(range(30))
    assert numbers["train"].tolist() != sorted(numbers["train"].tolist())
    assert (data.name, data.spec, data.epochs) == ("mnist", zoo.DataSpec((1, 2), "unit"), 10)


def test_a_refit_trains_on_every_training_image_under_a_name_and_hash_of_its_own(small):
    plugin = Plugin(small[0](), "zoo.datasets")
    data, split = (plugin.hooks.load(argument=argument, folder=small[1].parent) for argument in ("refit", ""))
    assert [len(getattr(data, split)) for split in SPLITS] == [10_050, 1000, 30]
    assert torch.equal(data.train.sort(0).values, torch.cat([split.train, split.valid]).sort(0).values)
    assert torch.equal(data.valid, data.train[:1000])
    assert torch.equal(data.valid_labels, data.train_labels[:1000])
    assert torch.equal(data.test, split.test)
    assert data.name == "mnist:refit"
    assert data.sha256 != split.sha256


def test_the_split_depends_on_the_split_seed_alone(small):
    torch.manual_seed(1)
    first = small[0]().load("", small[1].parent)
    torch.manual_seed(2)
    assert small[0]().load("", small[1].parent).sha256 == first.sha256


def test_they_take_no_argument():
    for name in ("mnist", "fashion-mnist"):
        with pytest.raises(zoo.ConfigError, match=f"^{name} takes no argument but refit, got '5'"):
            zoo.load_data(f"{name}:5")


def test_the_two_have_names_content_and_mirrors_of_their_own():
    hashes = [file.sha256 for dataset in (MNIST, FashionMNIST) for file in dataset.files]
    assert len(set(hashes)) == 8
    assert [file.name for file in MNIST.files] == [file.name for file in FashionMNIST.files]
    assert MNIST.mirror != FashionMNIST.mirror
    assert all(dataset.mirror.endswith("/") for dataset in (MNIST, FashionMNIST))


@needs_real
@pytest.mark.parametrize(
    ("name", "mean", "sha256"),
    [
        ("mnist", 0.1307, "67f5d089d8bc430760d425c1d93aac5996f8500a4e1f82a3f71d0c4cab898570"),
        ("fashion-mnist", 0.2860, "aa35c41621cd4f7a7000757bef8fcc408da77418e937095866e0d9c204c7694f"),
    ],
)
def test_the_real_files_are_50000_10000_and_10000_images(name, mean, sha256):
    data = zoo.load_data(name)
    assert [len(getattr(data, split)) for split in SPLITS] == [50_000, 10_000, 10_000]
    assert data.spec == zoo.DataSpec((28, 28), "unit")
    assert data.test_labels.bincount().min() > 800
    both = (data.train.double().sum() + data.valid.double().sum()) / 60_000 / 784
    assert round(both.item(), 4) == mean  # of the 60,000, as published
    assert data.sha256 == sha256
