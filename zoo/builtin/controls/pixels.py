"""Independent pixels: each has the right mean, and none knows of the others.

    p(x) = ∏_j p_j^{x_j} (1 − p_j)^{1 − x_j}        bits, and grey values read as probabilities of bits
    p(x) = ∏_j N(x_j; m_j, s_j²)                    real data

p_j and m_j are means over the training split, s_j its standard deviations. It has every pixel right and no image. It
can fool a measure of variety, and precision, which asks only whether samples lie somewhere among the real ones.
"""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Bernoulli, Normal

import zoo

_SD_MIN = 1e-2  # of real data, which are standardised: a column that never changes keeps a finite density


class PixelsConfig(zoo.Config):
    """There is nothing to set."""


class Pixels(nn.Module):
    """Means and standard deviations of the pixels, each of shape (*data.shape); bits need the means alone."""

    def __init__(self, data: zoo.DataSpec) -> None:
        super().__init__()
        self.real = data.support == "real"
        self.mean = nn.Parameter(torch.full(data.shape, 0.0 if self.real else 0.5), requires_grad=False)
        self.sd = nn.Parameter(torch.ones(data.shape), requires_grad=False) if self.real else None

    def fit(self, train: Tensor) -> None:
        """Take means over the training split (N, *data.shape); p_j within 1/2N of 0 or 1 is moved to that distance."""
        x = train.double()
        rarest = 0.5 / len(x)
        self.mean.copy_(x.mean(0) if self.sd is not None else x.mean(0).clamp(rarest, 1 - rarest))
        if self.sd is not None:
            self.sd.copy_(x.std(0, correction=0).clamp(min=_SD_MIN))

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw each pixel by itself, shape (n, *data.shape)."""
        mean = self.mean.expand(n, *self.mean.shape)
        if self.sd is None:
            return zoo.bernoulli(mean, generator)
        return mean + self.sd * torch.randn(mean.shape, generator=generator, device=generator.device)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, x of shape (N, *data.shape), shape (N,)."""
        mean = self.mean.double()
        pixel = Bernoulli(mean) if self.sd is None else Normal(mean, self.sd.double())
        nats: Tensor = pixel.log_prob(x.double())  # type: ignore[no-untyped-call]
        return nats.flatten(1).sum(1)


class PixelsPlugin:
    """Draws every pixel by itself."""

    card = zoo.Card(
        name="pixels",
        summary="control: independent pixels with the right means; can fool precision, and measures of variety",
        config=PixelsConfig,
        trains_on="grey",
        latent=None,
        samples="draws",
    )

    @zoo.hookimpl
    def build(self, data: zoo.DataSpec) -> Pixels:
        """Return fair coins, or standard normal columns."""
        return Pixels(data)

    @zoo.hookimpl
    def fit(self, model: Pixels, train: Tensor) -> None:
        """Take the means."""
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
