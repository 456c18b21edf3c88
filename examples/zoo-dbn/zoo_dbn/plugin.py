"""The hooks of the deep belief network, in terms of `model` and `likelihood`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Generator, Tensor

import zoo
from zoo_dbn.likelihood import bound
from zoo_dbn.model import DBN, DBNConfig

_DIAGNOSED = 1_000  # at most, examples of each split


class DBNOptions(zoo.Config):
    """Options of sampling and of the bound on log p(x)."""

    steps: Annotated[int, Field(gt=0, description="Gibbs steps of each chain in the top RBM")] = 200
    k: Annotated[int, Field(gt=0, description="draws of the hidden units per example in the bound on log p")] = 10
    temperatures: Annotated[
        int, Field(gt=0, description="temperatures of annealing for the top RBM's log Z, and Gibbs steps before it")
    ] = 200


def phases(config: DBNConfig) -> tuple[zoo.Phase, ...]:
    """One phase for each RBM, rbm1 to rbmL, with equal shares of the budget."""
    numbers = range(1, len(config.hidden) + 1)
    return tuple(zoo.Phase(f"rbm{n}", zoo.Player(f"rbm{n}", modules=(f"layers.{n - 1}",))) for n in numbers)


def layer_of(name: str) -> int:
    """Return the index of the RBM of a phase or player: 0 for rbm1."""
    return int(name.removeprefix("rbm")) - 1


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
        training=zoo.Training(
            optimiser="sgd", learning_rate=0.4, batch_size=40, schedule="linear", average=0.99, clip=10.0
        ),
        phases=phases,
        synchronised=("mu", "lam"),
        expected_failures={
            "gradients-are-those-of-the-loss": "contrastive divergence estimates the gradient of the likelihood",
        },
        objective=("algorithm", "k", "weight_decay"),
        sensitivity={"hidden": ((128, 128), (256, 256, 256)), "sample.steps": (10, 1000), "sample.k": (1, 100)},
        paper="doi:10.1162/neco.2006.18.7.1527",
    )

    @zoo.hookimpl
    def build(self, config: DBNConfig, data: zoo.DataSpec) -> DBN:
        """Return an untrained stack of RBMs."""
        return DBN(config, data)

    @zoo.hookimpl
    def initialise(self, model: DBN, train: Tensor, phase: str, generator: Generator) -> None:
        """Set the biases and offsets of the phase's RBM from the means of the units below it."""
        v = train if model.real else zoo.bernoulli(train, generator)
        layer = layer_of(phase)
        model.rbms[layer].initialise(model.up(v, layer, generator))

    @zoo.hookimpl
    def loss(self, model: DBN, x: Tensor, generator: Generator, player: str) -> dict[str, Tensor]:
        """Train the player's RBM on draws of the units below it, made anew for each batch."""
        layer = layer_of(player)
        rbm, v = model.rbms[layer], model.up(x, layer, generator)
        return {"loss": rbm.contrast(v, generator) if model.training else rbm.held_out_loss(v).mean()}

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
        """Return the lower bound on log p(v), or an estimate if the chains of the top RBM have not converged."""
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
