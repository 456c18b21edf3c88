"""The hooks of the VQ-VAE."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

import zoo
from zoo_vqvae.diagnosis import diagnose
from zoo_vqvae.model import VQVAE, VQVAEConfig


class VQVAEOptions(zoo.Config):
    """Likelihood settings of a VQ-VAE, used without retraining."""

    radius: Annotated[
        int,
        Field(
            ge=0, le=1, description="number of letters in which words in the sum of the bound may differ from the code"
        ),
    ] = 1


def phases(config: VQVAEConfig) -> tuple[zoo.Phase, ...]:
    """The autoencoder with its codebook, then the prior over its codes."""
    autoencoder = zoo.Player("autoencoder", modules=("encoder", "decoder", "e", "s"))
    return (
        zoo.Phase("autoencoder", autoencoder, share=1 - config.prior_share),
        zoo.Phase("prior", share=config.prior_share),
    )


class VQVAEPlugin:
    """min −log p(x|z_q) + codebook and commitment terms; then max log p(z)."""

    card = zoo.Card(
        name="vqvae",
        summary="VQ-VAE: an autoencoder with discrete codes from a learned codebook, and a prior fitted to the codes",
        config=VQVAEConfig,
        options=VQVAEOptions,
        trains_on="bits",
        latent="index",
        samples="means",
        training=zoo.Training(learning_rate=5e-3, batch_size=50, schedule="cosine"),
        phases=phases,
        synchronised=("N", "m", "e"),
        expected_failures={
            "gradients-are-those-of-the-loss": "the straight-through gradient of the encoder is an estimate",
        },
        sensitivity={"entries": (8, 128), "positions": (2, 8), "beta": (0.1, 1.0), "sample.radius": (0, 1)},
        paper="arXiv:1711.00937",
    )

    @zoo.hookimpl
    def build(self, config: VQVAEConfig, data: zoo.DataSpec) -> VQVAE:
        """Return a `VQVAE` with a random codebook and a uniform prior."""
        return VQVAE(config, data)

    @zoo.hookimpl
    def initialise(self, model: VQVAE, train: Tensor, phase: str, generator: Generator) -> None:
        """Start p(x|z) at the mean of the data, and the codebook at vectors of the encoder."""
        if phase == "autoencoder":
            model.initialise(train if model.real else zoo.bernoulli(train, generator), generator)

    @zoo.hookimpl
    def loss(self, model: VQVAE, x: Tensor, generator: Generator, player: str) -> dict[str, Tensor]:
        """Return L and its parts, and move the codebook; then −log p(z)."""
        if player == "prior":
            return {"loss": -model.prior.log_prob(model.encode(x)).mean()}
        parts, z_e, z = model.objective(x)
        if model.training and model.config.update == "ema":
            model.update_codebook(z_e, z, generator)
        return parts

    @zoo.hookimpl
    def encode(self, model: VQVAE, x: Tensor) -> Tensor:
        """Return the code z(x), a deterministic function of x: integers in 0 … K − 1, shape (B, P)."""
        return model.encode(x).to(x.dtype)

    @zoo.hookimpl
    def decode(self, model: VQVAE, z: Tensor, generator: Generator | None) -> Tensor:
        """Return E[x|z], shape (B, *data.shape); for real data and with a generator, a draw of p(x|z)."""
        return model.decode(z, generator)

    @zoo.hookimpl
    def sample(self, model: VQVAE, n: int, generator: Generator) -> Tensor:
        """Decode n draws from the prior, shape (n, *data.shape): means in [0, 1], draws of p(x|z) for real data."""
        return model.decode(self.sample_codes(model, n, generator), generator)

    @zoo.hookimpl
    def sample_codes(self, model: VQVAE, n: int, generator: Generator) -> Tensor:
        """Draw n words from the prior, shape (n, P)."""
        return model.prior.sample(n, generator).to(model.e.dtype)

    @zoo.hookimpl
    def log_prob_codes(self, model: VQVAE, z: Tensor) -> Tensor:
        """Return log p(z) in nats, shape (B,)."""
        return model.prior.log_prob(z.long())

    @zoo.hookimpl
    def log_prob(
        self, model: VQVAE, x: Tensor, options: VQVAEOptions, prior: zoo.LatentDensity | None
    ) -> tuple[zoo.LogProb, ...]:
        """Return the lower bound on log p(x), under the model's prior or the attached latent density."""
        log_prior = model.prior.log_prob if prior is None else prior.log_prob
        nats = model.bound(x, options.radius, log_prior)
        words = 1 + options.radius * model.config.positions * (model.config.entries - 1)
        kind = "exact" if model.config.positions <= options.radius else "lower"
        return (zoo.LogProb(nats, kind, method=f"{words} code{'s' if words > 1 else ''} of the sum over all"),)

    @zoo.hookimpl
    def diagnose(self, model: VQVAE, train: Tensor, valid: Tensor) -> dict[str, float | str | list[float]]:
        """Return the use of the codebook, and both terms of the bound on each split."""
        with torch.no_grad():
            return diagnose(model, train, valid)
