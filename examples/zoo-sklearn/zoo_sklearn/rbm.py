"""`sklearn-rbm`: scikit-learn's BernoulliRBM, a distribution of bits v (V,) with hidden bits h (H,).

    p(v, h) ∝ exp(bᵀv + cᵀh + hᵀW v)        W (H, V): components_,  b: intercept_visible_,  c: intercept_hidden_

It is trained by persistent contrastive divergence with as many chains as a batch has examples (Tieleman, 2008). A step
of the budget is one batch, `partial_fit`, in the order of the training split, so that an epoch is one of `n_iter`; on
data that are bits, the weights are those of `BernoulliRBM.fit`, bit for bit. Bits of values in [0, 1] are drawn anew
in each epoch, as for every model of bits.

Samples are visible bits after `steps` calls of `gibbs`, started at h = 0. scikit-learn has no log p(v), which needs Z.
Its `score_samples` estimates the pseudo-likelihood Σ_i log p(v_i | v_{−i}), which is not a log p(v), nor a bound on
it; so the model has no likelihood in the tables, and the pseudo-likelihood is a diagnostic.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from scipy.special import expit
from sklearn.neural_network import BernoulliRBM
from torch import Generator, Tensor, nn

import zoo
from zoo_sklearn.arrays import Array, examples, fixed, restore, rows, seed, store

_FITTED = ("components_", "intercept_hidden_", "intercept_visible_")
_DIAGNOSED = 2_000  # examples of a split


class SklearnRBMConfig(zoo.Config):
    """The settings of BernoulliRBM; scikit-learn's defaults are a learning rate of 0.1 and batches of 10."""

    n_components: Annotated[int, Field(gt=0, description="H, hidden units")] = 256
    learning_rate: Annotated[float, Field(gt=0, description="step size, constant")] = 0.01


class SklearnRBMOptions(zoo.Config):
    """The settings of sampling."""

    steps: Annotated[int, Field(gt=0, description="Gibbs steps of each chain")] = 100


class SklearnRBM(nn.Module):
    """The fitted arrays, and the estimator that has them."""

    def __init__(self, config: SklearnRBMConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        if data.support == "real":
            raise zoo.Unsupported("BernoulliRBM is a distribution of bits, got real-valued data")
        self.config, self.shape = config, data.shape
        H, V = config.n_components, data.size
        self.components_ = fixed(H, V)
        self.intercept_hidden_ = fixed(H)
        self.intercept_visible_ = fixed(V)

    def estimator(self, random_state: int | None = None, batch_size: int = 1) -> BernoulliRBM:
        """Return an estimator with the settings, not fitted."""
        settings = self.config.model_dump()
        return BernoulliRBM(**settings, batch_size=batch_size, random_state=random_state)

    def fitted(self, random_state: int | None = None) -> BernoulliRBM:
        """Return the fitted estimator."""
        return restore(self, self.estimator(random_state), *_FITTED)

    def mean_v(self, h: Array) -> Array:
        """E[v | h] = sigmoid(b + h W), (B, H) -> (B, V)."""
        b, W = self.intercept_visible_.detach().cpu().numpy(), self.components_.detach().cpu().numpy()
        return np.asarray(expit(h @ W + b))


class SklearnRBMPlugin:
    """BernoulliRBM."""

    card = zoo.Card(
        name="sklearn-rbm",
        summary="scikit-learn's BernoulliRBM: binary units, trained by persistent contrastive divergence",
        config=SklearnRBMConfig,
        options=SklearnRBMOptions,
        trains_on="bits",
        latent="bits",
        samples="draws",
        training=zoo.Training(batch_size=50),
        sensitivity={"n_components": (128, 512), "learning_rate": (0.003, 0.1), "sample.steps": (1, 10, 1000)},
        paper="Tieleman (2008), Training RBMs using Approximations to the Likelihood Gradient",
    )

    @zoo.hookimpl
    def build(self, config: SklearnRBMConfig, data: zoo.DataSpec) -> SklearnRBM:
        """Return an RBM whose weights are 0."""
        return SklearnRBM(config, data)

    @zoo.hookimpl
    def fit(self, model: SklearnRBM, train: Tensor, generator: Generator, budget: zoo.Meter) -> None:
        """Call `partial_fit` for each batch, until the budget is used up."""
        rbm = model.estimator(seed(generator), budget.batch_size)
        while not budget.exhausted:
            v = rows(zoo.bernoulli(train, generator))
            for first in range(0, len(v), budget.batch_size):
                if budget.exhausted:
                    break
                rbm.partial_fit(v[first : first + budget.batch_size])
                budget.step(model)
        store(model, rbm, *_FITTED)

    @zoo.hookimpl
    def encode(self, model: SklearnRBM, x: Tensor, generator: Generator | None) -> Tensor:
        """Return p(h = 1 | v), or a draw, shape (B, H)."""
        h = torch.from_numpy(model.fitted().transform(rows(x))).float().to(x.device)
        return h if generator is None else zoo.bernoulli(h, generator)

    @zoo.hookimpl
    def decode(self, model: SklearnRBM, z: Tensor) -> Tensor:
        """Return E[v | h], shape (B, *data.shape)."""
        return examples(model.mean_v(rows(z)), z, model.shape, real=False)

    @zoo.hookimpl
    def sample(self, model: SklearnRBM, n: int, generator: Generator, options: SklearnRBMOptions) -> Tensor:
        """Return v after `steps` Gibbs steps of n chains, shape (n, *data.shape), as bits."""
        start = model.mean_v(np.zeros((n, len(model.intercept_hidden_))))
        p = torch.from_numpy(start).to(generator.device)
        v = rows(zoo.bernoulli(p.float(), generator))
        rbm = model.fitted(seed(generator))
        for _ in range(options.steps):
            v = rbm.gibbs(v)
        return examples(v.astype(np.float64), p, model.shape, real=False)

    @zoo.hookimpl
    def diagnose(self, model: SklearnRBM, train: Tensor, valid: Tensor, generator: Generator) -> dict[str, float]:
        """Return the mean of `score_samples` over at most 2,000 examples of each split, bits."""
        rbm = model.fitted(seed(generator))
        splits = {"training": train, "validation": valid}
        return {
            f"log pseudo-likelihood ({split})": float(rbm.score_samples(rows(x[:_DIAGNOSED])).mean())
            for split, x in splits.items()
        }
