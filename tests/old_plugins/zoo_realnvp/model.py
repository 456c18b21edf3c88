"""RealNVP: an invertible map from data to normal codes, by coupling layers whose Jacobians are triangular.

    z = f(x),  z ~ N(0, I)                                                  x, z (V,): the code is as large as the data
    log p(x) = log N(f(x); 0, I) + log |det ∂f(x)/∂x|                       change of variables; nats, shape (B,)

f is a chain, h⁰ = (x' − m) ⊙ e^{−a}, then L coupling layers, z = h^L; each has a mask b (V,) of zeros and ones,

    h^l     = b ⊙ h^{l−1} + (1 − b) ⊙ (h^{l−1} ⊙ exp(s(b ⊙ h^{l−1})) + t(b ⊙ h^{l−1}))        log |det| = Σ (1 − b) ⊙ s
    h^{l−1} = b ⊙ h^l + (1 − b) ⊙ (h^l − t(b ⊙ h^l)) ⊙ exp(−s(b ⊙ h^l))                       the exact inverse

(equations 6 to 9), with s = r ⊙ tanh(·), r (V,) learned, and s and t the two halves of a multilayer perceptron's
output. b is a checkerboard, b = [the sum of a value's indices is even], in odd layers and its complement in even ones:
what one layer leaves as it is the next one changes. m and a (V,) start at the mean and the log of the standard
deviation of the training split and are learned further.

Real-valued data are x' themselves. Data in [0, 1] on a grid of n levels, 0, 1/(n − 1), …, 1, have no density; they are
dequantised and taken to the real line (section 4.1; in the symmetric form of Papamakarios et al., 2017):

    u ~ U[0, 1)^V        y = ((n − 1) x + u) / n  ∈ [0, 1)        x' = logit(α + (1 − 2α) y),  α = 0.05

and the density is that of y, with log |det ∂x'/∂y| added. From y back to x is to the level in whose bin y lies,
x = ⌊n y⌋ / (n − 1), clipped to [0, 1]. Data of more than 2^16 levels, or on no grid, are continuous: y = x. The code of
an example in [0, 1] is that of its bin's centre, u = 1/2; a draw of it, that of a point drawn from the bin.

Dinh, Sohl-Dickstein & Bengio (2017), Density estimation using Real NVP, arXiv:1605.08803. Papamakarios, Pavlakou &
Murray (2017), Masked autoregressive flow, arXiv:1705.07057. Dequantisation: Theis, van den Oord & Bethge (2016),
arXiv:1511.01844.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo

_ALPHA = 0.05
_LEVELS_MAX = 2**16  # more than an image's file has
_OFF_GRID = 0.01  # share of a step by which rounding may move a value
_SD_MIN = 1e-2  # of a value that hardly varies, so that its density starts finite


class RealNVPConfig(zoo.Config):
    """What a RealNVP is built from. The defaults were chosen on the validation split of the digits."""

    couplings: Annotated[
        int, Field(gt=0, description="L, number of coupling layers; each changes half of the values")
    ] = 8
    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(description="widths of the hidden layers of the networks of s and t; () makes both linear"),
    ] = (64,)


class Coupling(nn.Module):
    """h -> b ⊙ h + (1 − b) ⊙ (h ⊙ exp(s(b ⊙ h)) + t(b ⊙ h)), at first the identity."""

    def __init__(self, mask: Tensor, hidden: tuple[int, ...]) -> None:
        super().__init__()
        V = len(mask)
        self.register_buffer("b", mask)
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise((V, *hidden)))
        self.output = nn.Linear((V, *hidden)[-1], 2 * V)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.r = nn.Parameter(torch.ones(V))

    def s_and_t(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """(1 − b) ⊙ s(b ⊙ h) and (1 − b) ⊙ t(b ⊙ h): (B, V) -> twice (B, V)."""
        b = self.get_buffer("b")
        h = b * h
        for layer in self.hidden:
            h = torch.relu(layer(h))
        s, t = self.output(h).chunk(2, dim=1)
        return (1 - b) * self.r * torch.tanh(s), (1 - b) * t

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The layer and the log |det| of its Jacobian: (B, V) -> (B, V), (B,)."""
        s, t = self.s_and_t(h)
        return h * s.exp() + t, s.sum(1)

    def inverse(self, h: Tensor) -> Tensor:
        """What the layer maps to h: (B, V) -> (B, V)."""
        s, t = self.s_and_t(h)
        return (h - t) * (-s).exp()


