"""Records of tables for the metrics: their columns, the sets that are compared, and a scale for distances."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.sets import refuse_enumerated, refuse_few


class Place(NamedTuple):
    """A column among the values of a record.

    Attributes:
        name: of the column.
        values: its places.
        is_category: whether its values are a one-hot block.
    """

    name: str
    values: slice
    is_category: bool

    def of(self, x: Tensor) -> Tensor:
        """Return one number per record of x, shape (N,).

        It is the category, one more than the last for one that the training split lacks; or the value, -inf if missing.
        """
        part = x[:, self.values].double()
        if self.is_category:
            return torch.where(part.amax(1) > 0, part.argmax(1), part.shape[1]).double()
        return part[:, 0] if part.shape[1] == 1 else torch.where(part[:, 1] >= 0.5, -torch.inf, part[:, 0])


def places(data: zoo.Data) -> list[Place]:
    """Return the columns of a mixed table, or of real-valued data whose columns have names.

    Raises:
        zoo.Unsupported: for other data.
    """
    refuse_enumerated(data)
    if data.table is not None:
        kinds = [(column.name, column.width, column.is_block) for column in data.table.columns]
    elif data.spec.support == "real" and data.spec.shape == (len(data.columns),):
        kinds = [(name, 1, False) for name in data.columns]
    else:
        raise zoo.Unsupported("needs a table of real values with named columns, or a mixed table")
    found, start = [], 0
    for name, width, is_category in kinds:
        found.append(Place(name, slice(start, start + width), is_category))
        start += width
    return found


def matched_records(evaluation: zoo.Evaluation, least: int = 2) -> tuple[Tensor, Tensor]:
    """Return as many records of the reference as of the samples, in the user's units, float64, shape (N, D).

    Raises:
        zoo.Unsupported: with fewer than `least`.
    """
    refuse_few(evaluation, least)
    n = min(len(evaluation.reference), len(evaluation.samples))
    return evaluation.reference[:n].double(), evaluation.samples[:n].double()


def scaled(data: zoo.Data, *sets: Tensor) -> list[Tensor]:
    """Return records in which each number has variance 1 in the training split, and each one-hot block in all.

    A block of shares p has the variance Σ p (1 - p), so that a rare category counts as any other. Constants are 0.
    """
    train = data.train.double()
    widths = torch.tensor(data.spec.blocks or (1,) * data.spec.size)
    of_block = torch.arange(len(widths)).repeat_interleave(widths)
    variance = torch.zeros(len(widths), dtype=torch.float64).index_add(0, of_block, train.var(0, correction=0))[
        of_block
    ]
    mean = train.mean(0)
    varies = variance > 1e-24 * (1 + mean.square())
    return [torch.where(varies, (x.double() - mean) / variance.sqrt(), 0.0) for x in sets]
