"""Labels as they come in files and arrays: numbers, words, booleans, columns, one-hot rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.data.contents import WHOLE, Array
from zoo.data.formats import TEXT, format_of
from zoo.data.options import NONE, FileOptions
from zoo.data.readers.text import read_frame
from zoo.errors import DataError
from zoo.files.paths import existing


def labels_of_array(options: FileOptions, x: Array) -> Array | None:
    """Return the labels of the examples x from the file that `labels` names; None if it names a column, or nothing."""
    key = options.labels
    if key in ("", NONE) or (x.ndim == 2 and key.lstrip("-").isdecimal() and not Path(key).exists()):
        return None
    return read_labels(existing(key), len(x))


def read_labels(path: Path, count: int) -> Array:
    """Read labels from a file of any format, shape (N,).

    Args:
        path: the file.
        count: number of examples, which tells whether the first line of a text file is a header.
    """
    form = format_of(path)
    if form is TEXT:
        frame = read_frame(path, FileOptions(), count)
        if frame.values.shape[1] > 1:
            return as_labels(frame.values, path.name)
        words = frame.words.get(0, {})
        if not words:
            return frame.values[:, 0]
        return np.array([words.get(row, f"{value:g}").strip() for row, value in enumerate(frame.values[:, 0])])
    return as_labels(form.read(path, FileOptions()).parts[WHOLE].x, path.name)


def as_labels(labels: Array, name: str) -> Array:
    """Return labels, shape (N,), of numbers or words; of one-hot rows the place of the 1.

    Raises:
        DataError: for other shapes.
    """
    if labels.ndim == 2 and 1 in labels.shape:
        labels = labels.reshape(-1)
    if labels.ndim == 2 and labels.dtype.kind in "biuf":
        if np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all():
            places: Array = labels.argmax(1)
            return places
        count = labels.shape[1]
        raise DataError(f"{name} must hold one label per example, got rows of {count} numbers that are not one-hot.")
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    return labels.astype(np.int64) if labels.dtype.kind == "b" else labels


def are_labels(labels: Array, count: int) -> bool:
    """Whether an array can be the labels of `count` examples: one whole number, word or one-hot row for each."""
    if labels.ndim == 0 or len(labels) != count or labels.ndim > 2 or labels.dtype.kind not in "biufUS":
        return False
    try:
        flat = as_labels(labels, "")
    except DataError:
        return False
    return flat.ndim == 1 and (flat.dtype.kind != "f" or bool((flat == np.floor(flat)).all()))
