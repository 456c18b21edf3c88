"""`sklearn-gmm`: scikit-learn's GaussianMixture, p(x) = Σ_k π_k N(x; m_k, C_k), fitted by EM from k-means.

    π (K,): weights_,  m (K, V): means_,  C: covariances_;  C_k has reg_covar added to its diagonal

The code z (K,) is one-hot: z_k = 1, with probability π_k, means that x is drawn from component k. A pass of EM looks at
every example and uses an epoch of the budget; there are at most `max_iter`, and fewer if the lower bound changes by
less than `tol`. Likelihoods are `score_samples`, in nats.

For data in [0, 1], the mixture is a density of grayscale values: draws are clipped to [0, 1], and there is no
likelihood, because likelihoods of such data are those of bits, and the mixture is not a distribution of bits.
"""

from __future__ import annotations

import warnings
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Generator, Tensor, nn

import zoo
from zoo_sklearn.arrays import examples, fixed, passes, restore, rows, seed, store

_FITTED = ("weights_", "means_", "covariances_", "precisions_cholesky_")


class SklearnGMMConfig(zoo.Config):
    """The settings of GaussianMixture; all but n_components have scikit-learn's defaults."""

    n_components: Annotated[int, Field(gt=0, description="K, the number of Gaussians")] = 10
    covariance_type: Annotated[
        Literal["full", "tied", "diag", "spherical"], Field(description="the form of the covariances")
    ] = "full"
    reg_covar: Annotated[float, Field(ge=0, description="added to the variances")] = 1e-6
    tol: Annotated[float, Field(ge=0, description="smallest change of the lower bound, in nats per example")] = 1e-3
    max_iter: Annotated[int, Field(gt=0, description="most passes of EM; the budget may end it earlier")] = 100


class SklearnGMM(nn.Module):
    """The fitted arrays, and the estimator that has them."""

    precisions_cholesky_: Tensor

    def __init__(self, config: SklearnGMMConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config, self.shape, self.real = config, data.shape, data.support == "real"
        K, V = config.n_components, data.size
        sides = {"full": (K, V, V), "tied": (V, V), "diag": (K, V), "spherical": (K,)}[config.covariance_type]
        ones = torch.ones(sides, dtype=torch.float64)
        if config.covariance_type in ("full", "tied"):
            ones = torch.eye(V, dtype=torch.float64).expand(sides).clone()
        self.weights_ = fixed(K, fill=1 / K)
        self.means_ = fixed(K, V)
        self.covariances_ = nn.Parameter(ones, requires_grad=False)
        self.register_buffer("precisions_cholesky_", ones.clone())

    def estimator(self, random_state: int | None = None, max_iter: int | None = None) -> GaussianMixture:
        """Return an estimator with the settings, not fitted."""
        settings = self.config.model_dump()
        return GaussianMixture(**settings | {"max_iter": max_iter or settings["max_iter"]}, random_state=random_state)

    def fitted(self, random_state: int | None = None) -> GaussianMixture:
        """Return the fitted estimator."""
        return restore(self, self.estimator(random_state), *_FITTED)


class SklearnGMMPlugin:
    """GaussianMixture."""

    card = zoo.Card(
        name="sklearn-gmm",
        summary="scikit-learn's GaussianMixture, fitted by EM to the data, not to codes",
        config=SklearnGMMConfig,
        trains_on="grey",
        latent="bits",
        samples="means",
        sensitivity={"n_components": (1, 50), "covariance_type": ("diag",)},
        paper="Dempster, Laird & Rubin (1977), Maximum Likelihood from Incomplete Data via the EM Algorithm",
    )

    @zoo.hookimpl
    def build(self, config: SklearnGMMConfig, data: zoo.DataSpec) -> SklearnGMM:
        """Return a mixture of standard normal distributions."""
        return SklearnGMM(config, data)

    @zoo.hookimpl
    def fit(self, model: SklearnGMM, train: Tensor, generator: Generator, budget: zoo.Meter) -> None:
        """Call `fit`, then log its passes; the loss is minus the lower bound of log p(x) after each pass."""
        K = model.config.n_components
        if len(train) < max(K, 2):
            raise zoo.ConfigError(
                f"Settings of sklearn-gmm: n_components must be at most the number of training examples, {len(train)}, "
                f"and there must be two or more; got {K}."
            )
        mixture = model.estimator(seed(generator), passes(budget, model.config.max_iter))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the budget may end EM early
            mixture.fit(rows(train))
        for bound in mixture.lower_bounds_:
            budget.whole_pass(model, loss=-float(bound))
        store(model, mixture, *_FITTED)

    @zoo.hookimpl
    def encode(self, model: SklearnGMM, x: Tensor, generator: Generator | None) -> Tensor:
        """Return p(z_k = 1 | x), or a one-hot draw, shape (B, K)."""
        p = torch.from_numpy(model.fitted().predict_proba(rows(x))).float().to(x.device)
        return p if generator is None else _one_hot(p, generator)

    @zoo.hookimpl
    def decode(self, model: SklearnGMM, z: Tensor) -> Tensor:
        """Return E[x | z] = Σ_k z_k m_k, clipped to the data's range, shape (B, *data.shape)."""
        return examples(rows(z) @ model.means_.detach().cpu().numpy(), z, model.shape, model.real)

    @zoo.hookimpl
    def sample(self, model: SklearnGMM, n: int, generator: Generator) -> Tensor:
        """Return n draws of p(x) in random order (`sample` sorts them by component), shape (n, *data.shape)."""
        x, _ = model.fitted(seed(generator)).sample(n)
        order = torch.randperm(n, generator=generator, device=generator.device)
        return examples(x, order, model.shape, model.real)[order]

    @zoo.hookimpl
    def log_prob(self, model: SklearnGMM, x: Tensor) -> tuple[zoo.LogProb, ...]:
        """Return `score_samples` of real data, the exact log p(x)."""
        if not model.real:
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits; a Gaussian mixture is a density of grayscale values"
            )
        nats = torch.from_numpy(model.fitted().score_samples(rows(x))).to(x.device)
        return (zoo.LogProb(nats, "exact", method="score_samples of scikit-learn"),)


def _one_hot(p: Tensor, generator: Generator) -> Tensor:
    """Return a draw from each row of probabilities (B, K), as one-hot vectors of the same shape."""
    k = torch.multinomial(p, 1, generator=generator).squeeze(1)
    return F.one_hot(k, p.shape[1]).to(p.dtype)
