"""User files as data sets: `PATH` or `PATH:KEY=VALUE,…`. Invalid and ambiguous input is refused, never repaired.

`zoo.data.formats` lists the formats, and `zoo.data.options` the options. Columns of tables are matched by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.contract.data_spec import DataSpec, into_unit
from zoo.data.contents import WHOLE, Array, Contents, Part
from zoo.data.dataset import SPLITS, Data, as_numbers, split_indices
from zoo.data.formats import NPY, NPZ, Format, format_of, has_named_columns
from zoo.data.options import KEEP, NONE, FileOptions
from zoo.data.paths import parse_options, split_path
from zoo.data.pictures import channels_last, check_examples_first
from zoo.data.table import Table
from zoo.errors import ConfigError, DataError, did_you_mean
from zoo.files.npy import read_npy_blocks
from zoo.files.paths import existing

BLOCK = 2**21  # values of a file in a block of rows
_LATER = ("valid", "test", "support", "epochs")  # options that further rows of the same kind are not read with


@dataclass(frozen=True)
class Rows:
    """Rows of a file, in its order.

    Attributes:
        x: float32 or float64, shape (N, *shape), in the user's units.
        labels: classes, int64, shape (N,), or None.
        numbers: of the rows in the file, from 1, shape (N,).
        notes: what was left out, and what the training split lacks.
    """

    x: Tensor
    labels: Tensor | None
    numbers: NDArray[np.int64]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Described:
    """A file as it was understood: its format, its data, and what `zoo data info` says besides."""

    format: Format
    data: Data
    contents: Contents


def load_file(text: str) -> Data:
    """Read and split a user's file or folder.

    Raises:
        ConfigError: if the options cannot be parsed or the format does not take them.
        DataError: if the file is invalid or can be read in two ways; the message is one line.
    """
    return describe_file(text).data


def describe_file(text: str) -> Described:
    """Read and split a user's file or folder, and keep what was understood; see `load_file`."""
    name, source = split_path(text)
    options, path = FileOptions.read(source, name), existing(name)
    form, contents = _read(path, options)
    contents = _with_files(contents, options, path)
    names = list(contents.parts) if WHOLE in contents.parts else [each for each in SPLITS if each in contents.parts]
    if options.is_mixed:
        return _mixed(form, contents, names, options, path, _reading(source, name, form))
    if form in (NPY, NPZ) and not options.shape:
        for each in names:
            check_examples_first(contents.parts[each].x, str(path))
    parts = [_shaped(contents.parts[each], options, path) for each in names]
    if len({part.x.shape[1:] for part in parts}) > 1:
        shapes = ", ".join(f"{split} {part.x.shape[1:]}" for split, part in zip(names, parts, strict=True))
        raise DataError(f"{path} must have examples of one shape in all splits, got {shapes}.")
    sizes = {split: len(part.x) for split, part in zip(names, parts, strict=True)}
    x = parts[0].x if len(parts) == 1 else np.concatenate([part.x for part in parts])
    title = path.name or str(path.resolve())
    if options.missing == "mean" and x.dtype.kind == "f" and len(x) >= 2:
        x = _with_means(x, split_indices(sizes, title)[0].numpy())
    labels, words = _numbered([part.labels for part in parts], path)
    data = Data.of_parts(
        x,
        labels,
        {} if WHOLE in sizes else sizes,
        name=title,
        support=None if options.support == "found" else options.support,
        scale=options.scale,
        epochs=options.epochs,
        columns=contents.columns,
        class_names=words,
        reading=_reading(source, name, form),
    )
    moved = any(part.x.shape[1:] != contents.parts[each].x.shape[1:] for each, part in zip(names, parts, strict=True))
    notes = (
        (f"channels are last in the file, and moved first: {data.spec.shape}",) if moved and not options.shape else ()
    )
    return Described(form, data, replace(contents, notes=(*contents.notes, *notes)))


