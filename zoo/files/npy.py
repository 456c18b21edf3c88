"""Safe reading of NumPy files: `.npy`, one array, and `.npz`, a zip of several. Pickled objects are refused.

A header alone never causes an allocation. Does not import torch. Used for data sets, codes and a report's pictures.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Collection, Iterator
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


def read_npy_blocks(path: Path, values: int) -> Iterator[NDArray[Any]]:
    """Yield the examples of an `.npy` file in blocks of about so many values, each mapped only while it is copied.

    Raises:
        DataError: as for `read_npy`.
    """
    whole = read_npy(path)
    if whole.ndim == 0 or len(whole) == 0 or not whole.flags.c_contiguous:
        yield whole
        return
    step = max(1, values // max(1, whole[0].size))
    for start in range(0, len(whole), step):
        count = min(step, len(whole) - start)
        offset = whole.offset + start * whole.strides[0]  # type: ignore[attr-defined]  # of a memory map
        mapped = np.memmap(path, whole.dtype, "r", offset, (count, *whole.shape[1:]))
        yield np.array(mapped)


def list_arrays(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return the shape and dtype of each array of an `.npz`, by name, from the headers alone.

    Raises:
        DataError: as for `read_arrays`; arrays of objects are listed.
    """
    found: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
    with _opened(path) as archive:
        for item in archive.infolist():
            with archive.open(item) as file:
                found[item.filename.removesuffix(".npy")] = _header(file)
    return found


def read_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read the arrays of an `.npz`, by name.

    A header alone never causes an allocation: the sizes in the zip directory have a limit, and each array must have
    the size that the directory declares.

    Args:
        path: the file.
        names: of the arrays to read; None for all.

    Raises:
        DataError: if it is corrupt or too large, or an array contains objects.
    """
    with _opened(path) as archive:
        items = [(item.filename.removesuffix(".npy"), item) for item in archive.infolist()]
        return {name: _array(archive, item, path) for name, item in items if names is None or name in names}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an `.npz` after checking the sizes in its directory."""
    try:
        with zipfile.ZipFile(path) as archive:
            items = archive.infolist()
            if (size := sum(item.file_size for item in items)) > _LARGEST:
                raise DataError(f"{path} declares {size:,} bytes of values; the limit is {_LARGEST:,}.")
            names = [item.filename for item in items]
            if twice := [name for name in names if names.count(name) > 1]:
                raise DataError(f"{path} has the array {twice[0].removesuffix('.npy')!r} twice.")
            for item in items:
                if item.compress_type not in _METHODS:
                    raise DataError(
                        f"{path} must be stored or deflated, as NumPy writes it, got method {item.compress_type}."
                    )
            yield archive
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
    except Exception as error:  # zipfile, zlib and numpy raise many kinds
        raise DataError(f"{path} is not a valid .npz file of numbers: {clause(error)}.") from None


def _array(archive: zipfile.ZipFile, item: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    """Read one array after checking its header against the zip directory."""
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
