"""Exclusive folder locks, one process at a time, also on file systems without `flock`.

The lock is a file that is created exclusively and names its owner, who touches it every few seconds: its heartbeat. A
lock of a process of this machine ends with the process. That of another machine ends when its heartbeat has stood
still for `STALE` seconds of this machine's clock, so that clocks need not agree.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

from zoo.errors import ConfigError, ZooError
from zoo.files.storage import writing

FILE = ".lock"
HEARTBEAT = 5.0  # seconds between two touches
STALE = 30.0  # seconds without a heartbeat after which the owner counts as dead

_TAKEOVER = ".takeover"  # suffix of the lock under which one process removes a dead owner's lock
_PAUSE = 0.05  # seconds between two looks
_released: set[str] = set()  # texts of locks that this process has given up, which a full disk may have kept


@dataclass(frozen=True)
class Owner:
    """A process that holds a lock.

    Attributes:
        process: its number.
        started: when it started, in the system's ticks, since numbers are reused; "" where that is unknown.
        host: name of its machine, for people.
        machine: identity of the system that knows the process by its number.
        token: of this lock.
    """

    process: int
    started: str
    host: str
    machine: str
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def here(cls) -> Self:
        """Return this process as the owner of a new lock."""
        return cls(os.getpid(), _started(os.getpid()), socket.gethostname(), machine())

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the owner that a lock's file names; None if it is not written yet, or of an earlier version."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    @property
    def lives(self) -> bool | None:
        """Whether the process runs; None if only its heartbeat can tell."""
        return _lives(self.process, self.started) if self.machine == machine() else None

    def __str__(self) -> str:
        """`process 4711`, or `process 4711 on HOST`."""
        return f"process {self.process}" + ("" if self.machine == machine() else f" on {self.host}")


@contextlib.contextmanager
def locked(folder: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Lock a folder inside the block; its file `.lock` names the owner and is removed afterwards.

    Args:
        folder: an existing folder.
        wait: seconds to wait for an owner that may be about to end.

    Raises:
        ConfigError: if another process, or another part of this one, holds the lock; or held it at the end, because
            this process had stood still for so long that it counted as dead.
        ZooError: if the folder is not writable.
    """
    path, text = folder / FILE, json.dumps(asdict(Owner.here()))
    _acquire(path, text, folder, wait)
    over = threading.Event()
    heart = threading.Thread(target=_beat, args=(path, text, over), daemon=True)
    heart.start()
    try:
        yield
    finally:
        over.set()
        heart.join()
        _released.add(text)
        found: str | None = text  # where it cannot be read, nothing says that another took it
        with contextlib.suppress(ZooError):
            look = _look(path)
            found = look[0] if look else None
        if found == text:
            with contextlib.suppress(OSError):  # the folder may be gone
                path.unlink()
    if found not in (text, None):
        owner = Owner.parse(found) or "another process"
        raise ConfigError(
            f"{folder} was taken over by {owner} while this process stood still; what it holds is that process's work."
        )


@cache
def machine() -> str:
    """Return the identity of the system in which process numbers are unique: host, boot and process namespace."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _acquire(path: Path, text: str, folder: Path, wait: float) -> None:
    """Create the lock's file; first remove that of an owner who has died."""
    began = time.monotonic()
    seen, since = _look(path), began
    while not _create(path, text):
        now, look = time.monotonic(), _look(path)
        if look is None:
            continue
        owner = Owner.parse(look[0])
        lives = False if look[0] in _released else owner.lives if owner else None
        if lives is False or (lives is None and look == seen and now - since > STALE):
            _remove(path, look)
            continue
        beats = seen is not None and look[0] == seen[0] and look[1] != seen[1]
        if (lives or beats) and now - began >= wait:
            raise ConfigError(
                f"{folder} is in use by {owner or 'another process'}; wait for it, or choose another folder."
            )
        if look != seen:
            seen, since = look, now
        time.sleep(_PAUSE)


def _create(path: Path, text: str) -> bool:
    """Create the file exclusively; False if it exists."""
    with writing(path):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    return True


def _remove(path: Path, dead: tuple[str, int]) -> None:
    """Remove the lock of a dead owner, one process at a time, unless another lock has taken its place."""
    guard = path.with_name(path.name + _TAKEOVER)
    if not _create(guard, ""):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - guard.stat().st_mtime > STALE:  # its owner died within these few lines
                guard.unlink()
        time.sleep(_PAUSE)
        return
    try:
        if _look(path) == dead:
            path.unlink(missing_ok=True)
    finally:
        guard.unlink(missing_ok=True)


def _look(path: Path) -> tuple[str, int] | None:
    """Return the lock's text and the time of its last heartbeat, None if there is none.

    The file is opened, since network file systems check only then whether they know its present state.
    """
    with writing(path), contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8") as file:
        return file.read(), os.fstat(file.fileno()).st_mtime_ns
    return None


def _read(path: Path) -> str | None:
    with contextlib.suppress(ZooError):
        if look := _look(path):
            return look[0]
    return None


def _beat(path: Path, text: str, over: threading.Event) -> None:
    """In a thread: touch the lock as long as it is ours."""
    while not over.wait(HEARTBEAT):
        if _read(path) == text:
            with contextlib.suppress(OSError):
                os.utime(path)


def _lives(process: int, started: str) -> bool | None:
    """Return whether a process of this machine runs; None where asking is not possible."""
    if started:
        return _started(process) == started
    if os.name != "posix":  # where signal 0 is not a question
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _started(process: int) -> str:
    """Return when a process started, in ticks since the boot; "" if it has ended, or the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
