"""The hooks of the diffusion model."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NoReturn

from pydantic import Field
from torch import Generator, Tensor

import zoo
from zoo_diffusion.model import Diffusion, DiffusionConfig, Step

_EXAMPLES = 500  # of each split, for the diagnosis
_TERMS = 50  # of the bound, for the diagnosis


class DiffusionOptions(zoo.Config):
    """Sampling and likelihood settings, used without retraining.

    The model is DDPM, the chain of all T steps with η = 1; `steps` and `eta` are for faster samples of it.
    """

    steps: Annotated[int, Field(gt=0, description="S, network evaluations for a sample, at most T; DDPM is S = T")] = 10
    eta: Annotated[float, Field(ge=0, le=1, description="η: 1 adds the noise of DDPM in each step, 0 none (DDIM)")] = (
        0.0
    )
    variance: Annotated[
        Literal["auto", "posterior", "beta"],
        Field(description="variance of p(x_s|x_t): σ², or β_t for η = 1; auto: beta for real data, else posterior"),
    ] = "auto"
    terms: Annotated[
        int, Field(ge=0, description="KL terms of the bound that are drawn for each example, of T − 1; 0: all of them")
    ] = 50


def _trains_on(config: zoo.Config) -> Literal["grey", "bits"]:
    """Return "bits" for a model of bits, "grey" for one of grayscale values."""
    assert isinstance(config, DiffusionConfig)
    return config.values


class DiffusionPlugin:
    """min E ‖ε − ε_θ(√ᾱ_t x_0 + √(1 − ᾱ_t) ε, t)‖²."""

    card = zoo.Card(
        name="diffusion",
        summary="Denoising diffusion: removes noise step by step (DDPM, DDIM); no code; a bound on the likelihood",
        config=DiffusionConfig,
        options=DiffusionOptions,
        trains_on=_trains_on,
        latent=None,
        samples="means",
        training=zoo.Training(optimiser="adam", learning_rate=5e-3, batch_size=50, schedule="cosine", average=0.99),
        sensitivity={"sample.steps": (5, 100), "sample.eta": (0.5, 1.0)},
        paper="arXiv:2006.11239",
    )

    @zoo.hookimpl
    def build(self, config: DiffusionConfig, data: zoo.DataSpec) -> Diffusion:
        """Return a `Diffusion` with F = 0."""
        return Diffusion(config, data)

    @zoo.hookimpl
    def initialise(self, model: Diffusion, train: Tensor) -> None:
        """Find the levels of grayscale values."""
        model.initialise(train)

    @zoo.hookimpl
    def loss(self, model: Diffusion, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return L_simple of a batch."""
        return {"loss": model.loss(x, generator)}

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a diffusion model has no code: x_T is as large as the data and independent of them")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a diffusion model has no code to decode; sample draws x_T itself")

    @zoo.hookimpl
    def sample(self, model: Diffusion, n: int, generator: Generator, options: DiffusionOptions) -> Tensor:
        """Return n draws of p(x_0), shape (n, *data.shape): grayscale values, P(bit = 1|x_1), or real values."""
        return model.sample(n, generator, _chain(model, options))

    @zoo.hookimpl
    def sample_path(self, model: Diffusion, n: int, generator: Generator, options: DiffusionOptions) -> Tensor:
        """Return x_T, …, x_1 and the sample of n draws, shape (steps + 1, n, *data.shape)."""
        return model.path(n, generator, _chain(model, options))

    @zoo.hookimpl
    def log_prob(
        self, model: Diffusion, x: Tensor, generator: Generator, options: DiffusionOptions
    ) -> tuple[zoo.LogProb, ...]:
        """Return the ELBO of DDPM, the chain of all T steps with η = 1, for bits and real data."""
        if not (model.real or model.bits):
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits, and this is a model of grayscale values, whose bits "
                "per dimension are in the report's diagnostics; use values=bits"
            )
        chain = list(model.chain(model.config.T, 1.0, _variance(model, options)))
        nats = model.elbo(x, generator, chain, options.terms)
        # Draws are independent across examples, so their noise is part of the spread over the examples.
        drawn = f", {options.terms} terms for each example" if 0 < options.terms < len(chain) else ""
        return (zoo.LogProb(nats, "lower", method=f"ELBO of DDPM, T = {model.config.T}{drawn}"),)

    @zoo.hookimpl
    def diagnose(self, model: Diffusion, train: Tensor, valid: Tensor, generator: Generator) -> dict[str, float]:
        """Return the mean ELBO of at most 500 examples of each split, a gap between which indicates overfitting.

        For grayscale values on n levels: −ELBO / (V log 2), an upper bound on the bits per dimension.
        """
        chain = list(model.chain(model.config.T, 1.0, "beta" if model.real else "posterior"))
        unit, n = -model.V * math.log(2), int(model.get_buffer("n"))
        discrete = n > 0 and not model.bits
        name = f"bits per dimension of {n} levels" if discrete else "ELBO"
        found = {}
        for split, x in (("training", train[:_EXAMPLES]), ("validation", valid[:_EXAMPLES])):
            nats = model.elbo(x, generator, chain, _TERMS).mean().item()
            found[f"{name} ({split})"] = nats / unit if discrete else nats
        return found


def _variance(model: Diffusion, options: DiffusionOptions) -> str:
    if options.variance != "auto":
        return options.variance
    return "beta" if model.real else "posterior"


def _chain(model: Diffusion, options: DiffusionOptions) -> list[Step]:
    """Return the chain that samples are drawn from.

    Raises:
        zoo.ConfigError: if it has more than T steps.
    """
    if options.steps > model.config.T:
        raise zoo.ConfigError(f"sample.steps must be at most T = {model.config.T}, got {options.steps}")
    variance = _variance(model, options) if options.eta == 1 else "posterior"
    return list(model.chain(options.steps, options.eta, variance))
