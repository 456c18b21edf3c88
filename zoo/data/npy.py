"""numpy's files, never a pickle: `.npy`, one array, and `.npz`, a zip of one array of examples and one of labels."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError

_LARGEST = 2**34  # bytes of all arrays: a zip directory that claims more is not unpacked


def read_npy(path: Path) -> NDArray[Any]:
    """Memory-map the array of an `.npy` file, copied only where it is written to; never a pickle.

    Raises:
        DataError: if it is damaged, holds objects, or does not have the size that its header claims.
    """
    try:
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

    Nothing is allocated on the word of a header: the zip directory must stay below a limit, and an array within what
    the directory says.

    Raises:
        DataError: if it is damaged or too large, holds objects, or not one array besides the labels.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {item.filename.removesuffix(".npy"): item.file_size for item in archive.infolist()}
            if sum(sizes.values()) > _LARGEST:
                raise DataError(
                    f"{path} claims {sum(sizes.values()):,} bytes of values; more than {_LARGEST:,} are not unpacked."
                )
            if labels and labels not in sizes:
                raise DataError(f"{path} has no array {labels!r}; it has {', '.join(sizes) or 'none'}.")
            rest = [name for name in sizes if name != labels]
            if len(rest) != 1:
                came = f"{', '.join(rest) or 'none'}; name the labels with labels=NAME"
                raise DataError(f"{path} must hold one array besides the labels, got {came}.")
            return _array(archive, rest[0], path), _array(archive, labels, path) if labels else None
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
    except Exception as error:  # zipfile, zlib and numpy raise many kinds
        raise DataError(f"{path} must be a whole .npz file of numbers: {_clause(error)}.") from None


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    """One array, after its header has been compared with the zip directory."""
    item = archive.getinfo(f"{name}.npy")
    with archive.open(item) as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        size = prod(shape) * dtype.itemsize
        if not dtype.hasobject and file.tell() + size != item.file_size:
            raise DataError(
                f"{path}: the array {name!r} claims {size:,} bytes of values, got {item.file_size - file.tell():,}."
            )
    with archive.open(item) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _clause(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
