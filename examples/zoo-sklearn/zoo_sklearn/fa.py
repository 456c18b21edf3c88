"""`sklearn-fa`: scikit-learn's FactorAnalysis, fitted by EM.

    p(z)   = N(0, I)                        z (q,)
    p(x|z) = N(x; W z + m, Ψ)               W (V, q): components_ᵀ,  m: mean_,  Ψ = diag(noise_variance_)
    p(x)   = N(x; m, W Wᵀ + Ψ)
    p(z|x) = N(z; G Wᵀ Ψ⁻¹ (x − m), G),     G = (I + Wᵀ Ψ⁻¹ W)⁻¹

A pass of EM (a randomised SVD of the data) looks at every example and uses an epoch of the budget; EM ends when the
log-likelihood of the training split rises by less than `tol`. Mean codes are `transform`, likelihoods are
`score_samples`, in nats. scikit-learn does not sample from the model; samples are x = W z + m + Ψ^½ ε with its arrays.

For data in [0, 1], the model is a density of grayscale values: draws are clipped to [0, 1], and there is no likelihood,
because likelihoods of such data are those of bits, and factor analysis is not a distribution of bits.
"""

from __future__ import annotations

import math
import warnings
from typing import Annotated

import torch
from pydantic import Field
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import ConvergenceWarning
from torch import Generator, Tensor, nn

import zoo
from zoo_sklearn.arrays import examples, fixed, passes, restore, rows, seed, store

_FITTED = ("components_", "mean_", "noise_variance_")


class SklearnFAConfig(zoo.Config):
    """The settings of FactorAnalysis; all but n_components have scikit-learn's defaults."""

    n_components: Annotated[int, Field(gt=0, description="q, the number of factors, at most V")] = 16
    tol: Annotated[float, Field(gt=0, description="smallest rise of the log-likelihood of the training split")] = 1e-2
    max_iter: Annotated[int, Field(gt=0, description="most passes of EM; the budget may end it earlier")] = 1000


class SklearnFA(nn.Module):
    """The fitted arrays, and the estimator that has them."""

    def __init__(self, config: SklearnFAConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config, self.shape, self.real = config, data.shape, data.support == "real"
        self.components_ = fixed(min(config.n_components, data.size), data.size)
        self.mean_ = fixed(data.size)
        self.noise_variance_ = fixed(data.size, fill=1.0)

    def estimator(self, random_state: int | None = None, max_iter: int | None = None) -> FactorAnalysis:
        """Return an estimator with the settings, not fitted."""
        settings = self.config.model_dump() | {"n_components": len(self.components_)}
        return FactorAnalysis(**settings | {"max_iter": max_iter or settings["max_iter"]}, random_state=random_state)

    def fitted(self) -> FactorAnalysis:
        """Return the fitted estimator."""
        return restore(self, self.estimator(0), *_FITTED)

    def posterior_cholesky(self) -> Tensor:
        """A lower triangular root of G, shape (q, q)."""
        W, psi = self.components_, self.noise_variance_
        precision = torch.eye(len(W), dtype=W.dtype, device=W.device) + W / psi @ W.T
        root: Tensor = torch.linalg.cholesky(torch.linalg.inv(precision))
        return root


class SklearnFAPlugin:
    """FactorAnalysis."""

    card = zoo.Card(
        name="sklearn-fa",
        summary="scikit-learn's FactorAnalysis: a linear Gaussian model with separate noise for each value",
        config=SklearnFAConfig,
        trains_on="grey",
        latent="real",
        samples="means",
        sensitivity={"n_components": (4, 32)},
        paper="doi:10.1007/BF02293851",
    )

    @zoo.hookimpl
    def build(self, config: SklearnFAConfig, data: zoo.DataSpec) -> SklearnFA:
        """Return a model with p(x) = N(0, I)."""
        return SklearnFA(config, data)

    @zoo.hookimpl
    def fit(self, model: SklearnFA, train: Tensor, generator: Generator, budget: zoo.Meter) -> None:
        """Call `fit`, then log its passes; the loss is −log p(x) per example before each pass."""
        factors = model.estimator(seed(generator), passes(budget, model.config.max_iter))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the budget may end EM early
            factors.fit(rows(train))
        for total in factors.loglike_:
            budget.whole_pass(model, loss=-float(total) / len(train))
        store(model, factors, *_FITTED)

    @zoo.hookimpl
    def encode(self, model: SklearnFA, x: Tensor, generator: Generator | None) -> Tensor:
        """Return the mean of p(z|x), `transform`, or a draw from it, shape (B, q)."""
        z = torch.from_numpy(model.fitted().transform(rows(x))).to(x.device)
        if generator is not None:
            noise = torch.randn(z.shape, generator=generator, device=generator.device, dtype=z.dtype)
            z = z + noise @ model.posterior_cholesky().T
        return z.float()

    @zoo.hookimpl
    def decode(self, model: SklearnFA, z: Tensor, generator: Generator | None) -> Tensor:
        """Return E[x|z] clipped to the data's range, or for real data a draw from p(x|z), shape (B, *data.shape)."""
        x = model.mean_ + z.double() @ model.components_
        if generator is not None:
            noise = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype)
            x = x + model.noise_variance_.sqrt() * noise
        return examples(x.cpu().numpy(), z, model.shape, model.real)

    @zoo.hookimpl
    def sample(self, model: SklearnFA, n: int, generator: Generator) -> Tensor:
        """Return n draws of p(x), noise included, shape (n, *data.shape): grayscale (clipped to [0, 1]) or real."""
        return self.decode(model, _standard_normal(model, n, generator), generator)

    @zoo.hookimpl
    def sample_codes(self, model: SklearnFA, n: int, generator: Generator) -> Tensor:
        """Return z ~ N(0, I), shape (n, q), for real data."""
        if not model.real:
            raise zoo.Unsupported("samples of data in [0, 1] have the noise of p(x|z), which decoded codes do not have")
        return _standard_normal(model, n, generator)

    @zoo.hookimpl
    def log_prob_codes(self, z: Tensor) -> Tensor:
        """Return log N(z; 0, I) in nats, shape (B,)."""
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    @zoo.hookimpl
    def log_prob(self, model: SklearnFA, x: Tensor) -> tuple[zoo.LogProb, ...]:
        """Return `score_samples` of real data, the exact log p(x)."""
        if not model.real:
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits; factor analysis is a density of grayscale values"
            )
        nats = torch.from_numpy(model.fitted().score_samples(rows(x))).to(x.device)
        return (zoo.LogProb(nats, "exact", method="score_samples of scikit-learn"),)


def _standard_normal(model: SklearnFA, n: int, generator: Generator) -> Tensor:
    return torch.randn(n, len(model.components_), generator=generator, device=generator.device)
