"""p(x) = ∏_d p_d^{x_d} (1 − p_d)^{1 − x_d}: pixels that know nothing of each other, the smallest whole plugin.

The tests install it as a distribution of its own (the fixture `distribution`) and break copies of it.
"""

from __future__ import annotations

from typing import Annotated, NoReturn

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo


class PixelsConfig(zoo.Config):
    """The prior of every p_d is Beta(1 + smoothing, 1 + smoothing), of which the mode is taken."""

    smoothing: Annotated[float, Field(gt=0, le=10, description="pseudo-count of each value")] = 1.0


class Pixels(nn.Module):
    """The means p, shape (*data.shape)."""

    def __init__(self, config: PixelsConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.smoothing = config.smoothing
        self.p = nn.Parameter(torch.full(data.shape, 0.5), requires_grad=False)


class IndependentPixels:
    """The hooks."""

    card = zoo.Card(
        name="coins",
        summary="every pixel a coin of its own",
        config=PixelsConfig,
        trains_on="bits",
        latent=None,
        samples="means",
    )

    @zoo.hookimpl
    def build(self, config: PixelsConfig, data: zoo.DataSpec) -> Pixels:
        return Pixels(config, data)

    @zoo.hookimpl
    def fit(self, model: Pixels, train: Tensor) -> None:
        model.p.copy_((train.sum(0) + model.smoothing) / (len(train) + 2 * model.smoothing))

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        raise zoo.Unsupported("independent pixels have no code")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        raise zoo.Unsupported("independent pixels have no code")

    @zoo.hookimpl
    def sample(self, model: Pixels, n: int, generator: Generator) -> Tensor:
        return model.p.expand(n, *model.p.shape)

    @zoo.hookimpl
    def log_prob(self, model: Pixels, x: Tensor) -> tuple[zoo.LogProb, ...]:
        nats = torch.distributions.Bernoulli(model.p).log_prob(x).flatten(1).sum(1)
        return (zoo.LogProb(nats, "exact", method="closed form"),)
