"""Files that are either old or new and always whole, and folders that are always one's own. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import ZooError

_PART = ".part"  # ending of a file that is being written


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a kill or a full disk leaves the old one or the new one, whole.

    Temporary file in the same folder, permissions as `open` would give them, flush and fsync, rename, fsync of
    the folder.

    Raises:
        ZooError: if it cannot be written; the old file, if there was one, is untouched.
    """
    path = Path(path)
    temporary: str | None = None
    try:
        with writing(path):
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART)
            try:
                _write_all(descriptor, data)
                os.fchmod(descriptor, 0o666 & ~_umask())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            Path(temporary).replace(path)
            temporary = None
            _sync_folder(path.parent)
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of `path` what the system says when it cannot be written inside the block.

    Raises:
        ZooError: for any OSError.
    """
    try:
        yield
    except OSError as error:
        raise ZooError(
            f"Cannot write {path}: {error.strerror or error}. Free the disk or choose another place."
        ) from error


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of writers that were killed; nobody may be writing there."""
    for path in folder.glob(f".*{_PART}"):
        with contextlib.suppress(OSError):
            path.unlink()


def new_folder(parent: Path, stem: str) -> Path:
    """Make and return `parent/stem-N` with the N after the highest there is; two processes never get the same one.

    Raises:
        ZooError: if no folder can be made there.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        number = 1 + max((_number(path.name, stem) for path in parent.iterdir()), default=0)
        while True:
            folder = parent / f"{stem}-{number}"
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return folder
    except OSError as error:
        raise ZooError(
            f"Cannot make a folder in {parent}: {error.strerror or error}. Choose another with --out."
        ) from error


def cache_folder(*parts: str) -> Path:
    """A folder, made if need be, for things that can be made again: in `ZOO_CACHE`, or in the user's cache folder.

    Raises:
        ZooError: if it cannot be made.
    """
    from platformdirs import user_cache_path

    given = os.environ.get("ZOO_CACHE")
    folder = (Path(given) if given else user_cache_path("genzoo")).joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ZooError(f"Cannot make {folder}: {error.strerror or error}. Choose another with ZOO_CACHE.") from None
    return folder


def _number(name: str, stem: str) -> int:
    """N of a folder named stem-N, 0 of any other."""
    head, _, tail = name.rpartition("-")
    return int(tail) if head == stem and tail.isdecimal() else 0


def _umask() -> int:
    """The process's umask; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes; the system may take fewer at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
