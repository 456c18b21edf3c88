"""Atomic file writes, collision-free run folders, and the cache folder. Does not import torch."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import ZooError
from zoo.system import give_usual_permissions, sync_folder

_PART = ".part"  # suffix of a file that is being written


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file atomically; see `replacing`.

    Raises:
        ZooError: if the file cannot be written; an existing file is unchanged.
    """
    with replacing(path) as descriptor:
        write_all(descriptor, data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[int]:
    """Yield the descriptor of a file that takes the place of `path` after the block; nothing does if the block raises.

    After a kill or on a full disk, `path` is either the complete old or the complete new file. Steps: write a temporary
    file in the same folder, with the permissions that `open` would give; fsync; rename; fsync the folder.

    Raises:
        ZooError: if the file cannot be written; an existing file is unchanged.
    """
    path = Path(path)
    temporary: str | None = None
    try:
        with writing(path):
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART)
            try:
                yield descriptor
                give_usual_permissions(descriptor)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            Path(temporary).replace(path)
            temporary = None
            sync_folder(path.parent)
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn any OSError inside the block into a ZooError that names `path`.

    Raises:
        ZooError: if the block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        raise ZooError(
            f"Cannot write {path}: {error.strerror or error}. Free disk space or choose another location."
        ) from error


def remove_unfinished(folder: Path) -> None:
    """Remove temporary files left by killed writers. Call it only while no process writes to the folder."""
    for path in folder.glob(f".*{_PART}"):
        with contextlib.suppress(OSError):
            path.unlink()


def new_folder(parent: Path, stem: str) -> Path:
    """Create and return `parent/stem-N`, N one above the highest existing number; concurrent processes never share one.

    Raises:
        ZooError: if the folder cannot be created.
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
            f"Cannot create a folder in {parent}: {error.strerror or error}. Choose another with --out."
        ) from error


def cache_folder(*parts: str) -> Path:
    """Return a folder for reproducible files, created if missing: in `ZOO_CACHE`, or in the user's cache folder.

    Raises:
        ZooError: if the folder cannot be created.
    """
    from platformdirs import user_cache_path

    given = os.environ.get("ZOO_CACHE")
    folder = (Path(given) if given else user_cache_path("genzoo")).joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ZooError(f"Cannot create {folder}: {error.strerror or error}. Choose another with ZOO_CACHE.") from None
    return folder


def _number(name: str, stem: str) -> int:
    """Return N of a folder named stem-N, otherwise 0."""
    head, _, tail = name.rpartition("-")
    return int(tail) if head == stem and tail.isdecimal() else 0


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes; one system call may write fewer."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
