"""Euclidean distances between the rows of two sets, a block at a time, and right where rows repeat.

    |x - y|² = |x|² + |y|² - 2 x·y

One matrix product does the work, in double precision, and leaves a rounding error where x = y. Below a tolerance, a
millionth of the rows' length, the distance is therefore 0, so that identical rows (binary data have many) are at
distance exactly 0. Equal distances may be rounded apart, so they are compared up to a factor: a point on the sphere
has `distance <= TIE * radius`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.builtin.metrics.sets import checked_sets

TIE = 1 + 1e-9

_BLOCK = 2**21  # numbers in one block of a matrix: 16 MiB, and a few temporaries of that size
_ROUNDING = 1e-12  # of |x|² + |y|²: no less is a squared distance


def blocks(n: int, m: int) -> Iterator[slice]:
    """Slices of n rows of a matrix with m columns, each of a few MiB."""
    step = max(_BLOCK // m, 1)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """|xᵢ - yⱼ| for x and y of shapes (N, d) and (M, d), float64: slices of B rows i with their block, shape (B, M)."""
    origin = y.mean(0).round()  # far from 0 the product would lose the difference; whole numbers leave bits exact
    x, y = x - origin, y - origin
    x2, y2 = x.square().sum(1, keepdim=True), y.square().sum(1)
    for rows in blocks(len(x), len(y)):
        norms = x2[rows] + y2
        squared = torch.addmm(norms, x[rows], y.T, alpha=-2)
        yield rows, torch.where(squared > _ROUNDING * norms, squared, 0.0).sqrt_()


def neighbour_distances(x: Tensor, k: int = 1) -> Tensor:
    """The distance of each row of x, shape (N, d), to its k-th nearest other row, shape (N,): 0 if k others equal it.

    Raises:
        ValueError: for another shape, numbers that are not finite, or fewer than k other rows.
    """
    (x,) = checked_sets(1, x=x)
    if not 1 <= k < len(x):
        raise ValueError(f"k must be at least 1 and less than the number of rows, {len(x)}, got {k}; give more rows")
    found = x.new_empty(len(x))  # filled in place: small results kept between large blocks would fragment the heap
    for rows, apart in distances(x, x):
        apart.diagonal(rows.start).fill_(torch.inf)  # a row is no neighbour of its own
        found[rows] = apart.topk(k, largest=False).values[:, -1]
    return found


def nearest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """For each row of x the distance to the nearest row of y, and which one that is: two tensors of shape (N,)."""
    found, which = x.new_empty(len(x)), torch.empty(len(x), dtype=torch.int64)
    for rows, apart in distances(x, y):
        found[rows], which[rows] = apart.min(1)
    return found, which
