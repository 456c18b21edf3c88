"""What differs between operating systems: forking, process groups, stop signals, permissions and durable renames.

POSIX functions are looked for when they are used, so that the zoo can be imported where there are none.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

#: signals that ask a process to save its work and end; Windows sends SIGBREAK when a console is closed
STOP_SIGNALS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
if sys.platform == "win32":
    STOP_SIGNALS += (signal.SIGBREAK,)

_umask_lock = threading.Lock()


def can_fork() -> bool:
    """Return whether processes may be forked: on Linux only, since on macOS that is unsafe once torch is imported."""
    return sys.platform.startswith("linux") and hasattr(os, "fork")


def apart() -> dict[str, Any]:
    """Return the arguments of `subprocess.Popen` for a process that Ctrl-C in the terminal does not reach."""
    if sys.platform == "win32":
        from subprocess import CREATE_NEW_PROCESS_GROUP

        return {"creationflags": CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def stop_this_process() -> None:
    """Raise SIGTERM in the main thread, from any thread: Windows has no such signal from outside."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)  # wakes the thread, too
    else:
        signal.raise_signal(signal.SIGTERM)


def give_usual_permissions(descriptor: int) -> None:
    """Give a file that only its owner may read the permissions of a file that `open` creates."""
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o666 & ~_umask())


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power failure; Windows cannot open a folder for that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it: one thread at a time."""
    with _umask_lock:
        mask = os.umask(0o077)
        os.umask(mask)
    return mask
