"""User files as data sets: `.npy`, `.npz`, `.csv`, IDX and folders of images. Invalid input is refused, never repaired.

`PATH` or `PATH:KEY=VALUE,…` with the keys `labels` (a CSV column, an array of the `.npz`, or a file of labels),
`support` (`bits`, `unit` or `real`; detected if not given) and `epochs`. Bytes are read as grayscale values 0 to 255
unless all are 0 or 1, or `support` is `real`: see `zoo.Data.from_arrays`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from zoo.contestant import parse_settings
from zoo.contract.config import Config
from zoo.data.csv import read_csv
from zoo.data.dataset import Data, as_examples, as_numbers
from zoo.data.idx import read_idx
from zoo.data.images import read_folder
from zoo.data.paths import split_path
from zoo.errors import ConfigError, DataError
from zoo.files.npy import read_npy, read_npz


class FileSettings(Config):
    """Settings that may follow a path."""

    labels: Annotated[str, Field(description="where the labels are; '': no labels")] = ""
    support: Annotated[Literal["found", "bits", "unit", "real"], Field(description="range of the values")] = "found"
    epochs: Annotated[int, Field(gt=0, description="default budget of a comparison")] = 100


@dataclass(frozen=True)
class Table:
    """Contents of a file: examples of shape (N, *shape), labels of shape (N,) or None, and column names or ()."""

    x: NDArray[Any]
    labels: NDArray[Any] | None = None
    columns: tuple[str, ...] = ()


def load_file(text: str) -> Data:
    """Read and split a user's file or folder.

    Raises:
        ConfigError: if the settings cannot be parsed.
        DataError: if the file is invalid; the message is one line.
    """
    name, source = split_path(text)
    settings = _settings(name, source)
    path = _existing(name)
    table = _reader(path)(path, settings.labels)
    support = None if settings.support == "found" else settings.support
    return Data.from_arrays(
        table.x,
        table.labels,
        name=path.name or str(path.resolve()),
        support=support,
        epochs=settings.epochs,
        columns=table.columns,
    )


def read_examples(name: str) -> Tensor:
    """Read examples without splitting them, float32, shape (N, *shape): samples from another tool.

    Bytes are grayscale values 0 to 255, as in `zoo.Data.from_arrays`.

    Raises:
        DataError: if the file is invalid; the message is one line.
    """
    path = _existing(name)
    return as_examples(_reader(path)(path, "").x, path.name)


def read_codes(name: str) -> Tensor:
    """Read codes as they are, float32, shape (N, …): bytes are bits or indices here, not grayscale values.

    Raises:
        DataError: if the file is invalid; the message is one line.
    """
    path = _existing(name)
    return as_numbers(_reader(path)(path, "").x, path.name)


def _settings(name: str, source: str) -> FileSettings:
    """Parse the settings after a path; a path of labels needs no quotes."""
    try:
        values = parse_settings(re.sub(r"\blabels=([^\"',]+)", r"labels='\1'", source), name)
    except ConfigError:
        example = "PATH:KEY=VALUE,…, for example table.csv:labels=species,support=real"
        raise ConfigError(f"The settings {source!r} of {name} cannot be parsed. Write {example}.") from None
    return FileSettings.parse(values, f"the data {name}")


def _existing(name: str) -> Path:
    try:
        path = Path(name).expanduser()
        if path.is_dir() or path.is_file():
            return path
        there = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # missing permission, name too long, unknown home folder
        raise DataError(f"Cannot read {name}: {getattr(error, 'strerror', None) or str(error).rstrip('.')}.") from None
    raise DataError(f"{name} must be a file or a folder." if there else f"{name} does not exist.")


def _reader(path: Path) -> Callable[[Path, str], Table]:
    """Choose the reader of a path by its extension; a file with an unknown one may be IDX."""
    if path.is_dir():
        return _folder
    readers: dict[str, Callable[[Path, str], Table]] = {".npy": _npy, ".npz": _npz, ".csv": _csv}
    return readers.get(path.suffix.lower(), _idx)


def _folder(path: Path, labels: str) -> Table:
    if labels:
        raise DataError(f"{path}: labels of an image folder come from its subfolders; remove labels={labels}.")
    return Table(*read_folder(path))


def _npy(path: Path, labels: str) -> Table:
    return Table(read_npy(path), _label_file(labels))


def _npz(path: Path, labels: str) -> Table:
    return Table(*read_npz(path, labels))


def _csv(path: Path, labels: str) -> Table:
    return Table(*read_csv(path, labels))


def _idx(path: Path, labels: str) -> Table:
    return Table(read_idx(path), _label_file(labels))


def _label_file(labels: str) -> NDArray[Any] | None:
    """Read labels from a separate file."""
    if not labels:
        return None
    path = _existing(labels)
    return read_npy(path) if path.suffix.lower() == ".npy" else read_idx(path)
