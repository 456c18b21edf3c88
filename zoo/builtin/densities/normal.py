"""p(z) = N(z; 0, I): the right density if training matches the codes to it, as in a VAE; only D is fitted."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

import zoo


class StandardNormal:
    """`NAME@normal`."""

    card = zoo.DensityCard(
        name="normal",
        summary="N(0, I), independent of the codes",
        paper="arXiv:1312.6114",
    )

    @zoo.hookimpl
    def fit(self, codes: Tensor) -> dict[str, Tensor]:
        """Return the dimension D of codes of shape (N, D)."""
        return {"dimension": torch.tensor(codes.shape[1])}

    @zoo.hookimpl
    def sample(self, state: dict[str, Tensor], n: int, generator: Generator) -> Tensor:
        """z ~ N(0, I), shape (n, D)."""
        return torch.randn(n, int(state["dimension"]), generator=generator, dtype=torch.float64)

    @zoo.hookimpl
    def log_prob(self, state: dict[str, Tensor], z: Tensor) -> Tensor:
        """log p(z) = -1/2 |z|^2 - D/2 log 2π in nats, z of shape (B, D), shape (B,)."""
        D = int(state["dimension"])
        if z.shape[1] != D:
            raise ValueError(f"z must have {D} columns, got shape {tuple(z.shape)}")
        return -0.5 * z.square().sum(1) - 0.5 * D * math.log(2 * math.pi)
