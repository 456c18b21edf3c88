"""The hooks of the autoencoder: it encodes, decodes and reconstructs, but does not sample."""

from __future__ import annotations

from typing import NoReturn

from torch import Generator, Tensor

import zoo
from zoo_ae.model import AE, AEConfig

_EXAMPLES = 2_000  # of the validation split, for the diagnosis


class AEPlugin:
    """min 1/m Σ_i Σ_j (x̂_ij − x_ij)² over W, W*, c, b, x̂ = f(W* h + c)."""

    card = zoo.Card(
        name="ae",
        summary="autoencoder: codes that reconstruct the data; generates once a density is fitted to them (ae@gmm)",
        config=AEConfig,
        options=zoo.DeclaredNoise,
        trains_on="grey",
        latent="real",
        samples="means",
        training=zoo.Training(optimiser="adam", learning_rate=3e-3, batch_size=50, schedule="cosine"),
        objective=("noise",),
        sensitivity={"latent_dim": (4, 64), "noise": (0.1, 0.3)},
        search={
            "latent_dim": zoo.Range(4, 64, log=True),
            "noise": zoo.Range(0.0, 0.3),
            "train.learning_rate": zoo.Range(3e-4, 1e-2, log=True),
        },
        paper="doi:10.1126/science.1127647",
    )

    @zoo.hookimpl
    def build(self, config: AEConfig, data: zoo.DataSpec) -> AE:
        """Return an `AE` for data in [0, 1] (sigmoid output) or real data (linear output)."""
        return AE(config, data)

    @zoo.hookimpl
    def initialise(self, model: AE, train: Tensor) -> None:
        """Set the output biases so that the decoder starts at the mean of the data."""
        model.initialise(train)

    @zoo.hookimpl
    def loss(self, model: AE, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return 1/m Σ_i Σ_j (x̂_ij − x_ij)² of a batch; the encoder receives corrupted x in training only."""
        seen = model.corrupt(x, generator) if model.training and model.noise else x
        return {"loss": model.squared_error(x, seen).mean()}

    @zoo.hookimpl
    def encode(self, model: AE, x: Tensor) -> Tensor:
        """Return the codes h, shape (B, latent_dim); h is a function of x, so a draw is h itself."""
        return model.encode(x)

    @zoo.hookimpl
    def decode(self, model: AE, z: Tensor) -> Tensor:
        """Return x̂, shape (B, *data.shape); without observation noise a draw is x̂ itself."""
        return model.decode(z)

    @zoo.hookimpl
    def sample(self) -> NoReturn:
        """Raise `zoo.Unsupported`: an autoencoder has a code h but not a distribution over h."""
        raise zoo.Unsupported(
            "an autoencoder learns a code h for each x but no distribution over h, so codes cannot be sampled; "
            "attach a latent density: ae@gmm"
        )

    @zoo.hookimpl
    def log_prob(
        self, model: AE, x: Tensor, generator: Generator, options: zoo.DeclaredNoise, prior: zoo.LatentDensity | None
    ) -> tuple[zoo.LogProb, ...]:
        """Return a lower bound on log p(x); it requires a declared noise and an attached latent density."""
        if prior is None or not options.is_declared(real=model.real):
            noise = options.of_data(real=model.real)
            raise zoo.Unsupported(
                "an autoencoder has no likelihood without a distribution over h and an observation noise; attach a "
                f"latent density and declare the noise: ae@gmm:sample.decoder_noise={noise}"
            )
        width = max(c.numel() for c in model.c)
        return options.log_prob(x, model.o, model.encode, prior, generator, real=model.real, width=width)

    @zoo.hookimpl
    def diagnose(self, model: AE, valid: Tensor) -> dict[str, float | str | list[float]]:
        """Return the standard deviation of each value of the code, in descending order; N(0, I) has ones."""
        deviations = model.encode(valid[:_EXAMPLES]).std(0, correction=0)
        return {"standard deviations of the code": deviations.sort(descending=True).values.tolist()}
