"""Euclidean distances between the rows of two sets, in blocks, exact for repeated rows.

    |x - y|² = |x|² + |y|² - 2 x·y

Computed by one matrix product in double precision, which leaves a rounding error where x = y. Distances below a
tolerance, a millionth of the rows' length, are therefore set to 0, so that identical rows (frequent in binary data)
have distance exactly 0. Equal distances may differ by rounding, so they are compared up to a factor: a point on the
sphere has `distance <= TIE * radius`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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


class Squares(NamedTuple):
    """|xᵢ - yⱼ|² of some rows i and all rows j, with its rounding error, and the lengths that bound the error.

    Attributes:
        rows: the B rows i.
        values: |xᵢ - yⱼ|², shape (B, M); the next block takes their memory.
        x2, y2: |xᵢ|² and |yⱼ|² from a common origin, shapes (B, 1) and (M,).
    """

    rows: slice
    values: Tensor
    x2: Tensor
    y2: Tensor


def squares(x: Tensor, y: Tensor) -> Iterator[Squares]:
    """Yield squared distances for x, y of shapes (N, d), (M, d), float64, some rows of x at a time.

    (-2x, |x|², 1) · (y, 1, |y|²) is the whole sum in one pass over a block. A root of all values would take as long.
    """
    origin = y.mean(0).round()  # avoids cancellation far from 0; whole numbers keep bits exact
    x, y = x - origin, y - origin
    x2, y2 = (z.square().sum(1, keepdim=True) for z in (x, y))
    left, right = torch.cat([-2 * x, x2, torch.ones_like(x2)], 1), torch.cat([y, torch.ones_like(y2), y2], 1)
    right, memory = right.T.contiguous(), x.new_empty(0)
    for rows in blocks(len(x), len(y)):
        memory = memory if memory.numel() else x.new_empty(rows.stop - rows.start, len(y))  # the first is the largest
        values = torch.mm(left[rows], right, out=memory[: rows.stop - rows.start])
        yield Squares(rows, values, x2[rows], y2[:, 0])


def root(squared: Tensor, length2: Tensor) -> Tensor:
    """Return distances from their squares; length2 is |x|² or |y|², which are equal where the distance is small."""
    return torch.where(squared > 2 * _ROUNDING * length2, squared, 0.0).sqrt()


def reach(radii: Tensor, length2: Tensor) -> Tensor:
    """Return the largest square of a distance that is at most a radius, so that the squares need no root."""
    return radii.square().maximum(2 * _ROUNDING * length2)


def neighbour_distances(x: Tensor, k: int = 1) -> Tensor:
    """Distance of each row of x, shape (N, d), to its k-th nearest other row, shape (N,); 0 if k other rows equal it.

    Raises:
        ValueError: if x has another shape, values are not finite, or there are fewer than k other rows.
    """
    (x,) = checked_sets(1, x=x)
    if not 1 <= k < len(x):
        raise ValueError(f"k must be at least 1 and less than the number of rows, {len(x)}, got {k}; give more rows")
    found = x.new_empty(len(x))  # filled in place; small tensors between large blocks would fragment the heap
    for rows, squared, x2, _ in squares(x, x):
        squared.diagonal(rows.start).fill_(torch.inf)  # a row is not its own neighbour
        kth = squared.amin(1) if k == 1 else squared.topk(k, largest=False).values[:, -1]
        found[rows] = root(kth, x2[:, 0])
    return found


def nearest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance from each row of x to the nearest row of y, and the index of that row, both of shape (N,)."""
    found, which = x.new_empty(len(x)), torch.empty(len(x), dtype=torch.int64)
    for rows, squared, x2, _ in squares(x, y):
        least, which[rows] = squared.min(1)
        found[rows] = root(least, x2[:, 0])
    return found, which
