"""Compressed files (gzip, bzip2, xz) and `.zip` archives: unpacked into a temporary folder, then read as they are."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from zoo.data.contents import Contents, Part
from zoo.data.formats import COMPRESSED, ERRORS, IDX, IMAGES, format_of, unpacked
from zoo.data.options import FileOptions
from zoo.errors import DataError, clause

_LARGEST = 2**34  # bytes of the content
_BLOCK = 2**20


def read(path: Path, options: FileOptions) -> Contents:
    """Read the file in a compressed file, or the file or images in an archive.

    Raises:
        DataError: if it is corrupt or too large, or holds several files and `array` does not choose one.
    """
    try:
        if zipfile.is_zipfile(path) or format_of(path) is not COMPRESSED:
            return _archive(path, options)
        if _first(path) == b"\0\0":  # IDX files are unpacked block by block, as their header says
            return IDX.read(path, options)
        return _compressed(path, options)
    except (*ERRORS, zipfile.BadZipFile):
        kind = "zip archive" if path.suffix.lower() == ".zip" else "gzip stream"
        raise DataError(f"{path} is truncated or corrupt: invalid {kind}; download it again.") from None
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or clause(error)}.") from None


def _first(path: Path) -> bytes:
    with unpacked(path) as stream:
        return stream.read(2)


def _compressed(path: Path, options: FileOptions) -> Contents:
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        inner = Path(folder) / path.stem
        with unpacked(path) as stream, inner.open("wb") as target:
            for block in _blocks(stream, path):
                target.write(block)
        return _inner(inner, path, path.name, options)


def _archive(path: Path, options: FileOptions) -> Contents:
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        files = [item for item in archive.infolist() if not item.is_dir() and not _is_hidden(item.filename)]
        images = [item for item in files if Path(item.filename).suffix.lower() in IMAGES]
        names = [item.filename for item in files]
        if options.array:
            if options.array not in names:
                raise DataError(f"{path} has no file {options.array!r}; its files: {', '.join(names[:20])}.")
            files = [item for item in files if item.filename == options.array]
        elif images:
            files = images
        elif len(files) != 1:
            raise DataError(
                f"{path} must contain images or one file, got {', '.join(names[:20]) or 'none'}; choose one with "
                "array=FILE."
            )
        if (size := sum(item.file_size for item in files)) > _LARGEST:
            raise DataError(f"{path} declares {size:,} bytes; the limit is {_LARGEST:,}.")
        for item in files:
            archive.extract(item, folder)  # drops .. and roots from the name
        inner = Path(folder)
        if images and not options.array:
            while len(inside := list(inner.iterdir())) == 1 and inside[0].is_dir():
                inner = inside[0]  # one folder around all images
        else:
            (inner,) = (each for each in inner.rglob("*") if each.is_file())
        return _inner(inner, path, str(path), options.model_copy(update={"array": ""}))


def _inner(inner: Path, path: Path, name: str, options: FileOptions) -> Contents:
    """Read an unpacked file; messages name the packed one, and the arrays do not depend on the temporary file."""
    given = {key: getattr(options, key) for key in options.model_fields_set if key != "array" or options.array}
    try:
        contents = format_of(inner).read(inner, FileOptions(**given))
    except DataError as error:
        raise DataError(str(error).replace(str(inner), str(path)).replace(inner.name, path.name)) from None
    parts = {
        split: Part(np.array(part.x), None if part.labels is None else np.array(part.labels), part.rows)
        for split, part in contents.parts.items()
    }
    return Contents(parts, contents.columns, contents.notes)


def _blocks(stream: IO[bytes], path: Path) -> Iterator[bytes]:
    size = 0
    while block := stream.read(_BLOCK):
        size += len(block)
        if size > _LARGEST:
            raise DataError(f"{path} unpacks to more than {_LARGEST:,} bytes.")
        yield block


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in Path(name).parts)
