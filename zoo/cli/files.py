"""Output files of the command line: `.npy`, `.npz`, `.png` for images, `.csv` for tables."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.errors import ConfigError
from zoo.files.storage import replacing, write_all, write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.data.table import Table

SUFFIXES = (".png", ".npy", ".npz", ".csv")

output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    show_default="the first free name here",
    help="File to write: .png, .npy, .npz or .csv.",
)


def free_output(stem: str, shape: tuple[int, ...] = (), table: Table | None = None) -> Path:
    """Return the first unused name in the current folder: `STEM.png` for images, otherwise `STEM.npy`; then `STEM-2…`.

    Args:
        stem: the name without its suffix.
        shape: of an example; () for what is never an image.
        table: of a mixed table, which is written as `.csv`.
    """
    from zoo.report.pictures import is_image

    suffix = ".csv" if table else ".png" if is_image(shape) else ".npy"
    names = chain([f"{stem}{suffix}"], (f"{stem}-{number}{suffix}" for number in count(2)))
    return next(path for name in names if not (path := Path(name)).exists())


_TILES = 10_000  # maximum number of images in one .png


def check_output(path: Path | None, count: int = 1) -> None:
    """Check an output path, if one is given, before any work.

    Args:
        path: the output file.
        count: number of examples, if known.

    Raises:
        ConfigError: if the suffix is unknown, the folder is missing or not writable, or a .png gets too many examples.
    """
    if path is None:
        return
    folder = path.absolute().parent
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"The output file must end in {', '.join(SUFFIXES)}, got {path.name!r}.")
    if not folder.is_dir():
        raise ConfigError(f"The folder of the output {path} does not exist; create it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"The folder of the output {path} cannot be written to; choose another with -o.")
    if path.suffix.lower() == ".png" and count > _TILES:
        raise ConfigError(f"A .png file shows at most {_TILES:,} examples, got {count:,}; write .npy, .npz or .csv.")


def check_table(path: Path) -> None:
    """Check the output path of a table before any work, as `check_output` does."""
    if path.suffix.lower() not in (".csv", ".npz"):
        raise ConfigError(f"The output file must end in .csv or .npz, got {path.name!r}.")
    check_output(path)


def write_table(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of equal length to a `.csv`, or as arrays to an `.npz`."""
    import numpy as np

    if path.suffix.lower() == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, **columns)  # type: ignore[arg-type]
        write_atomically(path, buffer.getvalue())
        return
    write_atomically(path, _csv(chain([columns], _lines(columns))))


@contextlib.contextmanager
def table_output(path: Path) -> Iterator[Callable[[Mapping[str, NDArray[Any]]], None]]:
    """Yield a function that adds rows, columns of equal length, to a `.csv`, or to the arrays of an `.npz`.

    A `.csv` is written block by block; the arrays of an `.npz` are kept until the end.
    """
    import numpy as np

    if path.suffix.lower() != ".csv":
        blocks: list[Mapping[str, NDArray[Any]]] = []
        yield blocks.append
        write_table(path, {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]})
        return
    with replacing(path) as descriptor:
        names: list[str] = []

        def add(columns: Mapping[str, NDArray[Any]]) -> None:
            rows = _lines(columns)
            write_all(descriptor, _csv(rows if names else chain([columns], rows)))
            names.extend(columns)

        yield add


@contextlib.contextmanager
def array_output(path: Path, name: str) -> Iterator[Callable[[Tensor], None]]:
    """Yield a function that adds examples to a file: block by block to a `.csv` or `.npy`, at the end to another."""
    import numpy as np
    import torch

    if (suffix := path.suffix.lower()) not in (".csv", ".npy"):
        blocks: list[Tensor] = []
        yield blocks.append
        write_array(path, torch.cat(blocks), name)
        return
    with replacing(path) as descriptor:
        count = 0
        shape: tuple[int, ...] = ()
        kind = ""

        def add(x: Tensor) -> None:
            nonlocal count, shape, kind
            array = np.ascontiguousarray(x.detach().cpu().numpy())
            flat = array.reshape(len(array), -1)
            if not count:
                shape, kind = array.shape[1:], array.dtype.str
                head = _csv([_header(name, flat)]) if suffix == ".csv" else _npy_header(kind, (0, *shape))
                write_all(descriptor, head)
            write_all(descriptor, _csv(_cells(flat)) if suffix == ".csv" else array.tobytes())
            count += len(array)

        yield add
        if suffix == ".npy":
            os.lseek(descriptor, 0, os.SEEK_SET)  # the header leaves room for any number of rows
            write_all(descriptor, _npy_header(kind, (count, *shape)))


def _npy_header(kind: str, shape: tuple[int, ...]) -> bytes:
    import numpy as np

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": kind, "fortran_order": False, "shape": shape})
    return header.getvalue()


def _header(name: str, flat: NDArray[Any]) -> list[str]:
    """Return names of the columns of flattened examples, shape (N, D)."""
    return [f"{name}_{number}" for number in range(1, flat.shape[1] + 1)]


def _cells(flat: NDArray[Any]) -> Iterator[list[str]]:
    """Yield the rows of flattened examples with all digits."""
    return ([repr(float(value)) for value in row] for row in flat)


def _lines(columns: Mapping[str, NDArray[Any]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of columns of equal length."""
    return zip(*(column.tolist() for column in columns.values()), strict=True)


def _csv(rows: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def write_array(
    path: Path,
    x: Tensor,
    name: str,
    columns: tuple[str, ...] = (),
    *,
    table: Table | None = None,
    labels: Tensor | None = None,
    across: int | None = None,
) -> None:
    """Write a tensor in the format of the path's suffix.

    Args:
        path: a path with one of `SUFFIXES`.
        x: shape (N, …); a `.csv` has one row of values per example.
        name: key of the array in an `.npz`; prefix of the column names in a `.csv` without `columns`.
        columns: column names of a `.csv`.
        table: of a mixed table: a `.csv` then has the rows of the file that x encodes.
        labels: classes of the examples, the array `labels` of an `.npz`; None for none.
        across: number of images in a row of a `.png`; None makes it about square.
    """
    import numpy as np

    check_output(path, len(x))
    array = x.detach().cpu().numpy()
    buffer = io.BytesIO()
    if path.suffix.lower() == ".png":
        from zoo.report.grid import as_pixels, tile, write_png

        square = max(1, min(32, round(len(array) ** 0.5)))
        write_png(tile(as_pixels(array), across or square), path)
        return
    if path.suffix.lower() == ".csv":
        flat = array.reshape(len(array), -1)
        header = columns or (table.names if table else _header(name, flat))
        rows = table.rows(x) if table else _cells(flat)
        write_atomically(path, _csv(chain([header], rows)))
        return
    if path.suffix.lower() == ".npy":
        np.save(buffer, array)
    else:
        arrays: dict[str, Any] = {name: array} | ({} if labels is None else {"labels": labels.numpy()})
        np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())
