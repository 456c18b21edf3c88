"""The hooks of the VAE."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Generator, Tensor

import zoo
from zoo_vae.diagnosis import diagnose
from zoo_vae.model import VAE, VAEConfig, draw, log_standard_normal


class VAEOptions(zoo.Config):
    """Likelihood settings of a VAE, used without retraining."""

    k: Annotated[int, Field(gt=0, description="draws of z per example in the bound on log p(x)")] = 500


def _conditional(config: zoo.Config) -> Literal["class"] | None:
    """Return "class" for a model of p(x|y)."""
    assert isinstance(config, VAEConfig)
    return "class" if config.conditional else None


def _trains_on(config: zoo.Config) -> Literal["grey", "bits"]:
    """Return "bits" for a likelihood of bits, "grey" for a density of grayscale values."""
    assert isinstance(config, VAEConfig)
    return "grey" if config.likelihood == "gaussian" else "bits"


class VAEPlugin:
    """max E_q[log p(x|z)] − β KL(q(z|x) ‖ p(z)), or the importance-weighted bound L_k."""

    card = zoo.Card(
        name="vae",
        summary="variational autoencoder: an autoencoder trained together with a distribution over its codes",
        config=VAEConfig,
        options=VAEOptions,
        trains_on=_trains_on,
        latent="real",
        samples="means",
        conditional=_conditional,
        training=zoo.Training(optimiser="adam", learning_rate=3e-3, batch_size=50, schedule="cosine"),
        objective=("beta", "warmup", "free_bits", "k", "resample"),
        sensitivity={"latent_dim": (4, 64), "beta": (0.5, 4.0)},
        search={
            "latent_dim": zoo.Range(4, 64, log=True),
            "beta": zoo.Range(0.25, 4.0, log=True),
            "train.learning_rate": zoo.Range(3e-4, 1e-2, log=True),
        },
        paper="arXiv:1312.6114",
    )

    @zoo.hookimpl
    def build(self, config: VAEConfig, data: zoo.DataSpec) -> VAE:
        """Return a `VAE` with the likelihood given by the config and the support of the data."""
        return VAE(config, data)

    @zoo.hookimpl
    def initialise(self, model: VAE, train: Tensor) -> None:
        """Set p(x|z) to the mean of the training split."""
        model.initialise(train)

    @zoo.hookimpl
    def loss(self, model: VAE, x: Tensor, generator: Generator, step: zoo.Step, y: Tensor | None) -> dict[str, Tensor]:
        """Return minus the objective of a batch; the weight of the KL warms up in training, and is β in evaluation."""
        beta, warmup = model.config.beta, model.config.warmup
        if model.training and step.progress < warmup:
            beta *= step.progress / warmup
        return model.objective(x, beta, generator, y)

    @zoo.hookimpl
    def encode(self, model: VAE, x: Tensor, generator: Generator | None, y: Tensor | None) -> Tensor:
        """Return μ(x), the mean of q(z|x), or a draw from q(z|x); shape (B, latent_dim)."""
        mu, sigma_q = model.posterior(x, y)
        return mu if generator is None else draw(mu, sigma_q, generator)

    @zoo.hookimpl
    def decode(self, model: VAE, z: Tensor, generator: Generator | None, y: Tensor | None) -> Tensor:
        """Return E[x|z], shape (B, *data.shape); for real data and with a generator, a draw of p(x|z)."""
        return model.decode(z, generator, y)

    @zoo.hookimpl
    def sample(self, model: VAE, n: int, generator: Generator, y: Tensor | None) -> Tensor:
        """Decode n draws of z ~ N(0, I), shape (n, *data.shape): means in [0, 1], draws of p(x|z) for real data."""
        return model.sample(n, generator, y)

    @zoo.hookimpl
    def sample_codes(self, model: VAE, n: int, generator: Generator) -> Tensor:
        """Draw z ~ N(0, I), shape (n, latent_dim)."""
        return model.sample_codes(n, generator)

    @zoo.hookimpl
    def log_prob_codes(self, model: VAE, z: Tensor) -> Tensor:
        """Return log N(z; 0, I) in nats, shape (B,)."""
        return log_standard_normal(z)

    @zoo.hookimpl
    def diagnose(
        self,
        model: VAE,
        train: Tensor,
        valid: Tensor,
        generator: Generator,
        y: Tensor | None,
        valid_y: Tensor | None,
    ) -> dict[str, float | str | list[float]]:
        """Return the ELBO of both splits, the KL of each latent dimension, and the number of active dimensions."""
        return diagnose(model, train, valid, generator, y, valid_y)

    @zoo.hookimpl
    def log_prob(
        self,
        model: VAE,
        x: Tensor,
        generator: Generator,
        options: VAEOptions,
        prior: zoo.LatentDensity | None,
        y: Tensor | None,
    ) -> tuple[zoo.LogProb, ...]:
        """Return the importance-weighted lower bound on log p(x), under N(0, I) or the attached latent density."""
        if model.gaussian and not model.real:
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits, and a Gaussian likelihood gives a density of "
                "grayscale values; use likelihood=bernoulli"
            )
        log_prior = log_standard_normal if prior is None else prior.log_prob
        nats = model.importance_weighted_bound(x, options.k, generator, log_prior, y)
        # Draws are independent across examples, so the noise of the method is part of the spread over the examples;
        # stderr is for an error shared by all examples, which this bound does not have.
        return (zoo.LogProb(nats, "lower", method=f"importance-weighted bound, k = {options.k}"),)
