"""The autoencoder: a code h of x, a reconstruction x̂ from the code, and no distribution over h.

    h = s(W x + b)                                  code          (H,)    W  (H, V), b (H,)
    x̂ = f(W* h + c)                                 reconstruction (V,)   W* (V, H), c (V,)
    min 1/m Σ_i Σ_j (x̂_ij − x_ij)²                  over W, W*, c, b

This is the form without hidden layers. With hidden layers each side is a chain of such maps: g between the layers,
s at the code, f at the output, and the decoder has the encoder's widths in reverse. W* is a separate matrix, or with
tied weights the encoder's, W* = Wᵀ, layer by layer. f is the sigmoid for data in [0, 1] and the identity for real data.

With network = "conv", for images, every W except the code's is a 3×3 convolution of stride 2, from a map (C, H, W) to
(C', ⌈H/2⌉, ⌈W/2⌉), and its W* is a transposed convolution, back to exactly (C, H, W). Convolutions are linear maps with
transposes, so the equations hold unchanged, including W* = Wᵀ, and b and c have one entry for each value of a map.

Denoising (noise > 0): in training the encoder receives a corrupted x̃, and the target is x. For data in [0, 1] each
value is masked, i.e. set to 0, with probability `noise`; for real data x̃ = x + noise · ε, ε ~ N(0, I).

Rumelhart, Hinton & Williams (1986); Hinton & Salakhutdinov (2006), 10.1126/science.1127647; Vincent et al. (2010),
Stacked denoising autoencoders, JMLR 11.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Annotated, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
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
    """The settings of an autoencoder. The defaults were chosen on the validation split of the digits."""

    network: Annotated[
        Literal["mlp", "conv"],
        Field(description="mlp: dense layers, of `hidden` widths; conv: convolutions, for images"),
    ] = "mlp"
    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(description="mlp: widths of the layers between input and code; () is the one-layer form"),
    ] = (512,)
    channels: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(min_length=1, description="conv: channels of the stride-2 convolutions between input and code"),
    ] = (32, 64)
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

    @model_validator(mode="after")
    def _only_the_networks_own_layers_are_set(self) -> Self:
        other, unused = ("mlp", "hidden") if self.network == "conv" else ("conv", "channels")
        # A saved config has every key, so the default is what counts as not set.
        if getattr(self, unused) != type(self).model_fields[unused].default:
            raise ValueError(
                f"{unused} needs network = {other}, got {unused} = {list(getattr(self, unused))} with "
                f"network = {self.network}; leave one of them out"
            )
        return self


class AE(nn.Module):
    """x̂ = f(W* s(W x + b) + c), or a deeper form; examples of any shape are flattened before the first matrix.

    Raises:
        zoo.ConfigError: if `noise` is 1 or more where it is the probability of a masked value, or if `network`
            is conv and the examples are not images, or are reduced to 1×1 before the last of the `channels`.
    """

    def __init__(self, config: AEConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.shape = data.shape
        self.real = data.support == "real"
        self.noise = config.noise
        if not self.real and self.noise >= 1:
            raise zoo.ConfigError(
                f"noise must be below 1 for data in [0, 1], where it is the probability of a masked value, "
                f"got {self.noise}. A usual value is 0.1."
            )
        g, s = _ACTIVATIONS[config.activation], _ACTIVATIONS[config.code]
        if config.network == "conv":
            shapes = (*_maps(data.shape, config.channels), (config.latent_dim,))
        else:
            shapes = tuple((width,) for width in (data.size, *config.hidden, config.latent_dim))
        self.encoder_activations = (*(g for _ in shapes[2:]), s)
        self.decoder_activations = (_ACTIVATIONS["linear"], *(g for _ in shapes[2:]))
        # Layer l of both lists joins shapes[l] and shapes[l + 1].
        self.W = nn.ParameterList(_glorot(above, below) for below, above in pairwise(shapes))
        self.b = nn.ParameterList(torch.zeros(above) for above in shapes[1:])
        self.W_star = (
            None if config.tied else nn.ParameterList(_glorot(below, above) for below, above in pairwise(shapes))
        )
        self.c = nn.ParameterList(torch.zeros(below) for below in shapes[:-1])

    def initialise(self, train: Tensor) -> None:
        """f(c) = the mean of the training split (N, *shape), log-odds clipped to means in [0.01, 0.99]."""
        mean = train.flatten(1).mean(0)
        with torch.no_grad():
            self.c[0].copy_((mean if self.real else mean.logit(0.01)).view_as(self.c[0]))

    def encode(self, x: Tensor) -> Tensor:
        """h = s(W x + b): (B, *shape) -> (B, H)."""
        h = x.reshape(-1, *self.c[0].shape)
        for W, b, activation in zip(self.W, self.b, self.encoder_activations, strict=True):
            h = activation(_affine(W, h, b))
        return h

    def o(self, h: Tensor) -> Tensor:
        """W* h + c, the argument of f: (B, H) -> (B, V)."""
        W_star = [W.transpose(0, 1) for W in self.W] if self.W_star is None else list(self.W_star)
        for W, c, activation in reversed(list(zip(W_star, self.c, self.decoder_activations, strict=True))):
            h = activation(_transposed_affine(W, h, c))
        return h.flatten(1)

    def decode(self, h: Tensor) -> Tensor:
        """x̂ = f(W* h + c): (B, H) -> (B, *shape), in [0, 1] unless the data are real."""
        o = self.o(h)
        return (o if self.real else o.sigmoid()).reshape(-1, *self.shape)

    def corrupt(self, x: Tensor, generator: Generator) -> Tensor:
        """x̃: x with values masked to 0 with probability `noise`, or x + noise · ε for real data."""
        if self.real:
            return x + self.noise * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return x * zoo.bernoulli(torch.full_like(x, 1 - self.noise), generator)

    def squared_error(self, x: Tensor, seen: Tensor) -> Tensor:
        """Σ_j (x̂_j − x_j)², x̂ the reconstruction from the encoder's input `seen`, x or x̃; shape (B,)."""
        return (self.decode(self.encode(seen)) - x).square().flatten(1).sum(1)


