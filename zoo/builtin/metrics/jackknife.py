"""The jackknife: the standard error of a figure of two sets under resampling of their rows.

    SE² = (G - 1)/G Σ_g (θ_g - θ̄)²

θ_g is the figure without the g-th of G groups of rows of either set, θ̄ their mean. SE is the sampling noise of both
sets. If the two distributions are equal, a distance varies less than that: the error is then conservative.

Reference: Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans, chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

GROUPS = 10


def groups(n: int) -> Tensor:
    """Assign n rows to groups in turn, shape (n,)."""
    return torch.arange(n) % GROUPS


def standard_error(left_out: list[float]) -> float:
    """Return SE of a figure from its leave-one-group-out values."""
    mean, G = sum(left_out) / len(left_out), len(left_out)
    return math.sqrt((G - 1) / G * sum((value - mean) ** 2 for value in left_out))


def jackknife(figure: Callable[[Tensor, Tensor], float], x: Tensor, y: Tensor) -> float | None:
    """Return SE of figure(x, y) for sets of shapes (N, d) and (M, d); None with fewer than two rows per group."""
    if min(len(x), len(y)) < 2 * GROUPS:
        return None
    of_x, of_y = groups(len(x)), groups(len(y))
    return standard_error([figure(x[of_x != g], y[of_y != g]) for g in range(GROUPS)])