class RealNVP(nn.Module):
    """z = f(x) with z ~ N(0, I), for examples of `data.shape`, flattened to (V,)."""

    def __init__(self, config: RealNVPConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.shape = data.shape
        self.real = data.support == "real"
        self.register_buffer("n", torch.zeros(()))  # levels of data in [0, 1]; 0: continuous
        self.m = nn.Parameter(torch.zeros(data.size))
        self.a = nn.Parameter(torch.zeros(data.size))
        b = checkerboard(data.shape)
        masks = (1 - b if layer % 2 else b for layer in range(config.couplings))
        self.couplings = nn.ModuleList(Coupling(mask, config.hidden) for mask in masks)

    def initialise(self, train: Tensor) -> None:
        """Find the levels of data in [0, 1], and start m and a at the moments of the training split (N, *shape)."""
        if not self.real:
            self.get_buffer("n").fill_(levels(train))
        with torch.no_grad():
            x, _ = self.to_line(self.dequantise(train, None))
            self.m.copy_(x.mean(0))
            self.a.copy_(x.std(0, correction=0).clamp(min=_SD_MIN).log())

    def dequantise(self, x: Tensor, generator: Generator | None) -> Tensor:
        """y = ((n − 1) x + u) / n, u drawn or 1/2; flat x for continuous data: (B, *shape) -> (B, V)."""
        x, n = x.flatten(1), self.get_buffer("n")
        if n == 0:
            return x
        u = 0.5 if generator is None else torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return ((n - 1) * x + u) / n

    def quantise(self, y: Tensor) -> Tensor:
        """The level whose bin y lies in, clipped to [0, 1]; y itself for real data: (B, V) -> (B, *shape)."""
        n = self.get_buffer("n")
        if n > 0:
            y = (n * y).floor() / (n - 1)
        return (y if self.real else y.clamp(0, 1)).reshape(-1, *self.shape)

    def to_line(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x' and log |det ∂x'/∂y|: (B, V) -> (B, V), (B,)."""
        if self.real:
            return y, y.new_zeros(len(y))
        x = (_ALPHA + (1 - 2 * _ALPHA) * y).logit()
        # d logit(p)/dp = 1/(p (1 − p)), and −log p, −log (1 − p) are softplus(−x), softplus(x).
        return x, (F.softplus(x) + F.softplus(-x) + math.log(1 - 2 * _ALPHA)).sum(1)

    def from_line(self, x: Tensor) -> Tensor:
        """y of x': (B, V) -> (B, V)."""
        return x if self.real else (x.sigmoid() - _ALPHA) / (1 - 2 * _ALPHA)

    def f(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """z and log |det ∂z/∂y|: real or dequantised values (B, V) -> (B, V), (B,)."""
        x, log_det = self.to_line(y)
        h, log_det = (x - self.m) * (-self.a).exp(), log_det - self.a.sum()
        for coupling in self.couplings:
            h, change = coupling(h)
            log_det = log_det + change
        return h, log_det

    def f_inverse(self, z: Tensor) -> Tensor:
        """y with f(y) = z, layer by layer: (B, V) -> (B, V)."""
        h = z
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, Coupling)
            h = coupling.inverse(h)
        return self.from_line(h * self.a.exp() + self.m)

    def log_prob(self, y: Tensor, log_prior: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """log p(y) = log p(f(y)) + log |det ∂f(y)/∂y| in nats: real or dequantised values (B, V) -> (B,).

        Args:
            y: where; the density is of y, for [0, 1] data too.
            log_prior: log p(z) of codes (B, V), shape (B,); None is N(0, I).
        """
        z, log_det = self.f(y)
        return (log_standard_normal if log_prior is None else log_prior)(z) + log_det

    def decode(self, z: Tensor) -> Tensor:
        """x of a code: (B, V) -> (B, *shape)."""
        return self.quantise(self.f_inverse(z))

    def sample_codes(self, n: int, generator: Generator) -> Tensor:
        """z ~ N(0, I), shape (n, V)."""
        return torch.randn(n, len(self.m), generator=generator, dtype=self.m.dtype, device=self.m.device)


def checkerboard(shape: tuple[int, ...]) -> Tensor:
    """b = [the sum of a value's indices is even], as 0.0 and 1.0, flat: shape (V,)."""
    indices = torch.meshgrid(*(torch.arange(side) for side in shape), indexing="ij")
    return (torch.stack(indices).sum(0).flatten() % 2 == 0).to(torch.get_default_dtype())


def levels(x: Tensor) -> int:
    """n, if all values of x in [0, 1] are on the grid 0, 1/(n − 1), …, 1, at the least distance between two of them.

    Returns:
        n, from 2 to 2^16; or 0 for values that are on no such grid, hence continuous.
    """
    values = x.unique()  # in ascending order
    if len(values) < 2:
        return 0
    steps = 1 / values.diff().min()
    n = round(float(steps)) + 1
    places = values * (n - 1)
    return n if n <= _LEVELS_MAX and bool(((places - places.round()).abs() < _OFF_GRID).all()) else 0


def log_standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I) in nats: (B, V) -> (B,)."""
    return -(z.square() / 2 + math.log(2 * math.pi) / 2).sum(1)