def _maps(shape: tuple[int, ...], channels: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The shapes (C, H, W) of an image and of the output of each stride-2 convolution, sides ⌈H/2⌉ and ⌈W/2⌉.

    Raises:
        zoo.ConfigError: if `shape` is not the shape of an image, or if a convolution would have to halve a 1×1 map.
    """
    if not (len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))):
        raise zoo.ConfigError(
            f"network = conv is for images, examples of shape (H, W), (1, H, W) or (3, H, W), got {shape}. "
            f"Leave it out: network = mlp takes any shape."
        )
    _, height, width = image = (1, *shape)[-3:]
    maps = [image]
    for above in channels:
        _, H, W = maps[-1]
        if H == W == 1:
            raise zoo.ConfigError(
                f"channels must list at most {len(maps) - 1} convolutions for images of {height}×{width}, which "
                f"reduce them to 1×1, got {len(channels)}."
            )
        maps.append((above, (H + 1) // 2, (W + 1) // 2))
    return tuple(maps)


def _affine(W: Tensor, h: Tensor, b: Tensor) -> Tensor:
    """W h + b, in b's shape; W a matrix (above, below), or a kernel (C above, C below, 3, 3) applied with stride 2."""
    if W.ndim == 2:
        return F.linear(h.flatten(1), W, b)
    return F.conv2d(h, W, stride=2, padding=1) + b


def _transposed_affine(W_star: Tensor, h: Tensor, c: Tensor) -> Tensor:
    """W* h + c, in c's shape; W* a matrix (below, above), or a kernel (C below, C above, 3, 3) applied transposed."""
    if W_star.ndim == 2:
        return F.linear(h, W_star, c.flatten()).reshape(-1, *c.shape)
    # Sides H and H − 1 have the same ⌈H/2⌉ for an even H; the padding of 1 selects H.
    padding = [1 - side % 2 for side in c.shape[1:]]
    return F.conv_transpose2d(h, W_star.transpose(0, 1), stride=2, padding=1, output_padding=padding) + c


def _glorot(rows: tuple[int, ...], columns: tuple[int, ...]) -> Tensor:
    """A matrix, or from map to map a 3×3 kernel, whose entries have variance 2 / (rows + columns), as in its transpose.

    A kernel counts 9 rows and 9 columns for each of its channels. Glorot & Bengio (2010).
    """
    if len(rows) == len(columns) == 3:
        return nn.init.xavier_uniform_(torch.empty(rows[0], columns[0], 3, 3))
    return nn.init.xavier_uniform_(torch.empty(prod(rows), prod(columns)))