def _mixed(
    form: Format, contents: Contents, splits: Sequence[str], options: FileOptions, path: Path, reading: dict[str, str]
) -> Described:
    """Return a mixed table, encoded with what its training split holds; the rest is as for `describe_file`."""
    parts = [contents.parts[split] for split in splits]
    sizes = {split: len(part.x) for split, part in zip(splits, parts, strict=True)}
    cells = np.concatenate([part.x for part in parts])
    names = contents.columns or tuple(map(str, range(cells.shape[1])))
    if unknown := sorted(set(options.categorical) - set(names)):
        raise DataError(f"{path} has no column {unknown[0]!r}.{did_you_mean(unknown[0], names)}")
    train = split_indices(sizes, path.name)[0].numpy()
    table = Table.fit(names, cells, train, options.categorical, str(path))
    labels, words = _numbered([part.labels for part in parts], path)
    data = Data.of_parts(
        table.encode(cells, str(path)),
        labels,
        {} if WHOLE in sizes else sizes,
        name=path.name,
        support="real",
        epochs=options.epochs,
        columns=contents.columns,
        class_names=words,
        reading=reading,
        table=table,
    )
    unseen = _unseen(table, torch.cat([data.valid, data.test]))
    return Described(form, data, replace(contents, notes=(*contents.notes, *unseen)))


def _unseen(table: Table, x: Tensor) -> tuple[str, ...]:
    """Return a note about categories that the training split lacks, if there are any."""
    found = [f"{count:,} in {name}" for name, count in table.unseen(x).items()]
    return (f"rows with a category that the training split lacks: {', '.join(found)}",) if found else ()


def read_rows(text: str, spec: DataSpec, columns: tuple[str, ...] = (), **known: Any) -> Rows:
    """Read all rows of a file in its order at once; arguments and errors are those of `stream_rows`."""
    return next(stream_rows(text, spec, columns, values=None, **known))


def stream_rows(
    text: str,
    spec: DataSpec,
    columns: tuple[str, ...] = (),
    *,
    reading: Mapping[str, str] | None = None,
    class_names: tuple[str, ...] = (),
    labelled: bool = False,
    fill: Tensor | None = None,
    table: Table | None = None,
    values: int | None = BLOCK,
) -> Iterator[Rows]:
    """Read all rows of a file in its order, block by block, as examples of a data set that is known.

    Text tables, Parquet and `.npy` files may be larger than the memory; files of other formats are one block.

    Args:
        text: `PATH` or `PATH:KEY=VALUE,…`.
        spec: of the data set; tables may hold flattened examples.
        columns: of the data set, which are found by name; columns with other names are left out.
        reading: options that count if the text has none: `Data.reading`.
        class_names: words of the classes of the data set.
        labelled: whether the labels are needed.
        fill: values for missing ones under `missing=mean`, shape `spec.shape`.
        table: of the data set, if it is a mixed one.
        values: about how many values of the file a block has; None reads it as a whole.

    Raises:
        ConfigError, DataError: as for `load_file`, and for a file without these columns or this shape.
    """
    name, source = split_path(text)
    path = existing(name)
    options = FileOptions.read(source, name)
    if not source and reading:
        options = FileOptions.read(",".join(f"{key}={value}" for key, value in reading.items()), name)
    if table:
        options = _updated(options, {"table": "mixed"})
    by_name = bool(columns) and has_named_columns(path)
    if by_name:
        wanted = {"columns": columns, "drop": (), "labels": options.labels if labelled else NONE}
        options = _updated(options, wanted)
    elif not labelled and not options.labels:
        options = _updated(options, {"labels": NONE})
    form = format_of(path)
    if values and form is NPY and spec.support != "real" and options.scale is None and _exceeds_one(path, values):
        options = _updated(options, {"scale": 255.0})  # which a block of black pixels does not tell
    try:
        found = _blocks(form, path, options, values)
        first = next(found)
    except (ConfigError, DataError) as error:
        if by_name and "has no column" in str(error):
            raise DataError(f"{name} must have the columns {', '.join(columns)}, matched by name: {error}") from None
        if source or not ({"labels", "columns", "drop"} & options.model_fields_set) or labelled or by_name:
            raise
        found = _blocks(form, path, _updated(options, {"labels": "", "columns": (), "drop": ()}), values)
        first = next(found)
    count = 0
    for contents in chain([first], found):
        read = list(contents.parts.values())
        parts = read if table else [_shaped(part, options, path, spec.shape) for part in read]
        x = np.concatenate([part.x for part in parts])
        if len(x) == 0:
            continue
        numbers = np.concatenate([np.arange(1, len(part.x) + 1) if part.rows is None else part.rows for part in parts])
        if table:
            encoded = torch.from_numpy(table.encode(x, path.name))
            notes = (*contents.notes, *_unseen(table, encoded))
        else:
            encoded, notes = _in_units(_as(x, spec.shape, path), spec, options, path.name, fill), contents.notes
        labels = _known_labels([part.labels for part in parts], class_names, path) if labelled else None
        count += len(x)
        yield Rows(encoded, labels, numbers, notes)
    if not count:
        raise DataError(f"{path} has no row without a missing value.")


