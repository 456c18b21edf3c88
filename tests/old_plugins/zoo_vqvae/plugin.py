"""The VQ-VAE's hooks."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

import zoo
from zoo_vqvae.diagnosis import diagnose
from zoo_vqvae.model import VQVAE, VQVAEConfig
from zoo_vqvae.training import fit


class VQVAEOptions(zoo.Config):
    """What a VQ-VAE's likelihood can be asked with, without retraining."""

    radius: Annotated[
        int, Field(ge=0, le=1, description="letters in which a word of the bound's sum may differ from the code")
    ] = 1


class VQVAEPlugin:
    """min −log p(x|z_q) + codebook and commitment terms; then max log p(z)."""

    card = zoo.Card(
        name="vqvae",
        summary="VQ-VAE: an autoencoder whose code is a word over a learned codebook, and a prior fitted to the words",
        config=VQVAEConfig,
        options=VQVAEOptions,
        trains_on="bits",
        latent="index",
        samples="means",
        training=zoo.Training(batch_size=50),
        sensitivity={"entries": (8, 128), "positions": (2, 8), "beta": (0.1, 1.0), "sample.radius": (0, 1)},
        paper="arXiv:1711.00937",
    )

    @zoo.hookimpl
    def build(self, config: VQVAEConfig, data: zoo.DataSpec) -> VQVAE:
        """Return a `VQVAE` with a random codebook and a uniform prior."""
        return VQVAE(config, data)

    @zoo.hookimpl
    def fit(self, model: VQVAE, train: Tensor, generator: Generator, budget: zoo.Budget) -> None:
        """Train the autoencoder, then the prior."""
        fit(model, train, generator, budget)

    @zoo.hookimpl
    def encode(self, model: VQVAE, x: Tensor) -> Tensor:
        """Return the code z(x), which is no draw: whole numbers of 0 … K − 1, shape (B, P)."""
        return model.encode(x).to(x.dtype)

    @zoo.hookimpl
    def decode(self, model: VQVAE, z: Tensor, generator: Generator | None) -> Tensor:
        """Return E[x|z], shape (B, *data.shape); for real data and with a generator, a draw of p(x|z)."""
        return model.decode(z, generator)

    @zoo.hookimpl
    def sample(self, model: VQVAE, n: int, generator: Generator) -> Tensor:
        """Decode n words of the prior, shape (n, *data.shape): means in [0, 1], draws of p(x|z) for real data."""
        return model.decode(self.sample_codes(model, n, generator), generator)

    @zoo.hookimpl
    def sample_codes(self, model: VQVAE, n: int, generator: Generator) -> Tensor:
        """Draw n words of the prior, shape (n, P)."""
        return model.prior.sample(n, generator).to(model.e.dtype)

    @zoo.hookimpl
    def log_prob_codes(self, model: VQVAE, z: Tensor) -> Tensor:
        """Return log p(z) in nats, shape (B,)."""
        return model.prior.log_prob(z.long())

    @zoo.hookimpl
    def log_prob(
        self, model: VQVAE, x: Tensor, options: VQVAEOptions, prior: zoo.LatentDensity | None
    ) -> tuple[zoo.LogProb, ...]:
        """Return the lower bound on log p(x), under the model's prior or the attached density over words."""
        log_prior = model.prior.log_prob if prior is None else prior.log_prob
        nats = model.bound(x, options.radius, log_prior)
        words = 1 + options.radius * model.config.positions * (model.config.entries - 1)
        kind = "exact" if model.config.positions <= options.radius else "lower"
        return (zoo.LogProb(nats, kind, method=f"{words} code{'s' if words > 1 else ''} of the sum over all"),)

    @zoo.hookimpl
    def diagnose(self, model: VQVAE, train: Tensor, valid: Tensor) -> dict[str, float | str | list[float]]:
        """Return how much of the codebook is used, and both halves of the bound on either split."""
        with torch.no_grad():
            return diagnose(model, train, valid)
