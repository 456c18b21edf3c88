"""Mean image: every sample is the mean of the training split, rounded to bits. Total mode collapse.

The image lies in the middle of the real images, so precision, which tests for each sample separately whether it lies
among them, can be perfect. The samples have no variety, which recall, coverage and all distances between sets detect.
"""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Tensor, nn

import zoo


class MeanConfig(zoo.Config):
    """No settings."""


class Mean(nn.Module):
    """The image, shape (*data.shape); for data in [0, 1] it consists of bits: 1 where the mean is at least 0.5."""

    def __init__(self, data: zoo.DataSpec) -> None:
        super().__init__()
        self.real = data.support == "real"
        self.image = nn.Parameter(torch.zeros(data.shape), requires_grad=False)

    def fit(self, train: Tensor) -> None:
        """Set the image to the mean of the training split (N, *data.shape), rounded for data in [0, 1]."""
        mean = train.double().mean(0)
        self.image.copy_(mean if self.real else mean >= 0.5)


class MeanPlugin:
    """Returns the mean image."""

    card = zoo.Card(
        name="mean",
        summary="control: always the rounded mean image (total collapse); can fool precision",
        config=MeanConfig,
        trains_on="grey",
        latent=None,
        samples="draws",
        expected_failures={
            "another-generator-gives-other-samples": "every sample is the same image",
            "samples-of-one-call-differ": "every sample is the same image",
        },
    )

    @zoo.hookimpl
    def build(self, data: zoo.DataSpec) -> Mean:
        """Return a black image."""
        return Mean(data)

    @zoo.hookimpl
    def fit(self, model: Mean, train: Tensor) -> None:
        """Set the image to the mean."""
        model.fit(train)

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a model of a single image has no code")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a model of a single image has no code")

    @zoo.hookimpl
    def sample(self, model: Mean, n: int) -> Tensor:
        """Return the image n times, shape (n, *data.shape)."""
        return model.image.repeat(n, *(1 for _ in model.image.shape))