def _blocks(form: Format, path: Path, options: FileOptions, values: int | None) -> Iterator[Contents]:
    """Read a file in blocks, or as one."""
    return iter([form.read(path, options)]) if values is None else form.blocks(path, options, values)


def _exceeds_one(path: Path, values: int) -> bool:
    """Whether an `.npy` file holds bytes of which any is above 1: grayscale values and not bits."""
    return any(x.dtype == np.uint8 and x.size > 0 and x.max() > 1 for x in read_npy_blocks(path, values))


def read_codes(name: str) -> Tensor:
    """Read codes as they are, float32, shape (N, …): bytes are bits or indices here, not grayscale values.

    Raises:
        DataError: if the file is invalid; the message is one line.
    """
    path = existing(name)
    parts = format_of(path).read(path, FileOptions(labels=NONE, missing=KEEP)).parts
    return as_numbers(np.concatenate([part.x for part in parts.values()]), path.name)


def _read(path: Path, options: FileOptions) -> tuple[Format, Contents]:
    """Read a file of any format; its content tells the format."""
    form = format_of(path)
    return form, form.read(path, options)


def _updated(options: FileOptions, changes: Mapping[str, Any]) -> FileOptions:
    """Return options with changes; those at their defaults do not count as given."""
    values = {key: getattr(options, key) for key in options.model_fields_set} | dict(changes)
    return FileOptions(**{key: value for key, value in values.items() if value not in ("", ())})


def _with_files(contents: Contents, options: FileOptions, path: Path) -> Contents:
    """Add the splits that `valid=FILE` and `test=FILE` name; columns are matched by name."""
    parts = dict(contents.parts)
    for split in ("valid", "test"):
        if not (name := getattr(options, split)):
            continue
        if len(contents.parts) > 1:
            raise ConfigError(f"{path} has splits of its own ({', '.join(contents.parts)}); remove {split}={name}.")
        other = existing(name)
        changes: dict[str, Any] = {"valid": "", "test": ""}
        if contents.columns and has_named_columns(other):
            changes |= {"columns": contents.columns, "drop": ()}
        found = _read(other, _updated(options, changes))[1]
        if WHOLE not in found.parts:
            raise DataError(f"{other} has splits of its own ({', '.join(found.parts)}), so it is not one split.")
        parts[split] = found.parts[WHOLE]
    if len(parts) > 1 and WHOLE in parts:
        parts["train"] = parts.pop(WHOLE)
    return Contents(parts, contents.columns, contents.notes)


def _shaped(part: Part, options: FileOptions, path: Path, known: tuple[int, ...] | None = None) -> Part:
    """Return examples in the shape that the options say, with channels first.

    Channels are found to be last in pictures, which are bytes or in [0, 1]; or if that gives a known shape.
    """
    x = part.x
    if options.shape:
        if x.ndim < 2 or x[0].size != int(np.prod(options.shape)):
            count = x[0].size if x.ndim > 1 else 1
            raise DataError(
                f"{path}: shape={'x'.join(map(str, options.shape))} needs {np.prod(options.shape)} values per example, "
                f"got {count}; name the columns that are not pixels with labels=NAME or drop=NAME."
            )
        x = x.reshape(len(x), *options.shape)
    found = options.channels == "found" and channels_last(x) and x.shape[1:] != known
    if options.channels == "last" or (found and _are_pictures(x, options)):
        if x.ndim != 4:
            raise DataError(f"{path}: channels=last needs examples of three axes, got shape {x.shape[1:]}.")
        x = np.moveaxis(x, 3, 1)
    return Part(x, part.labels, part.rows)


def _are_pictures(x: Array, options: FileOptions) -> bool:
    in_unit = x.dtype.kind == "f" and x.size > 0 and x.min() >= 0 and x.max() <= 1
    return options.support != "real" and bool(x.dtype == np.uint8 or options.scale is not None or in_unit)


