"""The Wasserstein GAN with gradient penalty: a generator of samples, and a critic that tells them from the data.

    z ~ N(0, I)       (D,)          G(z)  generator, (D,) -> (*shape): probabilities for data in [0, 1], or real values
    x ~ data          (*shape)      f(x)  critic, (*shape) -> a scalar without a bound

    W(p, q) = sup { E_p f − E_q f : ‖f‖_L ≤ 1 }             Wasserstein-1 distance, over functions of slope at most 1

    critic:       L_f = E f(G(z)) − E f(x) + λ E (‖∇f(x̂)‖ − 1)²      x̂ = u x + (1 − u) G(z),  u ~ U(0, 1)
    generator:    L_G = −E f(G(z))

An optimal f has slope 1 between a sample and the data point that it is moved to; the penalty asks for it on the lines
between random pairs. The critic is trained several steps for each step of the generator, so that E f(x) − E f(G(z))
estimates W, and L_G follows its gradient. There is no likelihood and no encoder.

Losses are means over the batch, in units of the data (real data: of their standard deviations).

Arjovsky, Chintala & Bottou (2017), Wasserstein GAN, arXiv:1701.07875.
Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville (2017), Improved Training of Wasserstein GANs, arXiv:1704.00028.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo

_SLOPE = 0.2  # of the leaky rectifiers
_TINY = 1e-12  # added to ‖∇f‖², whose root has no derivative at 0


class GANConfig(zoo.Config):
    """The settings of a Wasserstein GAN. The defaults were chosen on the validation split of the digits."""

    latent_dim: Annotated[int, Field(gt=0, description="D, number of values in z")] = 32
    network: Annotated[
        Literal["auto", "mlp", "conv"],
        Field(description="perceptrons, or convolutions; auto: convolutions for images of at least 8×8 pixels"),
    ] = "auto"
    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(description="mlp: widths of the hidden layers of the generator, and of the critic in reverse"),
    ] = (256, 256)
    channels: Annotated[
        int, Field(gt=0, description="conv: channels at the full resolution, doubled at each halving")
    ] = 32
    penalty: Annotated[float, Field(ge=0, description="λ, weight of the gradient penalty")] = 10.0


class GAN(nn.Module):
    """G(z) and f(x), for examples of `data.shape`."""

    def __init__(self, config: GANConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config = config
        self.shape = data.shape
        self.real = data.support == "real"
        image = _as_image(data.shape)
        is_conv = config.network == "conv" or (config.network == "auto" and image is not None and min(image[1:]) >= 8)
        if is_conv:
            if image is None:
                raise zoo.Unsupported(f"network=conv is for images whose sides are multiples of 4, not {data.shape}")
            self.generator = _deconvolutions(config.latent_dim, image, config.channels)
            self.critic = _convolutions(image, config.channels)
        else:
            self.generator = _perceptron((config.latent_dim, *config.hidden, data.size), nn.ReLU())
            self.critic = _perceptron((data.size, *config.hidden[::-1], 1), nn.LeakyReLU(_SLOPE))

    def draw_z(self, n: int, generator: Generator) -> Tensor:
        """z ~ N(0, I), shape (n, D)."""
        return torch.randn(n, self.config.latent_dim, generator=generator, device=generator.device)

    def G(self, z: Tensor) -> Tensor:  # noqa: N802  (the paper's name)
        """The samples of codes z: (B, D) -> (B, *shape)."""
        o: Tensor = self.generator(z.to(next(self.generator.parameters()).dtype)).reshape(-1, *self.shape)
        return o if self.real else o.sigmoid()

    def f(self, x: Tensor) -> Tensor:
        """The critic of examples x: (B, *shape) -> (B,)."""
        value: Tensor = self.critic(x.flatten(1)).squeeze(1)
        return value

    def critic_loss(self, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """L_f of a batch x (B, *shape), and its parts: E f(x) − E f(G(z)) and the penalty, scalars."""
        with torch.no_grad():
            fake = self.G(self.draw_z(len(x), generator))
        distance = self.f(x).mean() - self.f(fake).mean()
        penalty = self.gradient_penalty(x, fake, generator)
        loss = self.config.penalty * penalty - distance
        return {"loss": loss, "distance": distance, "penalty": penalty}

    def gradient_penalty(self, x: Tensor, fake: Tensor, generator: Generator) -> Tensor:
        """E (‖∇f(x̂)‖ − 1)² at a random point x̂ between each x and G(z), both (B, *shape); a scalar."""
        u = torch.rand(len(x), generator=generator, device=generator.device).to(x.dtype)
        between = torch.lerp(fake, x, u.view(-1, *[1] * (x.ndim - 1))).requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(self.f(between).sum(), between, create_graph=True)
        return ((slope.flatten(1).square().sum(1) + _TINY).sqrt() - 1).square().mean()

    def generator_loss(self, n: int, generator: Generator) -> Tensor:
        """L_G of n draws of z, a scalar."""
        return -self.f(self.G(self.draw_z(n, generator))).mean()


def _as_image(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return (C, H, W) of an image whose sides can be halved twice, otherwise None."""
    C, H, W = (1,) * (3 - len(shape)) + shape if 2 <= len(shape) <= 3 else (0, 1, 1)
    return (C, H, W) if H % 4 == 0 and W % 4 == 0 else None


def _perceptron(widths: tuple[int, ...], activation: nn.Module) -> nn.Sequential:
    """Affine maps from each width to the next, with activations in between."""
    layers: list[nn.Module] = []
    for below, above in pairwise(widths):
        layers += [nn.Linear(below, above), activation]
    return nn.Sequential(*layers[:-1])


def _convolutions(image: tuple[int, int, int], channels: int) -> nn.Sequential:
    """(B, C·H·W) -> (B, 1): two convolutions, each of which halves both sides, and an affine map. No normalisation."""
    C, H, W = image
    return nn.Sequential(
        nn.Unflatten(1, image),
        nn.Conv2d(C, channels, 4, stride=2, padding=1),
        nn.LeakyReLU(_SLOPE),
        nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
        nn.LeakyReLU(_SLOPE),
        nn.Flatten(),
        nn.Linear(2 * channels * (H // 4) * (W // 4), 1),
    )


def _deconvolutions(D: int, image: tuple[int, int, int], channels: int) -> nn.Sequential:
    """(B, D) -> (B, C, H, W): an affine map to a quarter of the resolution, and two transposed convolutions."""
    C, H, W = image
    return nn.Sequential(
        nn.Linear(D, 2 * channels * (H // 4) * (W // 4)),
        nn.Unflatten(1, (2 * channels, H // 4, W // 4)),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(channels, C, 4, stride=2, padding=1),
    )
