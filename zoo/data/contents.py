"""`Contents`: what a reader found in a file, as NumPy arrays, before it becomes a `zoo.Data`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Array = NDArray[Any]

WHOLE = ""  # the name of the only part of a file without splits of its own


@dataclass(frozen=True)
class Part:
    """Examples in the order of the file.

    Attributes:
        x: numbers, shape (N, *shape); nan where a value is missing and `missing=mean` will fill it. Of a mixed table,
            cells: numbers, words, or None for a missing value.
        labels: classes, shape (N,), numbers or words; or None.
        rows: numbers of the examples in the file, from 1, shape (N,); None if they are 1 to N.
    """

    x: Array
    labels: Array | None = None
    rows: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Contents:
    """Contents of a file.

    Attributes:
        parts: the file's own splits `train`, `valid` and `test`, of which some may be absent; or one part, `WHOLE`.
        columns: names of a table's columns, in the order of the values; () if they have no names.
        notes: what was found and decided, for `zoo data info`.
    """

    parts: Mapping[str, Part]
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def split_name(name: str) -> str:
    """Return the split that a folder, file or array is named after, `train`, `valid` or `test`; "" for other names."""
    return _SPLITS.get(name.lower(), "")


_SPLITS = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "valid"),
    **dict.fromkeys(("test", "testing", "te"), "test"),
}
