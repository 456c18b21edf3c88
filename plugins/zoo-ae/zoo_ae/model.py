"""The autoencoder: a code h of x, a reconstruction x̂ from the code, and no distribution over h.

    h = s(W x + b)                                  code          (H,)    W  (H, V), b (H,)
    x̂ = f(W* h + c)                                 reconstruction (V,)   W* (V, H), c (V,)
    min 1/m Σ_i Σ_j (x̂_ij − x_ij)²                  over W, W*, c, b

That is the form without hidden layers. With hidden layers each side is a chain of such maps: g between the layers,
s at the code, f at the output, and the decoder has the encoder's widths in reverse. W* is a matrix of its own, or with
tied weights the encoder's, W* = Wᵀ, layer by layer. f is the sigmoid for data in [0, 1] and the identity for real data.

Denoising (noise > 0): in training the encoder sees a corrupted x̃, and x is what must come out. For data in [0, 1] each
value is masked, that is set to 0, with probability `noise`; for real data x̃ = x + noise · ε, ε ~ N(0, I).

Rumelhart, Hinton & Williams (1986); Hinton & Salakhutdinov (2006), 10.1126/science.1127647; Vincent et al. (2010),
Stacked denoising autoencoders, JMLR 11.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": nn.Identity(),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "silu": F.silu,
}


class AEConfig(zoo.Config):
    """What an autoencoder is built from. The defaults were chosen on the validation split of the digits."""

    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(description="widths of the layers between input and code; () is the one-layer form"),
    ] = (512,)
    latent_dim: Annotated[int, Field(gt=0, description="number of values in the code h")] = 16
    tied: Annotated[bool, Field(description="the decoder uses the encoder's matrices: W* = Wᵀ")] = False
    activation: Annotated[
        Literal["relu", "silu", "tanh", "sigmoid"], Field(description="g, the activation of the hidden layers")
    ] = "relu"
    code: Annotated[
        Literal["linear", "sigmoid", "tanh", "relu"], Field(description="s, the activation of the code")
    ] = "linear"
    noise: Annotated[
        float,
        Field(ge=0, description="corruption: probability of a masked value ([0, 1] data), or sd (real data); 0: none"),
    ] = 0.0


class AE(nn.Module):
    """x̂ = f(W* s(W x + b) + c), or a deeper one; examples of any shape are flattened inside.

    Raises:
        zoo.ConfigError: if `noise` is 1 or more where it is the probability of a masked value.
    """

    def __init__(self, config: AEConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.shape = data.shape
        self.real = data.support == "real"
        self.noise = config.noise
        if not self.real and self.noise >= 1:
            raise zoo.ConfigError(
                f"noise must be below 1 for data in [0, 1], where it is the probability of a masked value, "
                f"got {self.noise}. A usual one is 0.1."
            )
        g, s = _ACTIVATIONS[config.activation], _ACTIVATIONS[config.code]
        f = _ACTIVATIONS["linear" if self.real else "sigmoid"]
        self.encoder_activations = (*(g for _ in config.hidden), s)
        self.decoder_activations = (f, *(g for _ in config.hidden))
        widths = (data.size, *config.hidden, config.latent_dim)
        # Layer l of both lists joins widths[l] and widths[l + 1].
        self.W = nn.ParameterList(_glorot(above, below) for below, above in pairwise(widths))
        self.b = nn.ParameterList(torch.zeros(above) for above in widths[1:])
        self.W_star = (
            None if config.tied else nn.ParameterList(_glorot(below, above) for below, above in pairwise(widths))
        )
        self.c = nn.ParameterList(torch.zeros(below) for below in widths[:-1])

    def initialise(self, train: Tensor) -> None:
        """f(c) = the mean of the training split (N, *shape), log-odds clipped to means in [0.01, 0.99]."""
        mean = train.flatten(1).mean(0)
        with torch.no_grad():
            self.c[0].copy_(mean if self.real else mean.logit(0.01))

    def encode(self, x: Tensor) -> Tensor:
        """h = s(W x + b): (B, *shape) -> (B, H)."""
        h = x.flatten(1)
        for W, b, activation in zip(self.W, self.b, self.encoder_activations, strict=True):
            h = activation(F.linear(h, W, b))
        return h

    def decode(self, h: Tensor) -> Tensor:
        """x̂ = f(W* h + c): (B, H) -> (B, *shape), in [0, 1] unless the data are real."""
        W_star = [W.T for W in self.W] if self.W_star is None else list(self.W_star)
        for W, c, activation in reversed(list(zip(W_star, self.c, self.decoder_activations, strict=True))):
            h = activation(F.linear(h, W, c))
        return h.reshape(-1, *self.shape)

    def corrupt(self, x: Tensor, generator: Generator) -> Tensor:
        """x̃: x with values masked to 0 with probability `noise`, or x + noise · ε for real data."""
        if self.real:
            return x + self.noise * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return x * zoo.bernoulli(torch.full_like(x, 1 - self.noise), generator)

    def squared_error(self, x: Tensor, seen: Tensor) -> Tensor:
        """Σ_j (x̂_j − x_j)², x̂ the reconstruction from what the encoder has `seen`: x or x̃; shape (B,)."""
        return (self.decode(self.encode(seen)) - x).square().flatten(1).sum(1)


def _glorot(rows: int, columns: int) -> Tensor:
    """A matrix whose entries have variance 2 / (rows + columns), the same for W and its transpose.

    Glorot & Bengio (2010).
    """
    return nn.init.xavier_uniform_(torch.empty(rows, columns))
