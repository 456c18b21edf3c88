"""F(x_t, t): a multilayer perceptron for vectors, and a small U-Net for images. Both start at F = 0.

The step t enters each hidden layer through its sinusoidal embedding e(t) (E,), the cosines and sines of t ω_j with
ω_j from 1 to 10⁻⁴ in a geometric sequence (Vaswani et al., 2017, arXiv:1706.03762).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EMBEDDING = 64  # E


def embedding(t: Tensor, dtype: torch.dtype) -> Tensor:
    """e(t): (B,) -> (B, E)."""
    half = _EMBEDDING // 2
    omega = torch.exp(-math.log(1e4) / (half - 1) * torch.arange(half, dtype=dtype, device=t.device))
    angles = t.to(dtype)[:, None] * omega
    return torch.cat([angles.cos(), angles.sin()], 1)


class Perceptron(nn.Module):
    """h ← SiLU(W h + V e(t) + b), layer by layer, then an affine map: (B, V) -> (B, V)."""

    def __init__(self, V: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise((V, *hidden)))
        self.times = nn.ModuleList(nn.Linear(_EMBEDDING, width, bias=False) for width in hidden)
        self.output = _zero(nn.Linear((V, *hidden)[-1], V))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """F(x_t, t): x (B, *shape), t (B,) -> (B, *shape)."""
        e, h = embedding(t, x.dtype), x.flatten(1)
        for layer, time in zip(self.layers, self.times, strict=True):
            h = F.silu(layer(h) + time(e))
        out: Tensor = self.output(h)
        return out.view_as(x)


class Block(nn.Module):
    """h ← h + B SiLU(N(A SiLU(h)) + V e(t)): 3×3 convolutions A and B, N normalises each example."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.A = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(1, channels)
        self.time = nn.Linear(_EMBEDDING, channels)
        self.B = _zero(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        """(B, C, H, W) and e(t) (B, E) -> (B, C, H, W)."""
        inner = self.norm(self.A(F.silu(h))) + self.time(e)[:, :, None, None]
        out: Tensor = h + self.B(F.silu(inner))
        return out


class Mixer(nn.Module):
    """h ← h + W SiLU(N(h) M + m): M (HW, HW) mixes the positions of a feature map, W (C, C) its channels."""

    def __init__(self, channels: int, positions: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.M = nn.Linear(positions, positions)
        self.W = _zero(nn.Conv2d(channels, channels, 1))

    def forward(self, h: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        out: Tensor = h + self.W(F.silu(self.M(self.norm(h).flatten(2)).view(h.shape)))
        return out


class UNet(nn.Module):
    """A U-Net with one skip connection, for images (C, H, W) of any height and width.

    The image is folded into patches of p × p pixels, which become channels; one level has this resolution, the other
    half of it. Sides that 2p does not divide are padded with zeros, and the padding is cut off from the output. At the
    inner level each block of convolutions is followed by a `Mixer` (Tolstikhin et al., 2021, arXiv:2105.01601), as
    DDPM has self-attention there: it is cheaper on a CPU.
    """

    def __init__(self, image: tuple[int, int, int], patch: int, channels: tuple[int, int], blocks: int) -> None:
        super().__init__()
        C, H, W = image
        positions = -(-H // (2 * patch)) * -(-W // (2 * patch))
        self.patch = patch
        outer, inner = channels
        self.input = nn.Conv2d(C * patch**2, outer, 3, padding=1)
        self.down = nn.Conv2d(outer, inner, 2, stride=2)
        self.blocks = nn.ModuleList(Block(inner) for _ in range(blocks))
        self.mixers = nn.ModuleList(Mixer(inner, positions) for _ in range(blocks))
        self.up = nn.Conv2d(inner, 4 * outer, 1)
        self.outer = Block(outer)
        self.output = _zero(nn.Conv2d(outer, C * patch**2, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """F(x_t, t): x (B, *shape), t (B,) -> (B, *shape)."""
        e = embedding(t, x.dtype)
        images = x[:, None] if x.ndim == 3 else x  # (B, C, H, W)
        H, W = images.shape[2:]
        folded = F.pad(images, (0, -W % (2 * self.patch), 0, -H % (2 * self.patch)))
        skip = self.input(F.pixel_unshuffle(folded, self.patch).contiguous(memory_format=torch.channels_last))
        h = self.down(skip)
        for block, mixer in zip(self.blocks, self.mixers, strict=True):
            h = mixer(block(h, e))
        h = self.outer(skip + F.pixel_shuffle(self.up(F.silu(h)), 2), e)
        out = F.pixel_shuffle(self.output(F.silu(h)), self.patch)[:, :, :H, :W]
        return out.reshape(x.shape)


def _zero(layer: nn.Linear | nn.Conv2d) -> nn.Module:
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
