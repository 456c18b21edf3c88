"""Files that travel between machines: known by their hash, sent in blocks, and only to where they are missing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from zoo.errors import ZooError

BLOCK = 2**23  # bytes sent at once

Listing = dict[str, str]  # SHA-256 of each file, by its path in a folder


def listing(files: Mapping[str, Path]) -> Listing:
    """Return the hashes of files."""
    return {name: sha256(path) for name, path in files.items()}


def files_in(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their path in it, without hidden ones: locks and unfinished files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            found[name.as_posix()] = path
    return found


def sha256(path: Path) -> str:
    """Return the hash of a file, which is read again once its size or time has changed."""
    facts = path.stat()
    return _sha256(path, facts.st_size, facts.st_mtime_ns, facts.st_ino)


def is_same(path: Path, wanted: str) -> bool:
    """Whether this machine has such a file at a path."""
    with contextlib.suppress(OSError):
        return sha256(path) == wanted
    return False


def blocks(path: Path) -> Iterator[tuple[bytes, bool]]:
    """Yield a file's content in blocks, each with whether it is the last."""
    with path.open("rb") as file:
        block = file.read(BLOCK)
        while True:
            following = file.read(BLOCK)
            yield block, not following
            if not following:
                return
            block = following


class Store:
    """The files that have been received, by their hash.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, wanted: str) -> Path:
        """Return where the file with a hash is, or will be."""
        return self._folder / wanted

    def receive(self, wanted: str, receiver: str, block: bytes, *, last: bool) -> None:
        """Add a block of a file, for one of several receivers.

        Raises:
            ZooError: if the complete file has another hash.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{wanted}.{receiver}.part"
        with part.open("ab") as file:
            file.write(block)
        if last:
            found = hashlib.sha256(part.read_bytes()).hexdigest()
            if found != wanted:
                part.unlink()
                raise ZooError(f"A file changed while it was sent: its sha256 is {found}, not {wanted}; run it again.")
            part.replace(self.path(wanted))

    def put(self, wanted: str, target: Path, *, copied: bool = False) -> None:
        """Let a received file appear at a path: as a link, or as a copy that may be changed."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if not copied:
            with contextlib.suppress(FileExistsError):
                os.link(self.path(wanted), target)
            return
        temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
        shutil.copyfile(self.path(wanted), temporary)
        temporary.replace(target)


@lru_cache(maxsize=1000)
def _sha256(path: Path, size: int, changed: int, inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
