"""Data that a Python program holds: DataFrames, `(x, y)`, `TensorDataset`s and sparse matrices, as arrays.

Objects are recognised by their methods, so that neither pandas, polars nor SciPy is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import TensorDataset

from zoo.data.frame import CLASSES, shortened
from zoo.errors import DataError


@dataclass(frozen=True)
class Held:
    """Examples of a program.

    Attributes:
        x: what torch or NumPy makes an array of, shape (N, *shape).
        labels: the classes, or None.
        columns: names of the columns; () if they have none.
    """

    x: Any
    labels: Any = None
    columns: tuple[str, ...] = ()


def held(data: Any, name: str) -> Held:
    """Return the examples of an array, tensor, list, DataFrame, `TensorDataset`, `(x, y)` or sparse matrix.

    Raises:
        DataError: for other objects, such as a `Dataset` of torch, which may have no end; and for a DataFrame with
            words, or with a column that looks like classes.
    """
    if is_dataframe(data):
        return _of_dataframe(data, name)
    if isinstance(data, TensorDataset):
        if len(data.tensors) > 2:
            raise DataError(
                f"{name} is a TensorDataset of {len(data.tensors)} tensors; give one, or examples and classes."
            )
        return Held(data.tensors[0], data.tensors[1] if len(data.tensors) == 2 else None)
    if isinstance(data, tuple) and len(data) == 2 and all(hasattr(each, "__len__") for each in data):
        inner, y = held(data[0], name), np.asarray(data[1])
        if y.ndim <= 2 and len(inner.x) == len(y):
            return Held(inner.x, y.reshape(len(y)) if y.size == len(y) else y, inner.columns)
    if isinstance(data, Tensor):
        return Held(data.to_dense())
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        return Held(data.toarray())
    if not isinstance(data, list | tuple) and not hasattr(data, "__array__"):
        way_out = ""
        if hasattr(data, "__getitem__") or isinstance(data, Iterable):
            way_out = "; stack its examples into one, for example torch.stack([x for x, y in dataset])"
        raise DataError(
            f"{name} must be an array, tensor, list, DataFrame, TensorDataset or (x, y), got {type(data).__name__}"
            f"{way_out}."
        )
    return Held(data)


def is_dataframe(data: object) -> bool:
    """Whether it is a table with named columns, as those of pandas and polars are."""
    return hasattr(data, "columns") and hasattr(data, "to_numpy")


def columns_of(table: Any, names: Sequence[str], name: str) -> NDArray[Any]:
    """Return the columns of a DataFrame with these names, in this order; all of them without names.

    Raises:
        ValueError: without one of the columns.
    """
    if not names:
        found: NDArray[Any] = table.to_numpy()
        return found
    given = {str(column): column for column in table.columns}
    if missing := [column for column in names if column not in given]:
        raise ValueError(
            f"{name} must have the columns {shortened(names)}, matched by name, got {shortened(list(given))}; missing: "
            f"{shortened(missing)}"
        )
    chosen: NDArray[Any] = table[[given[column] for column in names]].to_numpy()
    return chosen


def _of_dataframe(table: Any, name: str) -> Held:
    columns = tuple(str(column) for column in table.columns)
    if len(set(columns)) < len(columns):
        raise DataError(f"{name} must have distinct names of columns, got {shortened(columns)}.")
    arrays = {column: np.asarray(table[given].to_numpy()) for column, given in zip(columns, table.columns, strict=True)}
    if words := [column for column, x in arrays.items() if x.dtype.kind not in "biuf"]:
        raise DataError(
            f"{name} must hold numbers, and the columns {shortened(words)} hold {arrays[words[0]].dtype}; leave them "
            "out, or write the table to a file and load FILE.csv:table=mixed."
        )
    if classes := [column for column in columns if column.strip().lower() in CLASSES]:
        raise DataError(
            f"{name} has a column {classes[0]!r} that looks like classes; give (x, y) with x without that column and y "
            "that column, or rename it."
        )
    return Held(np.stack(list(arrays.values()), 1), columns=columns)
