"""The hooks of the deep belief network."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Generator, Tensor

import zoo
from zoo_dbn.model import DBN, DBNConfig
from zoo_dbn.training import fit

_DIAGNOSED = 1_000  # examples of each split at most


class DBNOptions(zoo.Config):
    """How a deep belief network is sampled, and how tight its bound is."""

    steps: Annotated[int, Field(gt=0, description="Gibbs steps of each chain in the top RBM")] = 200
    k: Annotated[int, Field(gt=0, description="draws of the hidden units for each example in the bound on log p")] = 10
    temperatures: Annotated[
        int, Field(gt=0, description="temperatures of the annealing of the top RBM's log Z, and Gibbs steps before it")
    ] = 200


class DBNPlugin:
    """RBMs, each trained on the hidden units of the one below."""

    card = zoo.Card(
        name="dbn",
        summary="deep belief network: stacked RBMs, each trained on the hidden units of the one below it",
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
        """Return a stack of RBMs, each built by its own plugin."""
        return DBN(config, data)

    @zoo.hookimpl
    def fit(self, model: DBN, train: Tensor, generator: Generator, budget: zoo.Budget) -> None:
        """Train one RBM after the other."""
        fit(model, train, generator, budget)

    @zoo.hookimpl
    def encode(self, model: DBN, x: Tensor, generator: Generator | None) -> Tensor:
        """Return p(h¹ = 1|v), or a draw of h¹, shape (B, H_1)."""
        return model.rbms[0].encode(x) if generator is None else model.up(x, 1, generator)

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
        return (model.bound(x, options.k, options.temperatures, generator),)

    @zoo.hookimpl
    def diagnose(self, model: DBN, train: Tensor, valid: Tensor, generator: Generator) -> dict[str, float | str]:
        """Return what the RBMs' own plugin has to say of each, on draws of the units that it was trained on."""
        found = {}
        for layer, rbm in enumerate(model.rbms):
            seen, unseen = (model.up(x[:_DIAGNOSED], layer, generator) for x in (train, valid))
            for name, value in rbm.diagnose(seen, unseen).items():
                found[f"RBM {layer + 1}: {name}"] = value
        return found
