"""The hooks of the Wasserstein autoencoder."""

from __future__ import annotations

from torch import Generator, Tensor

import zoo
from zoo_wae.model import WAE, StandardNormal, WAEConfig, mmd_squared

_EXAMPLES = 2_000  # of the validation split, for the diagnosis


class WAEPlugin:
    """min E ‖x − G(Q(x))‖² + λ MMD²(Q_Z, P_Z)."""

    card = zoo.Card(
        name="wae",
        summary="Wasserstein autoencoder: its codes are matched to N(0, I) by a kernel distance (MMD)",
        config=WAEConfig,
        options=zoo.DeclaredNoise,
        trains_on="grey",
        latent="real",
        samples="means",
        training=zoo.Training(optimiser="adam", learning_rate=3e-3, batch_size=50, schedule="cosine"),
        objective=("penalty",),
        sensitivity={"penalty": (1.0, 100.0), "latent_dim": (4, 16)},
        paper="arXiv:1711.01558",
    )

    @zoo.hookimpl
    def build(self, config: WAEConfig, data: zoo.DataSpec) -> WAE:
        """Return a `WAE` for data in [0, 1] (sigmoid output) or real data (linear output)."""
        return WAE(config, data)

    @zoo.hookimpl
    def initialise(self, model: WAE, train: Tensor) -> None:
        """Set the output biases so that the decoder starts at the mean of the data."""
        model.initialise(train)

    @zoo.hookimpl
    def loss(self, model: WAE, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return the objective of a batch and its parts."""
        return model.objective(x, generator)

    @zoo.hookimpl
    def encode(self, model: WAE, x: Tensor) -> Tensor:
        """Return the codes z, shape (B, latent_dim); z is a function of x, so a draw is z itself."""
        return model.encode(x)

    @zoo.hookimpl
    def decode(self, model: WAE, z: Tensor) -> Tensor:
        """Return the decoder's output, shape (B, *data.shape); without observation noise a draw is the same."""
        return model.decode(z)

    @zoo.hookimpl
    def sample(self, model: WAE, n: int, generator: Generator) -> Tensor:
        """Return G(z) for n draws of z ~ N(0, I), shape (n, *data.shape); the decoder has no noise."""
        return model.decode(model.draw_z(n, generator))

    @zoo.hookimpl
    def sample_codes(self, model: WAE, n: int, generator: Generator) -> Tensor:
        """Return z ~ N(0, I), shape (n, latent_dim)."""
        return model.draw_z(n, generator)

    @zoo.hookimpl
    def log_prob_codes(self, z: Tensor) -> Tensor:
        """Return log N(z; 0, I) in nats, shape (B,)."""
        return StandardNormal(z.shape[1]).log_prob(z)

    @zoo.hookimpl
    def log_prob(
        self, model: WAE, x: Tensor, generator: Generator, options: zoo.DeclaredNoise, prior: zoo.LatentDensity | None
    ) -> tuple[zoo.LogProb, ...]:
        """Return a lower bound on log p(x) under N(0, I) or the attached density, for a declared noise."""
        if not options.is_declared(real=model.real):
            noise = options.of_data(real=model.real)
            raise zoo.Unsupported(
                "a Wasserstein autoencoder has no likelihood without an observation noise of its decoder; declare it: "
                f"wae:sample.decoder_noise={noise}"
            )
        density = StandardNormal(model.config.latent_dim) if prior is None else prior
        return options.log_prob(x, model.o, model.encode, density, generator, real=model.real, width=model.widest)

    @zoo.hookimpl
    def diagnose(self, model: WAE, valid: Tensor, generator: Generator) -> dict[str, float | str | list[float]]:
        """Return MMD² of at most 2,000 codes to N(0, I), and their standard deviations, which N(0, I) has as ones."""
        z = model.encode(valid[:_EXAMPLES])
        deviations = z.std(0, correction=0).sort(descending=True).values
        return {
            "MMD² from the codes to N(0, I) (validation)": mmd_squared(z, model.draw_z(len(z), generator)).item(),
            "standard deviations of the code": deviations.tolist(),
        }
