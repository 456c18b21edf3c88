"""`Frame`: a table of numbers and words as it is in a file, and the choice of its columns and rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.data.contents import WHOLE, Array, Contents, Numbers, Part
from zoo.data.options import KEEP, NONE, FileOptions, number
from zoo.data.pictures import picture_options
from zoo.errors import DataError, did_you_mean

MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none", "-", "."})  # in lower case
CLASSES = ("label", "labels", "class", "classes", "target", "y")  # names of columns of classes
_MOST_CLASSES = 100  # distinct values of a column that looks like classes
_SENTINELS = (-999.0, -9999.0, -99999.0, -999999.0)
UNNAMED = "unnamed"  # a column without a name in the header
_SHOWN = 12  # names in a message

Where = Callable[[int, int], str]  # row and place of a cell -> where it is, for messages


@dataclass(frozen=True)
class Frame:
    """A table.

    Attributes:
        path: of the file, for messages.
        names: of the columns; () if they have none, and are then numbered from 0.
        values: shape (N, K); nan where a cell is not a number.
        words: texts of the cells that are not numbers, by column and row.
        lines: line of each row in a text file, for messages; () in other files, whose rows are numbered from 1.
        first: number of rows of the file before this block of it.
    """

    path: Path
    names: tuple[str, ...]
    values: Numbers
    words: Mapping[int, Mapping[int, str]]
    lines: Sequence[int] = ()
    first: int = 0

    def column(self, key: str) -> int:
        """Return the place of a column, given its name or its number from 0 (from the end if below 0)."""
        if key in self.names:
            return self.names.index(key)
        count = int(self.values.shape[1])
        if key.lstrip("-").isdecimal() and -count <= int(key) < count:
            return int(key) % count
        if self.names:
            known = f"Columns: {shortened(self.names)}."
            raise DataError(f"{self.path} has no column {key!r}.{did_you_mean(key, self.names)} {known}")
        raise DataError(f"{self.path} has no column {key!r}. It has no header line; its columns are 0 to {count - 1}.")

    def name(self, column: int) -> str:
        """Return a column's name, or its number."""
        return self.names[column] if self.names else str(column)

    def where(self, row: int, column: int) -> str:
        """Return the place of a cell, for messages."""
        line = f"line {self.lines[row]}" if self.lines else f"row {self.first + row + 1}"
        return f"{self.path}, {line}, column {repr(self.names[column]) if self.names else column}"


def table_contents(frame: Frame, options: FileOptions) -> Contents:
    """Return the chosen columns and rows of a table as numbers, with the classes.

    Raises:
        DataError: for words and missing values without a choice, and for a table that can be read in two ways.
    """
    label = frame.column(options.labels) if options.labels not in ("", NONE) else None
    dropped = {frame.column(key) for key in options.drop}
    chosen = [frame.column(key) for key in options.columns] or list(range(frame.values.shape[1]))
    chosen = [column for column in chosen if column not in dropped and column != label]
    if len(set(chosen)) < len(chosen):
        raise DataError(f"columns must name each column once, got {', '.join(options.columns)}.")
    if UNNAMED in frame.names and frame.names.index(UNNAMED) in chosen and UNNAMED not in options.columns:
        place = frame.names.index(UNNAMED)
        raise DataError(
            f"{frame.path}: column {place} has no name, as an index has none; leave it out with drop={UNNAMED}, or "
            "name it."
        )
    names = tuple(frame.names[column] for column in chosen) if frame.names else ()
    if options.is_mixed:
        return Contents({WHOLE: _mixed(frame, chosen, label, options)}, names)
    _check_words(frame, chosen, options)
    if label is None and options.labels != NONE:
        _check_classes(frame, chosen, options)
    classes = None if label is None else _classes(frame, label)

    def where(row: int, place: int) -> str:
        return frame.where(row, chosen[place])

    kept, x = fill(frame.values[:, chosen], options, where, [frame.name(column) for column in chosen])
    rows = None if kept.all() and not frame.first else kept.nonzero()[0] + 1 + frame.first
    notes = () if kept.all() else (f"{(~kept).sum():,} rows with missing values are left out",)
    return Contents({WHOLE: Part(x, classes if classes is None else classes[kept], rows)}, names, notes)


