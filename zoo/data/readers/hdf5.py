"""HDF5 files, through h5py: data sets in any group, named by their path."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.contents import Array, Contents
from zoo.data.extras import library
from zoo.data.named_arrays import contents_of_arrays
from zoo.data.options import FileOptions
from zoo.errors import DataError, clause

_LARGEST = 2**34  # bytes of one array


def read(path: Path, options: FileOptions) -> Contents:
    """Read the examples and labels among the data sets of an HDF5 file; links to other files are not followed."""
    h5py = library("h5py", path, "an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            shapes: dict[str, tuple[int, ...]] = {}

            def visit(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset) and item.shape and not item.external:
                    shapes[name] = tuple(item.shape)

            file.visititems(visit)

            def arrays(names: Collection[str]) -> Mapping[str, Array]:
                return {name: _array(file[name], path) for name in names}

            return contents_of_arrays(path, shapes, arrays, options, by_columns=True)
    except DataError:
        raise
    except Exception as error:  # h5py raises many kinds
        raise DataError(f"{path} is not a valid HDF5 file: {clause(error)}.") from None


def _array(item: Any, path: Path) -> Array:
    if item.nbytes > _LARGEST:
        raise DataError(f"{path}: the array {item.name} declares {item.nbytes:,} bytes; the limit is {_LARGEST:,}.")
    x: Array = item[()]
    return np.array([str(cell, "utf-8", "replace") for cell in x]) if x.dtype.kind == "O" else x
