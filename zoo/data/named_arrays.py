"""Files of several arrays (`.npz`, `.mat`, HDF5): which of them are examples, which are labels, and of which split."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np

from zoo.data.contents import Array, Contents, split_name
from zoo.data.frame import array_contents
from zoo.data.label_files import are_labels, as_labels
from zoo.data.options import NONE, FileOptions
from zoo.data.pictures import picture_options
from zoo.errors import DataError, did_you_mean

_EXAMPLES = "x|images?|imgs?|data|samples|features|inputs|arr_0"
_LABELS = "y|labels?|targets?|classes|class|l"
_NAME = re.compile(
    rf"(?:(?P<before>[a-z]+)[_/]?)??(?P<what>{_EXAMPLES}|{_LABELS})(?:[_/]?(?P<after>[a-z]+))?", re.IGNORECASE
)

Shapes = Mapping[str, tuple[int, ...]]
Read = Callable[[Collection[str]], Mapping[str, Array]]


def contents_of_arrays(
    path: Path, shapes: Shapes, read: Read, options: FileOptions, *, by_columns: bool = False
) -> Contents:
    """Return the examples and labels of a file of arrays; `array` and `labels` choose where the names do not tell.

    Args:
        path: of the file, for messages.
        shapes: of the arrays, by name.
        read: reads some of the arrays.
        options: of the file.
        by_columns: whether examples are often the columns of an array, as in MATLAB.

    Raises:
        DataError: for names that it does not have, and if the names do not tell; the arrays are listed.
    """
    if not options.array and options.labels in ("", NONE) and (found := _splits(shapes)):
        return _of_splits(path, found, shapes, read, options)
    of_column = options.labels.lstrip("-").isdecimal() and options.labels not in shapes
    label = "" if options.labels == NONE or of_column else options.labels
    for name in (options.array, label):
        if name and name not in shapes:
            raise DataError(f"{path} has no array {name!r}.{did_you_mean(name, shapes)} {_list(shapes)}")
    chosen = options.array or _examples(path, shapes, label)
    arrays = read({chosen, label} - {""})
    x = _examples_first(path, chosen, arrays[chosen], options) if by_columns else arrays[chosen]
    notes: tuple[str, ...] = ()
    if not label and not of_column and options.labels != NONE and not options.array:
        label, labels = _labels_beside(shapes, chosen, len(x) if x.ndim else 0, read)
        notes = (f"the labels are the array {label!r} (labels=none leaves them out)",) if label else ()
    else:
        labels = as_labels(arrays[label], f"{path}, {label}") if label else None
    rest = [name for name in shapes if name not in (chosen, label)]
    if rest:
        notes += (f"the array {chosen!r} is read; left out: {', '.join(rest)}",)
    inner = options if of_column else options.model_copy(update={"labels": ""})
    found_contents = array_contents(path, x, inner, labels)
    return Contents(found_contents.parts, found_contents.columns, (*notes, *found_contents.notes))


def _splits(shapes: Shapes) -> dict[str, dict[str, str]]:
    """Return the names of examples `x` and labels `y` of each split; {} if the names do not tell."""
    found: dict[str, dict[str, str]] = {}
    for name in shapes:
        if (match := _NAME.fullmatch(name)) is None:
            continue
        split = split_name(match["before"] or "") or split_name(match["after"] or "")
        if split and bool(match["before"]) != bool(match["after"]):
            what = "x" if re.fullmatch(_EXAMPLES, match["what"], re.IGNORECASE) else "y"
            found.setdefault(split, {}).setdefault(what, name)
    complete = {split: names for split, names in found.items() if "x" in names}
    return complete if "train" in complete and len(complete) > 1 else {}


def _of_splits(
    path: Path, found: Mapping[str, Mapping[str, str]], shapes: Shapes, read: Read, options: FileOptions
) -> Contents:
    """Return the examples and labels of a file with its own splits."""
    used = [name for names in found.values() for name in names.values()]
    arrays, parts = read(used), {}
    labelled = options.labels != NONE and all("y" in names for names in found.values())
    columns: tuple[str, ...] = ()
    for split, names in found.items():
        labels = as_labels(arrays[names["y"]], f"{path}, {names['y']}") if labelled else None
        contents = array_contents(path, arrays[names["x"]], options.model_copy(update={"labels": ""}), labels)
        (parts[split],), columns = contents.parts.values(), contents.columns
    rest = [name for name in shapes if name not in used]
    notes = (f"splits of the file: {', '.join(names['x'] for names in found.values())}",)
    return Contents(parts, columns, notes + ((f"left out: {', '.join(rest)}",) if rest else ()))


def _examples(path: Path, shapes: Shapes, label: str) -> str:
    """Return the name of the only array that can be the examples."""
    rest = [name for name in shapes if not label or name != label]
    large = [name for name in rest if len(shapes[name]) > 1 and shapes[name][1:] != (1,)]
    if not any(re.fullmatch(_LABELS, name, re.IGNORECASE) for name in large):
        known = [name for name in large if re.fullmatch(_EXAMPLES, name, re.IGNORECASE)]
        unnamed = sum(name.startswith("arr_") for name in rest)
        for candidates in (rest, large, known):
            if len(candidates) == 1 and unnamed < 2:
                return candidates[0]
    elif len(rest) == 1:
        return rest[0]
    raise DataError(
        f"{path} holds {len(shapes)} arrays, and their names do not tell which one holds the examples; choose with "
        f"array=NAME, and the classes with labels=NAME. {_list(shapes)}"
    )


def _examples_first(path: Path, name: str, x: Array, options: FileOptions) -> Array:
    """Return an array whose first axis counts the examples.

    Raises:
        DataError: if that may be the first or the last axis, with both readings.
    """
    if options.examples == "last":
        return np.ascontiguousarray(np.moveaxis(x, -1, 0))
    doubtful = x.ndim > 1 and (x.shape[0] < x.shape[-1] or (x.ndim == 2 and picture_options(x.T) != ""))
    if options.examples == "found" and doubtful:
        raise DataError(
            f"{path}: the array {name!r} of shape {x.shape} holds {x.shape[0]} examples, or {x.shape[-1]} as its last "
            "axis; write examples=first or examples=last."
        )
    return x


def _labels_beside(shapes: Shapes, chosen: str, count: int, read: Read) -> tuple[str, Array | None]:
    """Return the array of labels that stands beside the examples under a usual name; "" and None without one."""
    names = [name for name in shapes if name != chosen and re.fullmatch(_LABELS, name, re.IGNORECASE)]
    fitting = [name for name in names if shapes[name] and shapes[name][0] == count and len(shapes[name]) <= 2]
    if len(fitting) == 1:
        labels = read(fitting)[fitting[0]]
        if are_labels(labels, count):
            return fitting[0], as_labels(np.asarray(labels), fitting[0])
    return "", None


def _list(shapes: Shapes) -> str:
    listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
    return f"Its arrays: {listed or 'none'}."
