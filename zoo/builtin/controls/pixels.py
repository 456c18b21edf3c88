"""Independent pixels, each with the correct mean.

    p(x) = ∏_j p_j^{x_j} (1 − p_j)^{1 − x_j}        bits, and grayscale values as probabilities of bits
    p(x) = ∏_j N(x_j; m_j, s_j²)                    real data

p_j and m_j are means over the training split, s_j its standard deviations. Each pixel is distributed correctly, but
the pixels are independent, so the samples show no shapes. The model can fool metrics of variety, and also precision,
which only tests whether samples lie among the real ones.
"""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Bernoulli, Normal

import zoo

_SD_MIN = 1e-2  # real data are standardised; the bound keeps the density of a constant column finite


class PixelsConfig(zoo.Config):
    """No settings."""


class Pixels(nn.Module):
    """Means and standard deviations of the pixels, each of shape (*data.shape); for bits only the means."""

    def __init__(self, data: zoo.DataSpec) -> None:
        super().__init__()
        self.real = data.support == "real"
        self.mean = nn.Parameter(torch.full(data.shape, 0.0 if self.real else 0.5), requires_grad=False)
        self.sd = nn.Parameter(torch.ones(data.shape), requires_grad=False) if self.real else None

    def fit(self, train: Tensor) -> None:
        """Set the parameters from the training split (N, *data.shape); p_j is kept at least 1/2N from 0 and 1."""
        x = train.double()
        rarest = 0.5 / len(x)
        self.mean.copy_(x.mean(0) if self.sd is not None else x.mean(0).clamp(rarest, 1 - rarest))
        if self.sd is not None:
            self.sd.copy_(x.std(0, correction=0).clamp(min=_SD_MIN))

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw each pixel independently, shape (n, *data.shape)."""
        mean = self.mean.expand(n, *self.mean.shape)
        if self.sd is None:
            return zoo.bernoulli(mean, generator)
        return mean + self.sd * torch.randn(mean.shape, generator=generator, device=generator.device)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, shape (N,); x has shape (N, *data.shape)."""
        mean = self.mean.double()
        pixel = Bernoulli(mean) if self.sd is None else Normal(mean, self.sd.double())
        nats: Tensor = pixel.log_prob(x.double())  # type: ignore[no-untyped-call]
        return nats.flatten(1).sum(1)


class PixelsPlugin:
    """Draws every pixel independently."""

    card = zoo.Card(
        name="pixels",
        summary="control: independent pixels with the correct means; can fool precision and metrics of variety",
        config=PixelsConfig,
        trains_on="grey",
        latent=None,
        samples="draws",
    )

    @zoo.hookimpl
    def build(self, data: zoo.DataSpec) -> Pixels:
        """Return a model of fair coin flips, or of standard normal columns."""
        return Pixels(data)

    @zoo.hookimpl
    def fit(self, model: Pixels, train: Tensor) -> None:
        """Set the means and standard deviations."""
        model.fit(train)

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("independent pixels have no code")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("independent pixels have no code")

    @zoo.hookimpl
    def sample(self, model: Pixels, n: int, generator: Generator) -> Tensor:
        """Return n draws, shape (n, *data.shape)."""
        return model.sample(n, generator)

    @zoo.hookimpl
    def log_prob(self, model: Pixels, x: Tensor) -> tuple[zoo.LogProb, ...]:
        """Return the exact log p(x)."""
        return (zoo.LogProb(model.log_prob(x), "exact", method="closed form"),)
