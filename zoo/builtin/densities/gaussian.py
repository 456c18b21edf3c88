"""p(z) = N(z; m, C), C = L Lᵀ: a full-covariance Gaussian, fitted to the codes by maximum likelihood.

    m = 1/N Σᵢ zᵢ        C = 1/N Σᵢ (zᵢ - m)(zᵢ - m)ᵀ + ε I

The ridge ε = 1e-6 · tr(C)/D + 1e-12, a millionth of the codes' mean variance, is negligible if C has full rank, and
makes the density proper if not (dead units, or fewer codes than dimensions).
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

import zoo


class Gaussian:
    """`NAME@gaussian`."""

    card = zoo.DensityCard(
        name="gaussian",
        summary="one Gaussian with full covariance, fitted by maximum likelihood",
        paper="arXiv:1903.12436",
    )

    @zoo.hookimpl
    def fit(self, codes: Tensor) -> dict[str, Tensor]:
        """Return m, shape (D,), and L, shape (D, D), for codes of shape (N, D)."""
        C = torch.cov(codes.T, correction=0).reshape(codes.shape[1], codes.shape[1])  # cov of one row is a scalar
        ridge = 1e-6 * C.diagonal().mean() + 1e-12
        L = torch.linalg.cholesky(C + ridge * torch.eye(len(C), dtype=C.dtype))
        return {"mean": codes.mean(0), "cholesky": L}

    @zoo.hookimpl
    def sample(self, state: dict[str, Tensor], n: int, generator: Generator) -> Tensor:
        """z = m + L ε with ε ~ N(0, I), shape (n, D)."""
        m, L = state["mean"], state["cholesky"]
        return m + torch.randn(n, len(m), generator=generator, dtype=m.dtype) @ L.T

    @zoo.hookimpl
    def log_prob(self, state: dict[str, Tensor], z: Tensor) -> Tensor:
        """log p(z) = -1/2 |L⁻¹(z - m)|^2 - log |L| - D/2 log 2π in nats, z of shape (B, D), shape (B,)."""
        m, L = state["mean"], state["cholesky"]
        if z.shape[1] != len(m):
            raise ValueError(f"z must have {len(m)} columns, got shape {tuple(z.shape)}")
        white: Tensor = torch.linalg.solve_triangular(L, (z - m).T, upper=False)  # (D, B)
        return -0.5 * white.square().sum(0) - L.diagonal().log().sum() - 0.5 * len(m) * math.log(2 * math.pi)
