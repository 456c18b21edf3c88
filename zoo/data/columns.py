"""What the columns of a table hold, and which of their limits a model of real values does not keep."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.data.dataset import SPLITS, Data

_MASKED = 0.6  # share of zeros among whole numbers that may stand for missing values


def kinds(data: Data) -> dict[str, str]:
    """Return what each column of a table holds, over all splits: `whole numbers 17 to 89`; {} without names."""
    if data.table:
        return {column.name: column.describe() for column in data.table.columns}
    if not data.columns or data.spec.shape != (len(data.columns),):
        return {}
    return {name: _kind(x) for name, x in zip(data.columns, _values(data).T, strict=True)}


def notes(data: Data) -> list[str]:
    """Return what a user should know before training on a table.

    A model of real values keeps neither whole numbers nor bounds, and zeros may stand for missing values.
    """
    found: list[str] = []
    if data.spec.support == "bits" and len(data.columns) > 1 and bool((_values(data).sum(1) == 1).all()):
        found.append(
            "exactly one column is 1 in each row: samples are bits, which need not keep to that; table=mixed keeps it"
        )
    if data.table or data.spec.support != "real" or len(data.spec.shape) > 1:
        return found
    x = _values(data)
    names = data.columns or tuple(map(str, range(x.shape[1])))
    varies = x.amax(0) > x.amin(0)
    whole = [name for name, column, v in zip(names, x.T, varies, strict=True) if v and _is_whole(column)]
    positive = [name for name, column, v in zip(names, x.T, varies, strict=True) if v and column.min() >= 0]
    limits = [
        f"{text} in {_shown(of)}" for text, of in (("whole numbers", whole), ("no negative values", positive)) if of
    ]
    if limits:
        found.append(
            f"{' and '.join(limits)}: samples are real numbers, which need not keep to that; table=mixed keeps it"
        )
    zeros = (x == 0).double().mean().item()
    if zeros > _MASKED and _is_whole(x) and len(whole) > 1:
        found.append(f"{zeros:.0%} of the values are 0; if 0 stands for a missing value, set na=0 and missing=mean")
    return found


def _values(data: Data) -> Tensor:
    """All examples as rows, float64, shape (N, K)."""
    return torch.cat([getattr(data, split) for split in SPLITS]).double().flatten(1)


def _is_whole(x: Tensor) -> bool:
    return bool((x == x.floor()).all())


def _kind(x: Tensor) -> str:
    low, high = x.min().item(), x.max().item()
    if low == high:
        return f"constant {low:.10g}"
    if not _is_whole(x):
        return f"real numbers {low:.6g} to {high:.6g}"
    return "0 and 1" if (low, high) == (0, 1) else f"whole numbers {low:.10g} to {high:.10g}"


def _shown(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more columns"
