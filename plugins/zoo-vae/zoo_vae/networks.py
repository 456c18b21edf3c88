"""The VAE's networks: the encoder of q(z|x), and the decoder o(z), whose last layer is separate (the output).

They are multilayer perceptrons, or for images chains of 3×3 convolutions of stride 2, transposed in the decoder. A
convolution maps (C, H, W) to (C', ⌈H/2⌉, ⌈W/2⌉), its transpose back to exactly (C, H, W), for any H and W. Each layer
adds a bias with one entry for each value of its map, as an affine layer does.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

import zoo

Map = tuple[int, ...]

_ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class Convolution(nn.Module):
    """W h + b, W a 3×3 convolution of stride 2: (B, *below) -> (B, *above)."""

    def __init__(self, below: Map, above: Map) -> None:
        super().__init__()
        self.W = nn.Conv2d(below[0], above[0], 3, stride=2, padding=1, bias=False)
        self.bias = nn.Parameter(torch.zeros(above))

    def forward(self, h: Tensor) -> Tensor:
        y: Tensor = self.W(h) + self.bias
        return y


class TransposedConvolution(nn.Module):
    """W* h + c, W* a transposed 3×3 convolution of stride 2: (B, *above) -> (B, *below)."""

    def __init__(self, above: Map, below: Map) -> None:
        super().__init__()
        # Sides H and H − 1 have the same ⌈H/2⌉ for an even H; the padding of 1 selects H.
        _, H, W = below
        padding = (1 - H % 2, 1 - W % 2)
        self.W_star = nn.ConvTranspose2d(above[0], below[0], 3, stride=2, padding=1, output_padding=padding, bias=False)
        self.bias = nn.Parameter(torch.zeros(below))

    def forward(self, h: Tensor) -> Tensor:
        y: Tensor = self.W_star(h) + self.bias
        return y


Networks = tuple[nn.Sequential, nn.Sequential, nn.Linear | TransposedConvolution]


def perceptrons(widths: tuple[int, ...], latent_dim: int, activation: str, K: int = 0) -> Networks:
    """Return affine layers from `widths[0]` values through the other widths to μ and raw σ_q, and from z back to o.

    Encoder (B, V + K) -> (B, 2 D); output after decoder (…, D + K) -> (…, V), K values for the class.
    """
    up, down = (widths[0] + K, *widths[1:]), (latent_dim + K, *reversed(widths[1:]))
    encoder = nn.Sequential(*_layers(up, activation), nn.Linear(up[-1], 2 * latent_dim))
    return encoder, nn.Sequential(*_layers(down, activation)), nn.Linear(down[-1], widths[0])


def convolutions(maps: tuple[Map, ...], latent_dim: int, activation: str, K: int = 0) -> Networks:
    """Return convolutions from the image `maps[0]` through the other maps and an affine layer to the code, and back.

    Encoder (B, V) -> (B, 2 D); output after decoder (B, D + K) -> (B, C, H, W), K values for the class.
    """
    g = _ACTIVATIONS[activation]
    image, *_, top = maps
    up: list[nn.Module] = [nn.Unflatten(1, image)]
    for below, above in pairwise(maps):
        up += [Convolution(below, above), g()]
    encoder = nn.Sequential(*up, nn.Flatten(), nn.Linear(prod(top), 2 * latent_dim))
    down: list[nn.Module] = [nn.Linear(latent_dim + K, prod(top)), g(), nn.Unflatten(1, top)]
    for above, below in pairwise(reversed(maps[1:])):
        down += [TransposedConvolution(above, below), g()]
    return encoder, nn.Sequential(*down), TransposedConvolution(maps[1], image)


def feature_maps(shape: tuple[int, ...], channels: tuple[int, ...]) -> tuple[Map, ...]:
    """Return the shapes (C, H, W) of an image and of the output of each convolution.

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


def _layers(widths: tuple[int, ...], activation: str) -> list[nn.Module]:
    """Return an affine map and the activation from each width to the next; no layers for a single width."""
    layers: list[nn.Module] = []
    for below, above in pairwise(widths):
        layers += [nn.Linear(below, above), _ACTIVATIONS[activation]()]
    return layers
