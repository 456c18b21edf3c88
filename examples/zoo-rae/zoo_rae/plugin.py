"""The hooks of the regularised autoencoder, which generates once a density is fitted to its codes."""

from __future__ import annotations

from typing import NoReturn

from torch import Generator, Tensor

import zoo
from zoo_rae.model import RAE, RAEConfig

_EXAMPLES = 2_000  # of the validation split, for the diagnosis


class RAEPlugin:
    """min L_REC + β ½ ‖z‖² + λ L_REG."""

    card = zoo.Card(
        name="rae",
        summary="Regularised autoencoder: codes of small norm, smooth decoder; needs a fitted density (rae@gmm)",
        config=RAEConfig,
        options=zoo.DeclaredNoise,
        trains_on="grey",
        latent="real",
        samples="means",
        training=zoo.Training(optimiser="adam", learning_rate=3e-3, batch_size=50, schedule="cosine"),
        objective=("beta", "penalty"),
        sensitivity={"beta": (1e-3, 0.1), "penalty": (1e-3, 0.1)},
        paper="arXiv:1903.12436",
    )

    @zoo.hookimpl
    def build(self, config: RAEConfig, data: zoo.DataSpec) -> RAE:
        """Return a `RAE` for data in [0, 1] (sigmoid output) or real data (linear output)."""
        return RAE(config, data)

    @zoo.hookimpl
    def initialise(self, model: RAE, train: Tensor) -> None:
        """Set the output biases so that the decoder starts at the mean of the data."""
        model.initialise(train)

    @zoo.hookimpl
    def loss(self, model: RAE, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return the objective of a batch and its parts."""
        return model.objective(x, generator)

    @zoo.hookimpl
    def encode(self, model: RAE, x: Tensor) -> Tensor:
        """Return the codes z, shape (B, latent_dim); z is a function of x, so a draw is z itself."""
        return model.encode(x)

    @zoo.hookimpl
    def decode(self, model: RAE, z: Tensor) -> Tensor:
        """Return the decoder's output, shape (B, *data.shape); without observation noise a draw is the same."""
        return model.decode(z)

    @zoo.hookimpl
    def sample(self) -> NoReturn:
        """Raise `zoo.Unsupported`: a regularised autoencoder does not have a distribution over its codes."""
        raise zoo.Unsupported(
            "a regularised autoencoder learns codes but no distribution over them, so codes cannot be sampled; attach "
            "a latent density: rae@gmm"
        )

    @zoo.hookimpl
    def log_prob(
        self, model: RAE, x: Tensor, generator: Generator, options: zoo.DeclaredNoise, prior: zoo.LatentDensity | None
    ) -> tuple[zoo.LogProb, ...]:
        """Return a lower bound on log p(x); it requires a declared noise and an attached latent density."""
        if prior is None or not options.is_declared(real=model.real):
            noise = options.of_data(real=model.real)
            raise zoo.Unsupported(
                "a regularised autoencoder has no likelihood without a distribution over z and an observation noise; "
                f"attach a latent density and declare the noise: rae@gmm:sample.decoder_noise={noise}"
            )
        return options.log_prob(x, model.o, model.encode, prior, generator, real=model.real, width=model.widest)

    @zoo.hookimpl
    def diagnose(self, model: RAE, valid: Tensor, generator: Generator) -> dict[str, float | str | list[float]]:
        """Return the parts of the objective, and the standard deviations of the code in descending order."""
        parts = model.objective(valid[:_EXAMPLES], generator)
        deviations = model.encode(valid[:_EXAMPLES]).std(0, correction=0)
        return {
            "L_REC (validation)": parts["error"].item(),
            "½ ‖z‖² (validation)": parts["code"].item(),
            "L_REG (validation)": parts["regulariser"].item(),
            "standard deviations of the code": deviations.sort(descending=True).values.tolist(),
        }
