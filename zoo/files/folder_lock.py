"""One process at a time works in a folder. The lock is the system's, so that a dead process holds none."""

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
    """Hold a folder inside the block; `.lock` in it says which process does, and is gone afterwards.

    Raises:
        ConfigError: if another process, or another part of this one, holds it.
        ZooError: if nothing can be written there.
    """
    path = folder / FILE
    descriptor = _acquire(path, folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder may be gone; a file that stays locks nothing
            path.unlink()
        os.close(descriptor)


def _acquire(path: Path, folder: Path) -> int:
    """The open and locked file that has the name now: what its last holder has just removed locks nothing."""
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
                holder = os.pread(descriptor, 20, 0).decode(errors="replace") or "that has just come"
                os.close(descriptor)
                raise ConfigError(
                    f"{folder} is in use by process {holder}; wait for it, or choose another folder."
                ) from None
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    """Whether the name still means the open file."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False
