"""Probabilistic PCA: the linear model with Gaussian codes, fitted by maximum likelihood in closed form.

    p(z)   = N(0, I)                      z (q,)
    p(x|z) = N(x; W z + m, σ² I)          x (V,), W (V, q), m (V,)
    p(x)   = N(x; m, W Wᵀ + σ² I)
    p(z|x) = N(z; M⁻¹ Wᵀ (x − m), σ² M⁻¹),    M = Wᵀ W + σ² I

Maximum likelihood, with λ_1 ≥ … ≥ λ_V the eigenvalues of the training split's covariance and U its first q
eigenvectors:

    m = mean of x        σ² = 1/(V − q) Σ_{j>q} λ_j        W = U (diag(λ_1, …, λ_q) − σ² I)^{1/2}

so the columns of W are orthogonal and M = diag(λ_1, …, λ_q). σ is bounded below by 0.01; the formula also gives the
maximum under this bound. Likelihoods are in nats.

For data in [0, 1], the model is a density of grayscale values: decoded values and draws are clipped to [0, 1], and
there is no likelihood, because likelihoods of such data are those of bits, and the model is not a distribution of bits.

Tipping & Bishop (1999), Probabilistic Principal Component Analysis, 10.1111/1467-9868.00196.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo

_SIGMA_MIN = 1e-2  # real data are standardised, grayscale values are in [0, 1]


class PPCAConfig(zoo.Config):
    """Settings of probabilistic PCA; the default is the latent dimension of the neural models."""

    latent_dim: Annotated[int, Field(gt=0, description="q, the number of values in z, at most V − 1")] = 16


class PPCA(nn.Module):
    """p(x) = N(m, W Wᵀ + σ² I), for examples of `data.shape`, flattened to (V,).

    Raises:
        zoo.Unsupported: for examples of a single value, because a code must be smaller than an example.
    """

    def __init__(self, config: PPCAConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        if data.size == 1:
            raise zoo.Unsupported("probabilistic PCA needs examples of two values or more, got one")
        self.shape = data.shape
        self.real = data.support == "real"
        V, q = data.size, min(config.latent_dim, data.size - 1)
        self.m = nn.Parameter(torch.zeros(V), requires_grad=False)
        self.W = nn.Parameter(torch.zeros(V, q), requires_grad=False)
        self.sigma = nn.Parameter(torch.ones(()), requires_grad=False)

    def fit(self, train: Tensor) -> None:
        """Set m, W and σ to their maximum-likelihood values for the training split (N, *data.shape)."""
        x, q = train.flatten(1).double(), self.W.shape[1]
        ascending, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
        lam, U = ascending.flip(0), vectors.flip(1)
        sigma2 = lam[q:].mean().clamp(min=_SIGMA_MIN**2)
        self.m.copy_(x.mean(0))
        self.W.copy_(U[:, :q] * (lam[:q] - sigma2).clamp(min=0).sqrt())
        self.sigma.copy_(sigma2.sqrt())

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean (B, q) and standard deviations (q,) of p(z|x); x has shape (B, *data.shape)."""
        M = self.W.square().sum(0) + self.sigma**2
        return (x.flatten(1) - self.m) @ self.W / M, self.sigma / M.sqrt()

    def decode(self, z: Tensor, generator: Generator | None = None) -> Tensor:
        """Return E[x|z], or a draw from p(x|z), clipped to the data's range; (B, q) -> (B, *data.shape)."""
        x = self.m + z @ self.W.T
        if generator is not None:
            x = x + self.sigma * torch.randn(x.shape, generator=generator, device=generator.device)
        return (x if self.real else x.clamp(0, 1)).reshape(-1, *self.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, shape (N,), computed in q dimensions; x has shape (N, *data.shape).

        (W Wᵀ + σ² I)⁻¹ = (I − W M⁻¹ Wᵀ)/σ² and |W Wᵀ + σ² I| = σ^{2(V − q)} |M|.
        """
        m, W, sigma2 = self.m.double(), self.W.double(), self.sigma.double() ** 2
        V, q = W.shape
        M = W.square().sum(0) + sigma2
        d = x.flatten(1).double() - m
        squared = (d.square().sum(1) - ((d @ W).square() / M).sum(1)) / sigma2
        log_det = (V - q) * sigma2.log() + M.log().sum()
        return -0.5 * (squared + log_det + V * math.log(2 * math.pi))


class PPCAPlugin:
    """x = W z + m + σ ε."""

    card = zoo.Card(
        name="ppca",
        summary="control: probabilistic PCA, the best linear Gaussian model, fitted in closed form",
        config=PPCAConfig,
        trains_on="grey",
        latent="real",
        samples="means",
        sensitivity={"latent_dim": (4, 32)},
        paper="doi:10.1111/1467-9868.00196",
    )

    @zoo.hookimpl
    def build(self, config: PPCAConfig, data: zoo.DataSpec) -> PPCA:
        """Return a model with p(x) = N(0, I)."""
        return PPCA(config, data)

    @zoo.hookimpl
    def fit(self, model: PPCA, train: Tensor) -> None:
        """Fit the model in closed form."""
        model.fit(train)

    @zoo.hookimpl
    def encode(self, model: PPCA, x: Tensor, generator: Generator | None) -> Tensor:
        """Return the mean of p(z|x), or a draw from it, shape (B, q)."""
        mean, sd = model.posterior(x)
        return (
            mean
            if generator is None
            else mean + sd * torch.randn(mean.shape, generator=generator, device=generator.device)
        )

    @zoo.hookimpl
    def decode(self, model: PPCA, z: Tensor, generator: Generator | None) -> Tensor:
        """Return E[x|z] clipped to the data's range, or for real data a draw from p(x|z), shape (B, *data.shape)."""
        return model.decode(z, generator)

    @zoo.hookimpl
    def sample(self, model: PPCA, n: int, generator: Generator) -> Tensor:
        """Return n draws of p(x), noise included, shape (n, *data.shape): grayscale (clipped to [0, 1]) or real."""
        return model.decode(self.sample_codes(model, n, generator), generator)

    @zoo.hookimpl
    def sample_codes(self, model: PPCA, n: int, generator: Generator) -> Tensor:
        """Return z ~ N(0, I), shape (n, q)."""
        return torch.randn(n, model.W.shape[1], generator=generator, device=generator.device)

    @zoo.hookimpl
    def log_prob_codes(self, z: Tensor) -> Tensor:
        """Return log N(z; 0, I) in nats, shape (B,)."""
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    @zoo.hookimpl
    def log_prob(self, model: PPCA, x: Tensor) -> tuple[zoo.LogProb, ...]:
        """Return the exact log p(x) of real data."""
        if not model.real:
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits; probabilistic PCA is a density of grayscale values"
            )
        return (zoo.LogProb(model.log_prob(x), "exact", method="closed form"),)
