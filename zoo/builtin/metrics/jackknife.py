"""The delete-a-group jackknife: standard errors and bias of a figure of samples x and real examples y.

    SE² = (G - 1)/G Σ_g (θ_g - θ̄)²        θ_corrected = G θ - (G - 1) θ̄

θ_g is the figure without the g-th of G groups of rows, θ̄ their mean. Groups of x give the share of sampling in the
error of a figure, groups of y that of the test set. If both sets lose a group at a time, a bias a/N + b/M of θ is
removed, up to terms of order 1/N².

Reference: Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans, chapters 2 and 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

import zoo

Answer = TypeVar("Answer")

GROUPS = 20
_SEED = 0  # assignment to groups, the same for all contestants; never used for training


def groups(n: int, count: int = GROUPS) -> Tensor:
    """Assign n rows to `count` groups of equal size, up to one row, at random by a fixed seed; shape (n,)."""
    return (torch.arange(n) % count)[torch.randperm(n, generator=zoo.generator(_SEED, f"{count} groups of rows"))]


def standard_error(left_out: Sequence[float]) -> float | None:
    """Return SE of a figure from its leave-one-group-out values; None without any."""
    if not left_out:
        return None
    mean, G = math.fsum(left_out) / len(left_out), len(left_out)
    return math.sqrt((G - 1) / G * math.fsum((value - mean) ** 2 for value in left_out))


def without_each_group(figure: Callable[[Tensor], Answer], x: Tensor, count: int = GROUPS) -> tuple[Answer, ...]:
    """Return figure(x without its g-th group of rows) for each g; () with fewer than two rows per group."""
    if len(x) < 2 * count:
        return ()
    of = groups(len(x), count)
    return tuple(figure(x[of != g]) for g in range(count))


def both_shares(
    figure: Callable[[Tensor, Tensor], float], x: Tensor, y: Tensor
) -> tuple[float | None, tuple[float, ...]]:
    """Return SE of figure(x, y) over groups of the samples x, and its values without each group of the real y."""
    sampling = standard_error(without_each_group(lambda kept: figure(kept, y), x))
    return sampling, without_each_group(lambda kept: figure(x, kept), y)


def bias_corrected(figure: Callable[[Tensor, Tensor], float], x: Tensor, y: Tensor) -> float | None:
    """Return θ_corrected of figure(x, y) for sets of N and M rows; None with fewer than two rows per group."""
    if min(len(x), len(y)) < 2 * GROUPS:
        return None
    of_x, of_y = groups(len(x)), groups(len(y))
    return corrected(figure(x, y), [figure(x[of_x != g], y[of_y != g]) for g in range(GROUPS)])


def corrected(whole: float, left_out: Sequence[float]) -> float:
    """Return θ_corrected from θ and its values without a group of both sets."""
    return len(left_out) * whole - (len(left_out) - 1) * math.fsum(left_out) / len(left_out)