def array_contents(path: Path, x: Array, options: FileOptions, labels: Array | None = None, first: int = 0) -> Contents:
    """Return an array's examples: one with two axes is a table without names, whose columns have numbers.

    Args:
        path: of the file, for messages.
        x: shape (N, *shape).
        options: of the file; `labels` only counts here if `labels` below is None.
        labels: the classes, if they were read from elsewhere.
        first: number of examples of the file before this block of it.
    """
    if x.ndim == 0 or len(x) == 0:
        raise DataError(f"{path} must hold examples along the first axis, got an array of shape {x.shape}.")
    by_column = bool(options.columns or options.drop) or (labels is None and options.labels not in ("", NONE))
    if x.ndim == 2 and x.dtype.kind in "biuf" and (by_column or _needs_filling(x, options)):
        inner = options if labels is None else options.model_copy(update={"labels": NONE})
        found = table_contents(Frame(path, (), x.astype(np.float64), {}, first=first), inner)
        part = found.parts[WHOLE]
        if labels is not None:
            part = Part(part.x, labels if part.rows is None else labels[part.rows - 1 - first], part.rows)
        return Contents({WHOLE: part}, (), found.notes)
    if by_column:
        raise DataError(f"{path} has the shape {x.shape} and no columns to choose; remove labels, columns and drop.")
    if x.ndim > 1 and len(x) and x.dtype.kind in "iuf" and _needs_filling(x, options):
        flat = x.reshape(len(x), -1).astype(np.float64)
        complete, filled = fill(
            flat, options, lambda row, place: f"{path}, example {first + row + 1}, value {place}", []
        )
        rows = complete.nonzero()[0] + 1 + first
        kept = labels if labels is None else labels[complete]
        return Contents({WHOLE: Part(filled.reshape(-1, *x.shape[1:]), kept, rows)})
    return Contents({WHOLE: Part(x, labels, np.arange(first + 1, first + len(x) + 1) if first else None)})


def fill(x: Numbers, options: FileOptions, where: Where, names: Sequence[str]) -> tuple[NDArray[np.bool_], Numbers]:
    """Return which rows are kept, shape (N,), and their values with missing ones filled, shape (kept, K).

    With `missing=mean`, missing values stay nan, because the mean is that of the training split.
    """
    x = x.copy()
    for text in options.na:
        if (value := number(text)) is not None:
            x[x == value] = np.nan
    if np.isinf(x).any() and options.missing != KEEP:
        row, place = np.argwhere(np.isinf(x))[0]
        raise DataError(f"{where(row, place)}: a finite number expected, got {x[row, place]}.")
    holes = np.isnan(x)
    everything = np.ones(len(x), dtype=bool)
    if options.missing == KEEP:
        return everything, x
    if not options.na:
        _check_sentinels(x, where, names)
    if not holes.any():
        return everything, x
    if not options.missing:
        row, place = np.argwhere(holes)[0]
        incomplete = holes.any(1).sum()
        empty = [name for name, column in zip(names, holes.T, strict=False) if column.all()]
        also = f", drop={','.join(empty)}" if empty else f" or drop={names[place]} (that column)" if names else ""
        raise DataError(
            f"{where(row, place)}: no value, and {incomplete:,} of {len(x):,} rows lack one; choose missing=drop "
            f"(leave those rows out), missing=mean, missing=NUMBER{also}."
        )
    if options.missing == "drop":
        kept: NDArray[np.bool_] = ~np.asarray(holes.any(1))
        return kept, x[kept]
    if options.missing == "mean":
        if (place := next((k for k, column in enumerate(holes.T) if column.all()), None)) is not None:
            name = names[place] if names else place
            raise DataError(f"{where(0, place)}: no value in any row, so the column has no mean; set drop={name}.")
        return everything, x
    x[holes] = float(options.missing)
    return everything, x


def shortened(names: Sequence[str]) -> str:
    """Return names for a message, the first and the last of many."""
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[: _SHOWN - 2])}, … {names[-1]} ({len(names)} in all)"


def _needs_filling(x: Array, options: FileOptions) -> bool:
    """Whether an array has, or may have, values that stand for missing ones."""
    if options.na:
        return True
    if x.dtype.kind == "u" or x.size == 0 or x.dtype.kind == "b":
        return False
    return bool(x.dtype.kind == "f" and np.isnan(x).any()) or float(x.min()) in _SENTINELS


def _mixed(frame: Frame, chosen: Sequence[int], label: int | None, options: FileOptions) -> Part:
    """Return the cells of a mixed table as objects, and its classes."""

    def where(row: int, place: int) -> str:
        return frame.where(row, chosen[place])

    keeping = options.model_copy(update={"missing": KEEP})
    x = fill(frame.values[:, chosen], keeping, where, [])[1]
    if np.isinf(x).any():
        row, place = np.argwhere(np.isinf(x))[0]
        raise DataError(f"{where(row, place)}: a finite number expected, got {x[row, place]}.")
    if not options.na:
        _check_sentinels(x, where, [])
    cells = x.astype(object)
    cells[np.isnan(x)] = None
    absent = MISSING | {text.lower() for text in options.na}
    for place, column in enumerate(chosen):
        for row, text in frame.words.get(column, {}).items():
            cells[row, place] = None if text.strip().lower() in absent else text.strip()
    classes = None if label is None else _classes(frame, label)
    kept = np.array([options.missing != "drop" or None not in row for row in cells.tolist()])
    return Part(cells[kept], None if classes is None else classes[kept], kept.nonzero()[0] + 1 + frame.first)


