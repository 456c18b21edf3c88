"""Safe reading of NumPy files: `.npy`, one array, and `.npz`, a zip of several. Pickled objects are refused.

A header alone never causes an allocation. Does not import torch. Used for data sets, codes and a report's pictures.
"""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError, clause

_LARGEST = 2**34  # bytes of all arrays that a zip directory may declare
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # NumPy's; others allocate what a header declares


def read_npy(path: Path) -> NDArray[Any]:
    """Memory-map the array of an `.npy` file, copy-on-write; pickled objects are refused.

    Raises:
        DataError: if it is corrupt, contains objects, or does not have the size that its header declares.
    """
    try:
        with path.open("rb") as file:
            _header(file)
        x: Any = np.lib.format.open_memmap(path, mode="c")
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
    except Exception as error:  # numpy's reader raises many kinds
        raise DataError(f"{path} is not a valid .npy file of numbers: {clause(error)}.") from None
    if (size := path.stat().st_size) != x.offset + x.nbytes:
        raise DataError(f"{path} is longer than its header says: {x.offset + x.nbytes:,} bytes expected, got {size:,}.")
    array: NDArray[Any] = x
    return array


def read_npz(path: Path, labels: str = "") -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Read the only array besides the labels, shape (N, *shape), and the labels, shape (N,), or None.

    Raises:
        DataError: as for `read_arrays`, and unless there is exactly one array besides the labels.
    """
    arrays = read_arrays(path, labels)
    y = arrays.pop(labels) if labels else None
    (x,) = arrays.values()
    return x, y


def read_arrays(path: Path, labels: str | None = None) -> dict[str, NDArray[Any]]:
    """Read the arrays of an `.npz`, by name.

    A header alone never causes an allocation: the sizes in the zip directory have a limit, and each array must have
    the size that the directory declares.

    Args:
        path: the file.
        labels: None accepts any arrays; a name requires that array and exactly one other; "" requires a single array.

    Raises:
        DataError: if it is corrupt or too large, contains objects, or other arrays than required.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            items = archive.infolist()
            if (size := sum(item.file_size for item in items)) > _LARGEST:
                raise DataError(f"{path} declares {size:,} bytes of values; the limit is {_LARGEST:,}.")
            names = [item.filename.removesuffix(".npy") for item in items]
            if labels is not None:
                _check_names(names, labels, path)
            return {name: _array(archive, item, path) for name, item in zip(names, items, strict=True)}
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
    except Exception as error:  # zipfile, zlib and numpy raise many kinds
        raise DataError(f"{path} is not a valid .npz file of numbers: {clause(error)}.") from None


def _check_names(names: list[str], labels: str, path: Path) -> None:
    if labels and labels not in names:
        raise DataError(f"{path} has no array {labels!r}; its arrays: {', '.join(names) or 'none'}.")
    rest = list(names)
    if labels:
        rest.remove(labels)  # only once: duplicates and unnamed arrays count
    if len(rest) != 1:
        came = f"{', '.join(name or 'an unnamed array' for name in rest) or 'none'}; name the labels with labels=NAME"
        raise DataError(f"{path} must contain exactly one array besides the labels, got {came}.")


def _array(archive: zipfile.ZipFile, item: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    """Read one array after checking its header against the zip directory."""
    if item.compress_type not in _METHODS:
        raise DataError(f"{path} must be stored or deflated, as NumPy writes it, got method {item.compress_type}.")
    with archive.open(item) as file:
        shape, dtype = _header(file)
        size = prod(shape) * dtype.itemsize
        if not dtype.hasobject and file.tell() + size != item.file_size:
            name, got = item.filename.removesuffix(".npy"), item.file_size - file.tell()
            raise DataError(f"{path}: the array {name!r} declares {size:,} bytes of values, got {got:,}.")
    with archive.open(item) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and dtype from a header; NumPy would crash the process on negative sides of zero-size values."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    if any(side < 0 for side in shape) or dtype.itemsize == 0:
        raise ValueError(f"its header declares the shape {shape} of {dtype}")
    return shape, dtype
