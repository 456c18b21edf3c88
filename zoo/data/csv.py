"""CSV tables of numbers: comma-separated, optional header line, one example per line; classes may be words."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError, did_you_mean

_LARGEST = 2**30  # bytes; reading a table takes about ten times its size in memory
Numbers = NDArray[np.float64]


def read_csv(path: Path, labels: str = "") -> tuple[Numbers, NDArray[np.generic] | None, tuple[str, ...]]:
    """Read a table. The first line is the header if none of its cells is a number.

    Args:
        path: the file, UTF-8.
        labels: name of the class column, or "".

    Returns:
        The numbers, shape (N, columns); the classes, shape (N,), or None, words being numbered in alphabetical order;
        and the names of the numeric columns, () without a header.

    Raises:
        DataError: if the table is invalid; the message names the line and the column.
    """
    lines = _lines(path)
    top = next(lines)
    first = top[1]
    if len(first) == 1 and any(mark in first[0] for mark in ";\t|"):
        raise DataError(f"{path} must be separated by commas, got {first[0][:60]!r}.")
    header = () if any(_number(cell) is not None for cell in first) else tuple(cell.strip() for cell in first)
    _check_names(header, path)
    if labels and labels not in header:
        known = f"Columns: {', '.join(header)}." if header else "It has no header line."
        raise DataError(f"{path} has no column {labels!r}.{did_you_mean(labels, header)} {known}")
    place = header.index(labels) if labels else None
    names = tuple(name for name in header if name != labels) if labels else header
    rows, words = [], []
    for line, row in lines if header else chain([top], lines):
        if len(row) != len(first):
            raise DataError(f"{path}, line {line}: {len(first)} columns expected, got {len(row)}.")
        if place is not None:
            words.append((line, row.pop(place).strip()))
        rows.append(_values(row, path, line, names))
    if not rows:
        raise DataError(f"{path} has a header but no values.")
    return np.stack(rows), _classes(words, path, labels) if labels else None, names


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its last line."""
    try:
        if (size := path.stat().st_size) > _LARGEST:
            raise DataError(f"{path} has {size:,} bytes; the limit for a table is {_LARGEST:,}. Use .npy instead.")
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8 text: {error.reason} at byte {error.start}.") from None
    if text.startswith("\ufeff"):
        raise DataError(f"{path} starts with a byte-order mark; save it as UTF-8 without one.")
    if not text.strip():
        raise DataError(f"{path} is empty.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                raise DataError(f"{path}, line {reader.line_num} is blank; remove it.")
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num} must be comma-separated values: {error}.") from None


def _check_names(header: tuple[str, ...], path: Path) -> None:
    if "" in header:
        raise DataError(f"{path}: column {header.index('') + 1} has no name; name it, or remove it if it is an index.")
    if twice := sorted(name for name, count in Counter(header).items() if count > 1):
        raise DataError(f"{path} has duplicate column names: {', '.join(twice)}.")


def _number(cell: str) -> float | None:
    """Parse the number in a cell; None for anything else, including Python's `1_000`."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _values(row: list[str], path: Path, line: int, names: tuple[str, ...]) -> Numbers:
    """Return the numbers of one line, shape (columns,)."""
    values = [_number(cell) for cell in row]
    for place, value in enumerate(values):
        if value is None or not math.isfinite(value):
            where = f"{path}, line {line}, column {repr(names[place]) if names else place + 1}"
            if value is not None:
                raise DataError(f"{where}: a finite number expected, got {row[place].strip()}.")
            hint = "set labels=NAME for the class column" if names else "a header line must consist of names only"
            raise DataError(f"{where}: a number expected, got {row[place][:40]!r}; {hint}.")
    return np.array(values, dtype=np.float64)


def _classes(words: list[tuple[int, str]], path: Path, labels: str) -> NDArray[np.generic]:
    """Return the classes, shape (N,): numbers as they are, words numbered in alphabetical order."""
    numbers = [_number(word) for _, word in words]
    for (line, word), number in zip(words, numbers, strict=True):
        if not word or (number is None) != (numbers[0] is None):
            came = f"{word!r} after {words[0][1]!r}" if word else "nothing"
            raise DataError(
                f"{path}, line {line}, column {labels!r}: classes must be all words or all numbers, got {came}."
            )
    if numbers[0] is None:
        return np.unique([word for _, word in words], return_inverse=True)[1]
    return np.array(numbers)
