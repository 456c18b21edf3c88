"""Exclusive folder locks, one process at a time. The operating system releases them when the process dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import ConfigError
from zoo.files.storage import writing

FILE = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder inside the block; its file `.lock` contains the process id and is removed afterwards.

    Raises:
        ConfigError: if another process, or another part of this one, holds the lock.
        ZooError: if the folder is not writable.
    """
    path = folder / FILE
    descriptor = _acquire(path, folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder may be gone; a leftover file locks nothing
            path.unlink()
        os.close(descriptor)


def _acquire(path: Path, folder: Path) -> int:
    """Open and lock the file; try again if the previous holder removed it meanwhile."""
    while True:
        with writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                if _is(path, descriptor):
                    return descriptor
            except BlockingIOError:
                number = os.pread(descriptor, 20, 0).decode(errors="replace")
                os.close(descriptor)
                holder = f"process {number}" if number else "another process"
                raise ConfigError(f"{folder} is in use by {holder}; wait for it, or choose another folder.") from None
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    """Whether the path still refers to the open file."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False
