"""MADE's hooks."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

import zoo
from zoo_made.model import MADE, MADEConfig

_BLOCK = 2_000  # examples at once; of a split, those that the diagnosis looks at
_NO_CODE = "MADE has no latent space: it predicts each pixel from those before it"


class MADEPlugin:
    """max Σ_d log p(x_d | x_<d), one ordering of the pixels at a time."""

    card = zoo.Card(
        name="made",
        summary="MADE: each pixel predicted from those before it by one masked network; exact likelihood, no code",
        config=MADEConfig,
        trains_on="bits",
        latent=None,
        samples="draws",
        training=zoo.Training(optimiser="adam", learning_rate=1e-2, batch_size=50, schedule="cosine"),
        sensitivity={"orderings": (1, 8)},
        paper="arXiv:1502.03509",
    )

    @zoo.hookimpl
    def build(self, config: MADEConfig, data: zoo.DataSpec) -> MADE:
        """Return a `MADE` whose orderings and degrees come from the global random state."""
        return MADE(config, data)

    @zoo.hookimpl
    def initialise(self, model: MADE, train: Tensor) -> None:
        """Start at the mean of the training split."""
        model.initialise(train)

    @zoo.hookimpl
    def loss(self, model: MADE, x: Tensor, step: zoo.Step) -> dict[str, Tensor]:
        """Return −log p_k(x), nats, mean over the batch, the orderings k in turn; in evaluation −log p(x)."""
        if model.training:
            return {"loss": -model.log_prob_of_ordering(x, step.index % model.config.orderings).mean()}
        return {"loss": -model.log_prob(x).mean()}

    @zoo.hookimpl
    def encode(self, x: Tensor) -> Tensor:
        """Refuse: there is no code."""
        raise zoo.Unsupported(_NO_CODE)

    @zoo.hookimpl
    def decode(self, z: Tensor) -> Tensor:
        """Refuse: there is no code."""
        raise zoo.Unsupported(_NO_CODE)

    @zoo.hookimpl
    def sample(self, model: MADE, n: int, generator: Generator) -> Tensor:
        """Return n draws of p(x), bits of shape (n, *data.shape), bit by bit."""
        return model.sample(n, generator)

    @zoo.hookimpl
    def log_prob(self, model: MADE, x: Tensor) -> tuple[zoo.LogProb, ...]:
        """Return the exact log p(x) of bits."""
        nats = torch.cat([model.log_prob(block) for block in x.split(_BLOCK)])
        return (zoo.LogProb(nats, "exact", method=_method(model.config.orderings)),)

    @zoo.hookimpl
    def diagnose(self, model: MADE, train: Tensor, valid: Tensor) -> dict[str, float]:
        """Return log p(x), nats, of at most 2,000 examples of each split; and of one ordering alone, their mean.

        A gap between the splits is overfitting; the mixture is never below the mean of its orderings (Jensen).
        """
        return {
            "log p(x) (training)": model.log_prob(train[:_BLOCK]).mean().item(),
            "log p(x) (validation)": model.log_prob(valid[:_BLOCK]).mean().item(),
            "log p(x) of one ordering (validation)": model.log_probs(valid[:_BLOCK]).mean().item(),
        }


def _method(K: int) -> str:
    return "one pass" if K == 1 else f"mixture of {K} orderings, one pass for each"
