"""The networks F(x, t, y) of the vector field: a perceptron for any data, a small U-Net for images.

Time t and class y enter through an embedding e(t, y) (B, E), of which every layer adds an affine map to its input. The
last layer starts at 0, so that F does.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_E = 64  # width of the embedding
_FREQUENCIES = 16  # of the sines and cosines of t, from π/2 to 64 π, evenly on a log scale


class Embedding(nn.Module):
    """e(t, y) = W_2 silu(W_1 [cos ωt, sin ωt]) + c_y, c_K for no class: (B, E)."""

    def __init__(self, K: int) -> None:
        super().__init__()
        self.register_buffer("omega", math.pi / 2 * 128 ** torch.linspace(0, 1, _FREQUENCIES))
        self.time = nn.Sequential(nn.Linear(2 * _FREQUENCIES, _E), nn.SiLU(), nn.Linear(_E, _E))
        self.classes = nn.Embedding(K + 1, _E) if K else None

    def forward(self, t: Tensor, y: Tensor | None) -> Tensor:
        """t (B, 1) or (1, 1), y (B,) or None for a model without classes."""
        angle = self.get_buffer("omega") * t
        e: Tensor = self.time(torch.cat([angle.cos(), angle.sin()], dim=1))
        return e if self.classes is None else e + self.classes(y)


class Perceptron(nn.Module):
    """h^0 = W_in x, h^l = h^{l−1} + W_l silu(h^{l−1} + A_l e), F = W_out silu(h^L): (B, D) -> (B, D)."""

    def __init__(self, D: int, hidden: int, layers: int, K: int) -> None:
        super().__init__()
        self.embedding = Embedding(K)
        self.input = nn.Linear(D, hidden)
        self.shifts = nn.ModuleList(nn.Linear(_E, hidden) for _ in range(layers))
        self.hidden = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers))
        self.output = _zero(nn.Linear(hidden, D))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """F(x, t, y): x (B, D), t (B, 1) or (1, 1), y (B,) or None -> (B, D)."""
        e, h = self.embedding(t, y), self.input(x)
        for shift, layer in zip(self.shifts, self.hidden, strict=True):
            h = h + layer(F.silu(h + shift(e)))
        out: Tensor = self.output(F.silu(h))
        return out


class Block(nn.Module):
    """h -> h + W * silu(h + A e), W a 3×3 convolution: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, C: int) -> None:
        super().__init__()
        self.W = nn.Conv2d(C, C, 3, padding=1)
        self.shift = nn.Linear(_E, C)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        """h (B, C, H, W), e (B, E) or (1, E)."""
        out: Tensor = h + self.W(F.silu(h + self.shift(e)[:, :, None, None]))
        return out


class Global(nn.Module):
    """h -> h + W_2 silu(W_1 h + A e), affine maps of all values: every pixel sees the whole image at once."""

    def __init__(self, D: int, hidden: int) -> None:
        super().__init__()
        self.W_1 = nn.Linear(D, hidden)
        self.W_2 = nn.Linear(hidden, D)
        self.shift = nn.Linear(_E, hidden)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        """h (B, C, H, W), e (B, E) or (1, E)."""
        change: Tensor = self.W_2(F.silu(self.W_1(h.flatten(1)) + self.shift(e)))
        return h + change.view_as(h)


class UNet(nn.Module):
    """Blocks of C channels, of 2 C at half of the resolution, and of C again, with a skip connection.

    The blocks at half of the resolution are a convolution, affine maps of the whole image, and a convolution.

    Above 16×16 pixels, the full resolution is that of 2×2 patches, which are the channels of input and output.
    """

    def __init__(self, image: tuple[int, int, int], channels: int, bottleneck: int, K: int) -> None:
        super().__init__()
        self.image, self.patch = image, 2 if min(image[1:]) > 16 else 1
        C = image[0] * self.patch**2
        self.embedding = Embedding(K)
        self.input = nn.Conv2d(C, channels, 3, padding=1)
        self.down = Block(channels)
        self.reduce = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
        values = 2 * channels * (image[1] // self.patch // 2) * (image[2] // self.patch // 2)
        self.middle = nn.ModuleList([Block(2 * channels), Global(values, bottleneck), Block(2 * channels)])
        self.expand = nn.Conv2d(2 * channels, 4 * channels, 1)
        self.up = Block(channels)
        self.output = _zero(nn.Conv2d(channels, C, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """F(x, t, y): x (B, D), t (B, 1) or (1, 1), y (B,) or None -> (B, D)."""
        e = self.embedding(t, y)
        h = self.down(self.input(F.pixel_unshuffle(x.unflatten(1, self.image), self.patch)), e)
        g = self.reduce(F.silu(h))
        for block in self.middle:
            g = block(g, e)
        h = self.up(h + F.pixel_shuffle(self.expand(F.silu(g)), 2), e)
        return F.pixel_shuffle(self.output(F.silu(h)), self.patch).flatten(1)


def as_image(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return (C, H, W) of an image whose sides can be halved twice, otherwise None."""
    C, H, W = (1,) * (3 - len(shape)) + shape if 2 <= len(shape) <= 3 else (0, 1, 1)
    return (C, H, W) if H % 4 == 0 and W % 4 == 0 else None


def _zero(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """Set weights and biases to 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
