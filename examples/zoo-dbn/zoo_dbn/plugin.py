"""The hooks of the deep belief network, in terms of `model`, `likelihood` and `training`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Generator, Tensor

import zoo
from zoo_dbn.likelihood import bound
from zoo_dbn.model import DBN, DBNConfig
from zoo_dbn.training import fit

_DIAGNOSED = 1_000  # at most, examples of each split


class DBNOptions(zoo.Config):
    """Options of sampling and of the bound on log p(x)."""

    steps: Annotated[int, Field(gt=0, description="Gibbs steps of each chain in the top RBM")] = 200
    k: Annotated[int, Field(gt=0, description="draws of the hidden units per example in the bound on log p")] = 10
    temperatures: Annotated[
        int, Field(gt=0, description="temperatures of annealing for the top RBM's log Z, and Gibbs steps before it")
    ] = 200


class DBNPlugin:
    """A stack of RBMs, each trained on the hidden units of the RBM below it."""

    card = zoo.Card(
        name="dbn",
        summary="deep belief network: stacked RBMs, each trained on the hidden units of the RBM below it",
        config=DBNConfig,
        options=DBNOptions,
        trains_on="bits",
        latent="bits",
        samples="means",
        training=zoo.Training(batch_size=40),
        sensitivity={"hidden": ((128, 128), (256, 256, 256)), "sample.steps": (10, 1000), "sample.k": (1, 100)},
        paper="doi:10.1162/neco.2006.18.7.1527",
    )

    @zoo.hookimpl
    def build(self, config: DBNConfig, data: zoo.DataSpec) -> DBN:
        """Return an untrained stack of RBMs."""
        return DBN(config, data)

    @zoo.hookimpl
    def fit(self, model: DBN, train: Tensor, generator: Generator, budget: zoo.Budget) -> None:
        """Train one RBM after the other."""
        fit(model, train, generator, budget)

    @zoo.hookimpl
    def encode(self, model: DBN, x: Tensor, generator: Generator | None) -> Tensor:
        """Return p(h¹ = 1|v), or a draw of h¹, shape (B, H_1)."""
        return model.rbms[0].prob_h(x.flatten(1)) if generator is None else model.up(x, 1, generator)

    @zoo.hookimpl
    def decode(self, model: DBN, z: Tensor, generator: Generator | None) -> Tensor:
        """Return E[v|h¹], shape (B, *data.shape); for real data and with a generator, a draw of p(v|h¹)."""
        return model.decode(z, generator)

    @zoo.hookimpl
    def sample(self, model: DBN, n: int, generator: Generator, options: DBNOptions) -> Tensor:
        """Decode n draws of h¹, shape (n, *data.shape): E[v|h¹] for bits, draws of p(v|h¹) for real values."""
        return model.decode(model.sample_codes(n, options.steps, generator), generator)

    @zoo.hookimpl
    def sample_codes(self, model: DBN, n: int, generator: Generator, options: DBNOptions) -> Tensor:
        """Draw h¹ at the end of a Gibbs chain in the top RBM and a pass down, shape (n, H_1)."""
        return model.sample_codes(n, options.steps, generator)

    @zoo.hookimpl
    def log_prob(self, model: DBN, x: Tensor, generator: Generator, options: DBNOptions) -> tuple[zoo.LogProb, ...]:
        """Return the lower bound on log p(v)."""
        return (bound(model, x, options.k, options.temperatures, generator),)

    @zoo.hookimpl
    def diagnose(self, model: DBN, train: Tensor, valid: Tensor, generator: Generator) -> dict[str, float]:
        """Return measures of fit and overfitting of each RBM, on draws of the units that it was trained on."""
        found = {}
        n = min(len(train), len(valid), _DIAGNOSED)
        for layer, rbm in enumerate(model.rbms):
            name = f"RBM {layer + 1}"
            seen, held_out = (model.up(x[:n], layer, generator) for x in (train, valid))
            gap = rbm.free_energy(held_out).mean() - rbm.free_energy(seen).mean()
            found[f"{name}: free-energy gap, validation - training"] = gap.item()
            if rbm.real:
                score = rbm.score_matching(held_out).mean().item()
                found[f"{name}: score-matching objective, validation"] = score
            else:
                pseudo = rbm.pseudo_log_likelihood(held_out).mean().item()
                found[f"{name}: pseudo-log-likelihood, validation"] = pseudo
        return found