def _with_means(x: Array, train: NDArray[np.int64]) -> Array:
    """Return values with missing ones replaced by the means of the training examples that have them."""
    holes = np.isnan(x)
    if not holes.any():
        return x
    counts = (~holes[train]).sum(0)
    if (counts == 0).any():
        raise DataError(
            "missing=mean needs a value of each column in the training split; use drop or a number instead."
        )
    means = np.nansum(x[train], 0) / counts
    filled: Array = np.where(holes, means, x)
    return filled


def _numbered(labels: Sequence[Array | None], path: Path) -> tuple[Array | None, tuple[str, ...]]:
    """Return the labels of all parts as numbers, words being numbered in alphabetical order, and these words."""
    given = [each for each in labels if each is not None]
    if not given:
        return None, ()
    if len(given) < len(labels):
        raise DataError(f"{path} has labels in some of its splits only; set labels=none, or add the others.")
    joined = np.concatenate(given)
    if joined.dtype.kind not in "US":
        return joined, ()
    if any(each.dtype.kind not in "US" for each in given):
        raise DataError(f"{path} has words as labels in some of its splits and numbers in others.")
    words, numbers = np.unique(joined, return_inverse=True)
    return numbers, tuple(map(str, words))


def _known_labels(labels: Sequence[Array | None], class_names: tuple[str, ...], path: Path) -> Tensor:
    """Return labels as the classes of a data set that is known.

    Raises:
        DataError: without labels, and for words that are not among the classes.
    """
    if any(each is None for each in labels):
        raise DataError(f"{path} has no labels, which a conditional model needs; name them with labels=….")
    joined = np.concatenate([each for each in labels if each is not None])
    if joined.dtype.kind in "US":
        unknown = sorted(set(joined.tolist()) - set(class_names))
        if unknown:
            raise DataError(f"{path} has classes that the training data lacks: {', '.join(unknown)}.")
        return torch.tensor([class_names.index(word) for word in joined.tolist()])
    if class_names or (joined != np.floor(joined)).any():
        raise DataError(f"{path} must have the classes {', '.join(class_names) or 'as whole numbers'} as labels.")
    return torch.from_numpy(joined.astype(np.int64))


def _as(x: Array, shape: tuple[int, ...], path: Path) -> Array:
    """Return examples in a known shape: tables may hold them flattened, and grayscale images lack an axis."""
    if x.ndim > 1 and x.shape[1:] != shape and x[0].size == int(np.prod(shape)):
        sides = tuple(side for side in x.shape[1:] if side > 1)
        if x.ndim == 2 or sides == tuple(side for side in shape if side > 1):
            return x.reshape(len(x), *shape)
    if x.shape[1:] != shape or x.ndim < 2:
        raise DataError(f"{path} must hold examples of shape (N, {', '.join(map(str, shape))}), got {x.shape}.")
    return x


def _in_units(x: Array, spec: DataSpec, options: FileOptions, name: str, fill: Tensor | None) -> Tensor:
    """Return examples in the units of a data set, after checking their range."""
    if x.dtype.kind == "f" and np.isnan(x).any():
        if fill is None:
            raise DataError(f"{name} has missing values, and the model has no means to fill them; set missing=NUMBER.")
        x = np.where(np.isnan(x), fill.double().numpy(), x)
    exact = x.astype(np.float64) if x.dtype.kind in "iuf" and x.dtype.itemsize >= 4 and x.dtype != np.float32 else x
    if spec.support == "real":
        as_numbers(exact, name)  # checks the values
        return torch.from_numpy(np.ascontiguousarray(exact)) if exact.dtype == np.float64 else as_numbers(exact, name)
    if options.scale is not None:
        x = x / options.scale
    elif x.dtype == np.uint8 and x.size and x.max() > 1:
        x = x / np.float32(255)
    elif x.dtype == np.uint8 and spec.support == "unit" and x.size and x.max() == 1:
        raise DataError(f"{name} holds bytes that are 0 or 1: bits, or nearly black pixels; give scale=1 or scale=255.")
    values = as_numbers(x, name)
    low, high = values.min().item(), values.max().item()
    if low < 0 or high > 1:
        raise DataError(
            f"{name} must hold values in [0, 1], got values in [{low:g}, {high:g}]; {into_unit(low, high)}."
        )
    return values


def _reading(source: str, name: str, form: Format) -> dict[str, str]:
    """Return the options that count for further rows of the same kind; files of labels do not."""
    given = parse_options(source, name)
    return {key: text for key, text in given.items() if key not in _LATER and (key, form.labels) != ("labels", "file")}
