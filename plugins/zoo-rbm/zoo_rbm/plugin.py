"""The hooks of the RBM."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Generator, Tensor

import zoo

from . import chains, likelihood
from .model import AT_ONCE, RBM, RBMConfig

DIAGNOSED = 1000  # examples of each split: seconds at MNIST's size


class RBMOptions(zoo.Config):
    """Sampling settings (one Gibbs chain per sample), and annealing settings for log Z where it is not enumerated."""

    steps: Annotated[
        int | None,
        Field(
            gt=0,
            description=f"Gibbs steps of each chain; None: {chains.MOST}, or, for more than {AT_ONCE} chains, "
            f"{chains.FORGOTTEN} autocorrelation times of trial chains if that is less",
        ),
    ] = None
    start: Annotated[
        Literal["bias", "uniform"],
        Field(description="hidden units at the start of a chain: all off (bias), or fair coin flips (uniform)"),
    ] = "bias"
    temperatures: Annotated[int, Field(gt=0, description="temperatures of annealed importance sampling")] = 1000
    ais_chains: Annotated[int, Field(gt=1, description="chains of annealed importance sampling per direction")] = 100
    burn_in: Annotated[int, Field(ge=0, description="Gibbs steps from the examples before reverse annealing")] = 1000


class RBMPlugin:
    """Visible bits or real values with binary hidden units, trained by contrastive divergence."""

    card = zoo.Card(
        name="rbm",
        summary="restricted Boltzmann machine: a distribution over visible and hidden units, sampled with Gibbs chains",
        paper="doi:10.1162/089976602760128018",
        config=RBMConfig,
        options=RBMOptions,
        trains_on="bits",
        latent="bits",
        samples="means",
        training=zoo.Training(
            optimiser="sgd", learning_rate=0.2, batch_size=40, schedule="linear", average=0.999, clip=10.0
        ),
        synchronised=("mu", "lam"),
        objective=("algorithm", "k", "chains", "centred", "weight_decay"),
        sensitivity={"hidden": (128, 512), "k": (1, 5), "sample.steps": (1, 10, 100, 1000, 10_000)},
        search={
            "hidden": zoo.Range(64, 512, log=True),
            "k": zoo.Range(1, 5),
            "train.learning_rate": zoo.Range(0.02, 0.5, log=True),
        },
        expected_failures={
            "gradients-are-those-of-the-loss": "contrastive divergence estimates the gradient of the likelihood",
        },
    )

    @zoo.hookimpl
    def build(self, config: RBMConfig, data: zoo.DataSpec) -> RBM:
        return RBM(config, data)

    @zoo.hookimpl
    def initialise(self, model: RBM, train: Tensor) -> None:
        model.initialise(train.flatten(1))

    @zoo.hookimpl
    def loss(self, model: RBM, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        v = x.flatten(1)
        if model.training:
            return {"loss": model.contrastive_loss(v, generator)}
        return {
            "loss": model.held_out_loss(v, generator).mean(),
            "reconstruction": model.reconstruction_error(v).mean(),
        }

    @zoo.hookimpl
    def encode(self, model: RBM, x: Tensor, generator: Generator | None) -> Tensor:
        h = model.prob_h(x.flatten(1))
        return h if generator is None else zoo.bernoulli(h, generator)

    @zoo.hookimpl
    def decode(self, model: RBM, z: Tensor, generator: Generator | None) -> Tensor:
        draw = model.real and generator is not None
        return (model.sample_v(z, generator) if draw else model.mean_v(z)).reshape(-1, *model.shape)

    @zoo.hookimpl
    def sample(self, model: RBM, n: int, generator: Generator, options: RBMOptions) -> Tensor:
        steps = options.steps or chains.enough_steps(model, n, options.start)
        return model.sample(n, steps, options.start, generator).reshape(-1, *model.shape)

    @zoo.hookimpl
    def sample_codes(self, model: RBM, n: int, generator: Generator, options: RBMOptions) -> Tensor:
        steps = options.steps or chains.enough_steps(model, n, options.start)
        return model.sample_codes(n, steps, options.start, generator)

    @zoo.hookimpl
    def log_prob_codes(self, model: RBM, z: Tensor) -> Tensor:
        return likelihood.log_prob_h(model, z)

    @zoo.hookimpl
    def log_prob(self, model: RBM, x: Tensor, generator: Generator, options: RBMOptions) -> tuple[zoo.LogProb, ...]:
        v = x.flatten(1)
        units = likelihood.enumerated_units(model)
        if units <= likelihood.MOST:
            return (zoo.LogProb(likelihood.log_prob(model, v), "exact", method=f"enumeration of 2^{units} states"),)
        return likelihood.bracket(model, v, options.temperatures, options.ais_chains, options.burn_in, generator)

    @zoo.hookimpl
    def diagnose(self, model: RBM, train: Tensor, valid: Tensor, generator: Generator) -> dict[str, float | str]:
        n = min(len(train), len(valid), DIAGNOSED)
        seen, held_out = train[:n].flatten(1), valid[:n].flatten(1)
        gap = model.free_energy(held_out).mean() - model.free_energy(seen).mean()
        found: dict[str, float | str] = {"free-energy gap, validation - training": gap.item()}
        if model.real:
            found["score-matching objective, validation"] = model.score_matching(held_out).mean().item()
        else:
            found["pseudo-log-likelihood, validation"] = model.pseudo_log_likelihood(held_out).mean().item()
        start = RBMOptions().start  # the hook does not receive the options
        return found | chains.diagnose(model, seen, chains.MOST, start, generator)
