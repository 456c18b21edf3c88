"""The jackknife: how far a figure of two sets would move if other rows had been drawn, without drawing any.

    SE² = (G - 1)/G Σ_g (θ_g - θ̄)²

θ_g is the figure without the g-th of G groups of rows of either set, θ̄ their mean. It is the sampling noise of both
sides. Where the two laws are equal, a distance moves less than the jackknife says: the error is then a cautious one.

Reference: Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans, chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

GROUPS = 10


def groups(n: int) -> Tensor:
    """The group of each of n rows, dealt in turn, shape (n,)."""
    return torch.arange(n) % GROUPS


def standard_error(left_out: list[float]) -> float:
    """SE of a figure from its values without each group."""
    mean, G = sum(left_out) / len(left_out), len(left_out)
    return math.sqrt((G - 1) / G * sum((value - mean) ** 2 for value in left_out))


def jackknife(figure: Callable[[Tensor, Tensor], float], x: Tensor, y: Tensor) -> float | None:
    """SE of figure(x, y) for sets of rows, shapes (N, d) and (M, d); None for fewer than two rows a group."""
    if min(len(x), len(y)) < 2 * GROUPS:
        return None
    of_x, of_y = groups(len(x)), groups(len(y))
    return standard_error([figure(x[of_x != g], y[of_y != g]) for g in range(GROUPS)])
