"""One image, always the same: the mean of the training split, rounded to bits. Total collapse.

It lies in the middle of the real images, so that precision, which asks of each sample by itself whether it lies among
them, can give it a full score. Of variety it has none: recall, coverage and any distance between sets see that.
"""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Tensor, nn

import zoo


class MeanConfig(zoo.Config):
    """There is nothing to set."""


class Mean(nn.Module):
    """The one image, shape (*data.shape): bits for data in [0, 1], a mean of 0.5 and more being 1."""

    def __init__(self, data: zoo.DataSpec) -> None:
        super().__init__()
        self.real = data.support == "real"
        self.image = nn.Parameter(torch.zeros(data.shape), requires_grad=False)

    def fit(self, train: Tensor) -> None:
        """Set the image to the (rounded) mean of the training split, shape (N, *data.shape)."""
        mean = train.double().mean(0)
        self.image.copy_(mean if self.real else mean >= 0.5)


class MeanPlugin:
    """Returns the mean image."""

    card = zoo.Card(
        name="mean",
        summary="control: always the rounded mean image, total collapse; can fool precision",
        config=MeanConfig,
        trains_on="grey",
        latent=None,
        samples="draws",
        expected_failures={
            "another-generator-gives-other-samples": "it is always the same image",
            "samples-of-one-call-differ": "it is always the same image",
        },
    )

    @zoo.hookimpl
    def build(self, data: zoo.DataSpec) -> Mean:
        """Return a black image."""
        return Mean(data)

    @zoo.hookimpl
    def fit(self, model: Mean, train: Tensor) -> None:
        """Take the mean."""
        model.fit(train)

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a model of one image has no code")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a model of one image has no code")

    @zoo.hookimpl
    def sample(self, model: Mean, n: int) -> Tensor:
        """Return the image n times, shape (n, *data.shape)."""
        return model.image.repeat(n, *(1 for _ in model.image.shape))