def _check_words(frame: Frame, chosen: Sequence[int], options: FileOptions) -> None:
    """Refuse words among the values; what stands for a missing value stays nan."""
    absent = MISSING | {text.lower() for text in options.na}
    wrong = {
        column: {row: text for row, text in frame.words.get(column, {}).items() if text.strip().lower() not in absent}
        for column in chosen
    }
    of_words = [column for column in chosen if wrong[column]]
    if not of_words:
        return
    row, first = min((min(wrong[column]), column) for column in of_words)
    text, names = wrong[first][row], [frame.name(column) for column in of_words]
    few = [frame.name(k) for k in of_words if 1 < len(set(wrong[k].values())) <= len(frame.values) // 2]
    if len(wrong[first]) <= max(1, len(frame.values) // 10):
        way_out = f"correct it, set na={text.strip()} if it stands for a missing value, or drop={frame.name(first)}"
    else:
        classes = few[0] if len(few) == 1 else "NAME"
        way_out = (
            f"keep words as categories with table=mixed, leave them out with drop={','.join(names)}, or name the "
            f"column of classes with labels={classes}"
        )
    if "," in text and number(text.replace(",", ".")) is not None:
        way_out = "write decimal points instead of commas"
    raise DataError(f"{frame.where(row, first)}: a number expected, got {text[:40]!r}; {way_out}.")


def _check_classes(frame: Frame, chosen: Sequence[int], options: FileOptions) -> None:
    """Refuse a column that looks like classes but is not named as such, with both ways to read it."""
    rest = frame.values[:, chosen]
    for place, column in enumerate(chosen):
        if frame.names and frame.name(column).strip().lower() in CLASSES and _few_whole(rest[:, place]):
            others = np.delete(rest, place, axis=1)
            pictures = picture_options(others) if options.support == "found" and options.scale is None else ""
            also = f",{pictures}" if pictures else ""
            raise DataError(
                f"{frame.path} has a column {frame.name(column)!r} that looks like classes; write "
                f"labels={frame.name(column)}{also}, or labels=none to read it as a value."
            )
    if frame.names or options.labels or options.support != "found" or rest.shape[1] < 2:
        return
    for place in (0, rest.shape[1] - 1):
        others = np.delete(rest, place, axis=1)
        if (pictures := picture_options(others)) and _few_whole(rest[:, place]) and not picture_options(rest):
            raise DataError(
                f"{frame.path} has {rest.shape[1]} columns of whole numbers, which look like pictures and, in column "
                f"{chosen[place]}, their classes; write labels={chosen[place]},{pictures}, or labels=none,support=real."
            )


def _few_whole(values: Numbers) -> bool:
    """Whether the values of a column may be classes: whole numbers >= 0, each in two rows on average."""
    if not np.isfinite(values).all() or (values != np.floor(values)).any() or values.min() < 0:
        return False
    return len(np.unique(values)) <= min(_MOST_CLASSES, len(values) // 2)


def _check_sentinels(x: Numbers, where: Where, names: Sequence[str]) -> None:
    """Refuse -999 and its like far below all other values of a column, which usually stand for missing values."""
    for place, column in enumerate(x.T):
        low = np.nanmin(column) if not np.isnan(column).all() else 0.0
        if low not in _SENTINELS:
            continue
        rest = column[column > low]
        if len(rest) and rest.min() > low / 2 and rest.max() - rest.min() < -low:
            row, count = int((column == low).argmax()), int((column == low).sum())
            raise DataError(
                f"{where(row, place)}: {low:g}, as {count:,} values, is far from the others, which are in "
                f"[{rest.min():g}, {rest.max():g}]; if it stands for a missing value, set na={low:g} and missing=drop "
                "(or mean, or a number), otherwise na=none."
            )


def _classes(frame: Frame, label: int) -> Array:
    """Return the classes, shape (N,): all numbers, or all words."""
    words = {row: text.strip() for row, text in frame.words.get(label, {}).items()}
    numbers = frame.values[:, label]
    if not words:
        if np.isnan(numbers).any():
            words = {int(row): "" for row in np.isnan(numbers).nonzero()[0]}
        else:
            return numbers
    whole = [words[row] if row in words else f"{numbers[row]:g}" for row in range(len(numbers))]
    for row, text in enumerate(whole):
        if text.lower() in ("", "?", "nan") or (row in words) != (0 in words):
            came = "nothing" if text.lower() in ("", "?", "nan") else f"{text!r} after {whole[0]!r}"
            raise DataError(f"{frame.where(row, label)}: classes must be all words or all numbers, got {came}.")
    return np.array(whole)


def finite(cell: str) -> float:
    """Return the number in a cell, infinity included; nan for anything else."""
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return math.nan if "_" in cell else value
