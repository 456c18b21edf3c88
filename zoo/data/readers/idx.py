"""IDX, the format of MNIST: a magic number, the dimensions as big-endian 32-bit integers, then the values.

Reference: LeCun, Cortes & Burges, The MNIST database of handwritten digits, section on file formats.
"""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from zoo.data.contents import Contents
from zoo.data.frame import array_contents
from zoo.data.label_files import labels_of_array
from zoo.data.options import FileOptions
from zoo.errors import DataError

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_MOST_SIDES = 32
_LARGEST = 2**34  # bytes of values that a gzipped file may declare
_BLOCK = 2**20


def read(path: Path, options: FileOptions) -> Contents:
    """Read an IDX file, and its labels from another file."""
    x = read_idx(path)
    return array_contents(path, x, options, labels_of_array(options, x))


def read_idx(path: Path) -> NDArray[np.generic]:
    """Read an IDX file: memory-mapped if it is plain, into memory if it is gzipped.

    A header alone never causes an allocation: a plain file must have the size that its header declares, and a gzipped
    one is unpacked block by block.

    Raises:
        DataError: if the magic number is wrong, the header or the values are truncated, or bytes follow the values.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            stream = cast(BinaryIO, file)
            dtype, sides = _header(stream, path)
            return _unpacked(stream, path, dtype, sides) if zipped else _mapped(stream, path, dtype, sides)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path} is truncated or corrupt: invalid gzip stream; download it again.") from None
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None


def _header(file: BinaryIO, path: Path) -> tuple[np.dtype[np.generic], list[int]]:
    """Read dtype and dimensions of the values."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= _MOST_SIDES:
        raise DataError(
            f"{path} is not an IDX file: it must start with 00 00, a type code and the number of dimensions, got "
            f"{magic.hex(' ') or 'nothing'}."
        )
    header = file.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise DataError(f"{path} is truncated: its header must list {magic[3]} dimensions, got {len(header)} bytes.")
    sides = [int(side) for side in np.frombuffer(header, ">u4")]
    if 0 in sides:
        raise DataError(f"{path} must contain values, got dimensions {_text(sides)}.")
    return np.dtype(_TYPES[magic[2]]), sides


def _mapped(file: BinaryIO, path: Path, dtype: np.dtype[np.generic], sides: list[int]) -> NDArray[np.generic]:
    start = file.tell()
    _check_size(path.stat().st_size - start, path, dtype, sides)
    return np.memmap(path, dtype, mode="c", offset=start, shape=tuple(sides))


def _unpacked(file: BinaryIO, path: Path, dtype: np.dtype[np.generic], sides: list[int]) -> NDArray[np.generic]:
    size = prod(sides) * dtype.itemsize
    if size > _LARGEST:
        raise DataError(f"{path} declares {size:,} bytes of values; the limit is {_LARGEST:,}.")
    content = bytearray()
    while len(content) <= size and (block := file.read(min(_BLOCK, size + 1 - len(content)))):
        content += block
    _check_size(len(content), path, dtype, sides)
    return np.frombuffer(content, dtype).reshape(sides)


def _check_size(got: int, path: Path, dtype: np.dtype[np.generic], sides: list[int]) -> None:
    size = prod(sides) * dtype.itemsize
    if got < size:
        need = f"{_text(sides)} values need {size:,} bytes"
        raise DataError(f"{path} is truncated: {need}, got {got:,}; download it again.")
    if got > size:
        raise DataError(f"{path} is longer than its header says: {_text(sides)} values need {size:,} bytes.")


def _text(sides: list[int]) -> str:
    return " × ".join(map(str, sides))
