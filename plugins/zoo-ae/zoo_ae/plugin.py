"""The autoencoder's hooks: it encodes, decodes and reconstructs; it does not sample."""

from __future__ import annotations

from typing import NoReturn

from torch import Generator, Tensor

import zoo
from zoo_ae.model import AE, AEConfig


class AEPlugin:
    """min 1/m Σ_i Σ_j (x̂_ij − x_ij)² over W, W*, c, b, x̂ = f(W* h + c)."""

    card = zoo.Card(
        name="ae",
        summary="autoencoder: a code h and a reconstruction, no distribution over h (attach one: ae@gmm)",
        config=AEConfig,
        trains_on="grey",
        latent="real",
        samples="means",
        training=zoo.Training(optimiser="adam", learning_rate=3e-3, batch_size=50, schedule="cosine"),
        paper="10.1126/science.1127647",
    )

    @zoo.hookimpl
    def build(self, config: AEConfig, data: zoo.DataSpec) -> AE:
        """Return an `AE` for data in [0, 1] (sigmoid output) or real data (linear output)."""
        return AE(config, data)

    @zoo.hookimpl
    def initialise(self, model: AE, train: Tensor) -> None:
        """Set the output's biases so that the decoder starts at the data's mean."""
        model.initialise(train)

    @zoo.hookimpl
    def loss(self, model: AE, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """1/m Σ_i Σ_j (x̂_ij − x_ij)² of a batch; the encoder sees corrupted x in training only."""
        seen = model.corrupt(x, generator) if model.training and model.noise else x
        return {"loss": model.squared_error(x, seen).mean()}

    @zoo.hookimpl
    def encode(self, model: AE, x: Tensor) -> Tensor:
        """Return the codes h, shape (B, latent_dim): they are a function of x, so a draw is h itself."""
        return model.encode(x)

    @zoo.hookimpl
    def decode(self, model: AE, z: Tensor) -> Tensor:
        """Return x̂, shape (B, *data.shape): the decoder has no observation noise, so a draw is x̂ itself."""
        return model.decode(z)

    @zoo.hookimpl
    def sample(self) -> NoReturn:
        """Raise `zoo.Unsupported`: there is no distribution over h to draw from."""
        raise zoo.Unsupported(
            "an autoencoder learned a code h for each x but no distribution over h, so it has nothing to draw a code "
            "from; attach a latent density: ae@gmm"
        )
