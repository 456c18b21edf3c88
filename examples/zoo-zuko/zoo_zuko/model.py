"""A normalising flow of zuko over data: an invertible map from data to normal codes, with an exact density.

    z = f((x' − m) / s),  z ~ N(0, I)                                       x', z (V,): the code is as large as the data
    log p(x') = log N(z; 0, I) + log |det ∂f| − Σ log s                     change of variables; nats, shape (B,)

f is one of the flows of `flows.py`. m and s (V,) are those of the training split: m is the mean, and s the standard
deviation or, if larger, a fifth of the largest distance from m, so that every training value lies in [-5, 5], on which
splines are defined; the flows that zuko inverts by bisection are searched on [-10, 10].

Real-valued data are x' themselves. Data in [0, 1] on a grid of n levels, 0, 1/(n − 1), …, 1, have no density; they are
dequantised and mapped to the real line, as in RealNVP (in the symmetric form of Papamakarios et al., 2017):

    u ~ U[0, 1)^V        y = ((n − 1) x + u) / n  ∈ [0, 1)        x' = logit(α + (1 − 2α) y),  α = 0.05

and the density is that of y, with log |det ∂x'/∂y| added. y is mapped back to the level in whose bin it lies,
x = ⌊n y⌋ / (n − 1), clipped to [0, 1]. Data with more than 2^16 levels, or not on a grid, are continuous: y = x. The
code of an example in [0, 1] is the code of its bin's centre, u = 1/2; a draw is the code of a random point in the bin.

Papamakarios et al. (2021), Normalizing Flows for Probabilistic Modeling and Inference, arXiv:1912.02762. Rozet et al.,
Zuko: Normalizing flows in PyTorch, doi:10.5281/zenodo.7625672. Dequantisation: Theis, van den Oord & Bethge (2016),
arXiv:1511.01844.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo
from zoo_zuko.flows import BOX, build_flow

_ALPHA = 0.05
_LEVELS_MAX = 2**16  # the most that image files have
_OFF_GRID = 0.01  # largest rounding error of a value, in grid steps
_SD_MIN = 1e-2  # lower limit for nearly constant values, so that the density is finite


class ZukoConfig(zoo.Config):
    """The settings of a flow. The defaults were chosen on the validation split of the digits."""

    flow: Annotated[
        Literal["nsf", "maf", "nice", "naf", "unaf", "sospf", "bpf", "gf", "cnf"], Field(description="kind of flow")
    ] = "maf"
    transforms: Annotated[int, Field(gt=0, description="T, number of transformations; cnf always has one")] = 6
    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(description="widths of the hidden layers of each network; gf has none"),
    ] = (64, 64)
    passes: Annotated[
        int,
        Field(
            ge=0,
            description="P, groups of values of an autoregressive flow, each a step of sampling; 2: coupling, 0: V",
        ),
    ] = 8
    bins: Annotated[int, Field(gt=1, description="K, bins of each spline (nsf)")] = 8


class Zuko(nn.Module):
    """z = f((x' − m) / s) with z ~ N(0, I), for examples of `data.shape`, flattened to (V,)."""

    n: Tensor  # (), levels of data in [0, 1]; 0: continuous
    m: Tensor  # (V,)
    s: Tensor  # (V,)

    def __init__(self, config: ZukoConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.shape = data.shape
        self.real = data.support == "real"
        self.register_buffer("n", torch.zeros(()))
        self.register_buffer("m", torch.zeros(data.size))
        self.register_buffer("s", torch.ones(data.size))
        self.flow = build_flow(
            config.flow,
            data.size,
            transforms=config.transforms,
            hidden=config.hidden,
            passes=config.passes,
            bins=config.bins,
        )

    def initialise(self, train: Tensor, generator: Generator) -> None:
        """Find the levels of data in [0, 1], and set m and s from the training split (N, *shape)."""
        if not self.real:
            self.n.fill_(levels(train))
        x, _ = self.to_line(self.dequantise(train, generator))
        self.m.copy_(x.mean(0))
        self.s.copy_(x.std(0, correction=0).maximum((x - self.m).abs().amax(0) / BOX).clamp(min=_SD_MIN))

    def dequantise(self, x: Tensor, generator: Generator | None) -> Tensor:
        """y = ((n − 1) x + u) / n, u drawn or 1/2; flat x for continuous data: (B, *shape) -> (B, V)."""
        x, n = x.flatten(1), self.n
        if n == 0:
            return x
        u = 0.5 if generator is None else torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return ((n - 1) * x + u) / n

    def quantise(self, y: Tensor) -> Tensor:
        """The level whose bin y lies in, clipped to [0, 1]; y itself for real data: (B, V) -> (B, *shape)."""
        if self.n > 0:
            y = (self.n * y).floor() / (self.n - 1)
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
        z, change = self.flow().transform.call_and_ladj((x - self.m) / self.s)
        return z, log_det + change - self.s.log().sum()

    def f_inverse(self, z: Tensor) -> Tensor:
        """y with f(y) = z: (B, V) -> (B, V)."""
        x: Tensor = self.flow().transform.inv(z)
        return self.from_line(x * self.s + self.m)

    def log_prob(self, y: Tensor, log_prior: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """log p(y) = log p(f(y)) + log |det ∂f(y)/∂y| in nats: real or dequantised values (B, V) -> (B,).

        Args:
            y: the arguments; the density is that of y, for data in [0, 1] too.
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


def levels(x: Tensor) -> int:
    """Return n if all values of x in [0, 1] lie on the grid 0, 1/(n − 1), …, 1, whose step is their smallest distance.

    Returns:
        n, from 2 to 2^16; or 0 for continuous values, which do not lie on such a grid.
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
