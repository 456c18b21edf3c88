"""The hooks of the Wasserstein GAN: two players, the critic and the generator, take turns."""

from __future__ import annotations

from typing import NoReturn

from torch import Generator, Tensor

import zoo
from zoo_gan.model import GAN, GANConfig


class GANPlugin:
    """min over G, max over f of E f(x) − E f(G(z)), with a penalty on the slope of f."""

    card = zoo.Card(
        name="gan",
        summary="Wasserstein GAN with gradient penalty: a generator trained against a critic; no code, no likelihood",
        config=GANConfig,
        trains_on="grey",
        latent=None,
        samples="means",
        training=zoo.Training(learning_rate=2e-3, batch_size=50, betas=(0.0, 0.9), schedule="linear"),
        phases=(
            zoo.Phase(
                "game",
                zoo.Player("critic", steps=5),
                zoo.Player("generator", training=zoo.Training(average=0.99)),
            ),
        ),
        objective=("penalty",),
        sensitivity={"penalty": (1.0, 100.0), "latent_dim": (8, 128), "train.generator.average": (0.0, 0.999)},
        paper="arXiv:1704.00028",
    )

    @zoo.hookimpl
    def build(self, config: GANConfig, data: zoo.DataSpec) -> GAN:
        """Return an untrained generator and critic."""
        return GAN(config, data)

    @zoo.hookimpl
    def loss(self, model: GAN, x: Tensor, generator: Generator, player: str) -> dict[str, Tensor]:
        """Return L_f and its parts when it is the critic's turn, otherwise L_G."""
        if player == "critic":
            return model.critic_loss(x, generator)
        return {"loss": model.generator_loss(len(x), generator)}

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a GAN has no encoder: its generator is not inverted")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a GAN has no encoder, so there are no codes to decode; sample draws z itself")

    @zoo.hookimpl
    def sample(self, model: GAN, n: int, generator: Generator) -> Tensor:
        """Return G(z) for n draws of z, shape (n, *data.shape)."""
        return model.G(model.draw_z(n, generator))

    @zoo.hookimpl
    def diagnose(self, model: GAN, train: Tensor, valid: Tensor, generator: Generator) -> dict[str, float]:
        """Return the critic's estimate of W to each split, and the penalty; a gap between the splits is overfitting."""
        found = {}
        for split, x in (("training", train[:1000]), ("validation", valid[:1000])):
            losses = model.critic_loss(x, generator)
            found[f"E f(x) − E f(G(z)) ({split})"] = losses["distance"].item()
        return found | {"gradient penalty (validation)": losses["penalty"].item()}
