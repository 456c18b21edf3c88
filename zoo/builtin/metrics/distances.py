"""Euclidean distances between the rows of two sets, in blocks, exact for repeated rows.

    |x - y|² = |x|² + |y|² - 2 x·y

Computed by one matrix product in double precision, which leaves a rounding error where x = y. Distances below a
tolerance, a millionth of the rows' length, are therefore set to 0, so that identical rows (frequent in binary data)
have distance exactly 0. Equal distances may differ by rounding, so they are compared up to a factor: a point on the
sphere has `distance <= TIE * radius`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.builtin.metrics.sets import checked_sets

TIE = 1 + 1e-9

_BLOCK = 2**21  # values per block of a matrix: 16 MiB, plus a few temporaries of that size
_ROUNDING = 1e-12  # relative to |x|² + |y|²: smaller squared distances are set to 0


def blocks(n: int, m: int) -> Iterator[slice]:
    """Split the n rows of a matrix with m columns into slices of a few MiB."""
    step = max(_BLOCK // m, 1)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield |xᵢ - yⱼ| for x, y of shapes (N, d), (M, d), float64: slices of B rows i, each with a block (B, M)."""
    for rows, squared, x2, y2 in _squared(x, y):
        yield rows, torch.where(squared > _ROUNDING * (x2 + y2), squared, 0.0).sqrt_()


def _squared(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Yield slices of B rows i, |xᵢ - yⱼ|² with its rounding error, |xᵢ|² and |yⱼ|²: (B, M), (B, 1) and (M,)."""
    origin = y.mean(0).round()  # avoids cancellation far from 0; whole numbers keep bits exact
    x, y = x - origin, y - origin
    x2, y2 = x.square().sum(1, keepdim=True), y.square().sum(1)
    for rows in blocks(len(x), len(y)):
        yield rows, (x2[rows] + y2).addmm_(x[rows], y.T, alpha=-2), x2[rows], y2


def neighbour_distances(x: Tensor, k: int = 1) -> Tensor:
    """Distance of each row of x, shape (N, d), to its k-th nearest other row, shape (N,); 0 if k other rows equal it.

    Raises:
        ValueError: if x has another shape, values are not finite, or there are fewer than k other rows.
    """
    (x,) = checked_sets(1, x=x)
    if not 1 <= k < len(x):
        raise ValueError(f"k must be at least 1 and less than the number of rows, {len(x)}, got {k}; give more rows")
    found = x.new_empty(len(x))  # filled in place; small tensors between large blocks would fragment the heap
    for rows, apart in distances(x, x):
        apart.diagonal(rows.start).fill_(torch.inf)  # a row is not its own neighbour
        found[rows] = apart.topk(k, largest=False).values[:, -1]
    return found


def nearest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance from each row of x to the nearest row of y, and the index of that row, both of shape (N,)."""
    found, which = x.new_empty(len(x)), torch.empty(len(x), dtype=torch.int64)
    for rows, squared, x2, y2 in _squared(x, y):
        least, which[rows] = squared.min(1)  # one pass over the block; the rounding error matters at the minimum only
        found[rows] = torch.where(least > _ROUNDING * (x2[:, 0] + y2[which[rows]]), least, 0.0).sqrt_()
    return found, which
