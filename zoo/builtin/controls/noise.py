"""Noise: p(x) = ½^V, fair coin flips, for bits and grayscale values; N(0, I) for real data, which are standardised.

It learns nothing, so its samples are not copies: it fools the metrics of memorisation and ranks near the bottom in
metrics of quality.
"""

from __future__ import annotations

import math
from typing import NoReturn

import torch
from torch import Generator, Tensor, nn

import zoo


class NoiseConfig(zoo.Config):
    """No settings."""


class Noise(nn.Module):
    """The shape and support of an example, without parameters."""

    def __init__(self, data: zoo.DataSpec) -> None:
        super().__init__()
        self.shape = data.shape
        self.real = data.support == "real"

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Return coin flips or normal draws, shape (n, *data.shape)."""
        if self.real:
            return torch.randn(n, *self.shape, generator=generator)
        return zoo.bernoulli(torch.full((n, *self.shape), 0.5), generator)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return V log ½, or −½ ‖x‖² − V/2 log 2π, in nats, shape (N,); x has shape (N, *data.shape)."""
        v = x.flatten(1).double()
        V = v.shape[1]
        if self.real:
            return -0.5 * v.square().sum(1) - 0.5 * V * math.log(2 * math.pi)
        return v.new_full((len(v),), V * math.log(0.5))


class NoisePlugin:
    """Draws noise."""

    card = zoo.Card(
        name="noise",
        summary="control: fair coin flips, or N(0, I) for real data; fools metrics of memorisation",
        config=NoiseConfig,
        trains_on="grey",
        latent=None,
        samples="draws",
        expected_failures={
            "training-brings-samples-nearer-to-the-data": "it learns nothing",
            "training-raises-the-likelihood": "it learns nothing",
        },
    )

    @zoo.hookimpl
    def build(self, data: zoo.DataSpec) -> Noise:
        """Return the model, which has no parameters."""
        return Noise(data)

    @zoo.hookimpl
    def fit(self) -> None:
        """Learn nothing."""

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("noise has no code")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("noise has no code")

    @zoo.hookimpl
    def sample(self, model: Noise, n: int, generator: Generator) -> Tensor:
        """Return n draws, shape (n, *data.shape)."""
        return model.sample(n, generator)

    @zoo.hookimpl
    def log_prob(self, model: Noise, x: Tensor) -> tuple[zoo.LogProb, ...]:
        """Return the exact log p(x)."""
        return (zoo.LogProb(model.log_prob(x), "exact", method="closed form"),)
