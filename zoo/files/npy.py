"""numpy's files, never a pickle: `.npy`, one array, and `.npz`, a zip of several.

Nothing is unpacked on the word of a header. Imports no torch: data sets, codes and a report's pictures are read here.
"""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError

_LARGEST = 2**34  # bytes of all arrays: a zip directory that claims more is not unpacked
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # numpy's own; the others take gigabytes on the word of a header


def read_npy(path: Path) -> NDArray[Any]:
    """Memory-map the array of an `.npy` file, copied only where it is written to; never a pickle.

    Raises:
        DataError: if it is damaged, holds objects, or does not have the size that its header claims.
    """
    try:
        with path.open("rb") as file:
            _header(file)
        x: Any = np.lib.format.open_memmap(path, mode="c")
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
    except Exception as error:  # numpy's reader raises many kinds
        raise DataError(f"{path} must be a whole .npy file of numbers: {_clause(error)}.") from None
    if (size := path.stat().st_size) != x.offset + x.nbytes:
        raise DataError(f"{path} is longer than its header says: {x.offset + x.nbytes:,} bytes expected, got {size:,}.")
    array: NDArray[Any] = x
    return array


def read_npz(path: Path, labels: str = "") -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Read the one array besides the labels, shape (N, *shape), and the labels, shape (N,), or None.

    Raises:
        DataError: as `read_arrays` does, and if there is not one array besides the labels.
    """
    arrays = read_arrays(path, labels)
    y = arrays.pop(labels) if labels else None
    (x,) = arrays.values()
    return x, y


def read_arrays(path: Path, labels: str | None = None) -> dict[str, NDArray[Any]]:
    """Read every array of an `.npz` by its name.

    Nothing is allocated on the word of a header: the zip directory must stay below a limit, and an array within what
    the directory says.

    Args:
        path: of the file.
        labels: None for any arrays; a name for this one and one besides it; "" for one alone.

    Raises:
        DataError: if it is damaged or too large, holds objects, or other arrays than these.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            items = archive.infolist()
            if (size := sum(item.file_size for item in items)) > _LARGEST:
                raise DataError(f"{path} claims {size:,} bytes of values; more than {_LARGEST:,} are not unpacked.")
            names = [item.filename.removesuffix(".npy") for item in items]
            if labels is not None:
                _check_names(names, labels, path)
            return {name: _array(archive, item, path) for name, item in zip(names, items, strict=True)}
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
    except Exception as error:  # zipfile, zlib and numpy raise many kinds
        raise DataError(f"{path} must be a whole .npz file of numbers: {_clause(error)}.") from None


def _check_names(names: list[str], labels: str, path: Path) -> None:
    if labels and labels not in names:
        raise DataError(f"{path} has no array {labels!r}; it has {', '.join(names) or 'none'}.")
    rest = list(names)
    if labels:
        rest.remove(labels)  # once: what a zip holds twice, and what it gives no name, counts
    if len(rest) != 1:
        came = f"{', '.join(name or 'one without a name' for name in rest) or 'none'}; name the labels with labels=NAME"
        raise DataError(f"{path} must hold one array besides the labels, got {came}.")


def _array(archive: zipfile.ZipFile, item: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    """One array, after its header has been compared with the zip directory."""
    if item.compress_type not in _METHODS:
        raise DataError(f"{path} must be packed as numpy packs, stored or deflated, got method {item.compress_type}.")
    with archive.open(item) as file:
        shape, dtype = _header(file)
        size = prod(shape) * dtype.itemsize
        if not dtype.hasobject and file.tell() + size != item.file_size:
            name, got = item.filename.removesuffix(".npy"), item.file_size - file.tell()
            raise DataError(f"{path}: the array {name!r} claims {size:,} bytes of values, got {got:,}.")
    with archive.open(item) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type that a header claims; numpy maps sides below 0 of values without size, and the process dies."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    if any(side < 0 for side in shape) or dtype.itemsize == 0:
        raise ValueError(f"its header claims the shape {shape} of {dtype}")
    return shape, dtype


def _clause(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
