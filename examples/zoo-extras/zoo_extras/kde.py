"""The latent density `kde`: a kernel density estimate with a Gaussian on the code of each training example.

    p(z) = 1/N Σᵢ N(z; zᵢ, diag h²)        h_d = s_d (4 / ((D + 2) N))^(1/(D + 4))

s_d is the standard deviation of z_d, and h is Silverman's rule, which is optimal for normal codes. In few dimensions
the density follows any shape; in many it returns the training codes with little noise, which the memorisation metrics
show.

Silverman (1986), Density Estimation for Statistics and Data Analysis, section 4.3.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

import zoo

_BLOCK = 256  # codes whose distances to all N are in memory at once


class KernelDensity:
    """The latent density `kde`, for real codes."""

    card = zoo.DensityCard(
        name="kde",
        summary="kernel density estimate over codes, bandwidth by Silverman's rule: ae@kde",
        paper="Silverman (1986), Density Estimation for Statistics and Data Analysis",
    )

    @zoo.hookimpl
    def fit(self, codes: Tensor) -> dict[str, Tensor]:
        """Return codes, shape (N, D), and h, shape (D,), with s_d at least a millionth of the largest."""
        N, D = codes.shape
        s = codes.std(0, correction=0)
        h = s.clamp(min=1e-6 * s.max().item() + 1e-12) * (4 / ((D + 2) * N)) ** (1 / (D + 4))
        return {"codes": codes, "h": h}

    @zoo.hookimpl
    def sample(self, state: dict[str, Tensor], n: int, generator: Generator) -> Tensor:
        """Return draws z = zᵢ + h ε with random i, shape (n, D)."""
        codes, h = state["codes"], state["h"]
        centres = codes[torch.randint(len(codes), (n,), generator=generator)]
        return centres + h * torch.randn(centres.shape, generator=generator, dtype=codes.dtype)

    @zoo.hookimpl
    def log_prob(self, state: dict[str, Tensor], z: Tensor) -> Tensor:
        """Return log p(z) in nats, z of shape (B, D), shape (B,)."""
        codes, h = state["codes"] / state["h"], state["h"]
        log_kernels = torch.cat(
            [(-torch.cdist(block, codes).square() / 2).logsumexp(1) for block in (z / h).split(_BLOCK)]
        )
        return log_kernels - math.log(len(codes)) - h.log().sum() - len(h) / 2 * math.log(2 * math.pi)
