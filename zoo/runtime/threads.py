"""Threads: one per process for torch, OpenBLAS and OpenMP, and a lock around what the caller's threads share.

Two threads of torch lose most of their speed when another process is busy, unless they wait passively, and a different
order of summation changes the last digits. Worker processes set the environment before any import; `single_thread` and
`several_threads` are for the caller's process.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    # glibc keeps freed blocks of up to 32 MiB. By default it returns those of a few MiB to the system, which clears the
    # same pages anew for each temporary tensor: a quarter of the time of an AE's declared likelihood. Dask's nanny sets
    # so low a threshold that training takes a third longer.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}


_lock = threading.RLock()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let one thread at a time run such a block; the same thread may enter it again.

    The global random states, the thread counts and the standard streams belong to the whole process. Whoever changes
    them for a time, or relies on them, does so inside this block.
    """
    with _lock:
        yield


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew)  # a thread that held it does not exist in a forked child


def wait_passively() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user set otherwise; to be called before torch is imported.

    By default they spin, and slow each other down where another process is busy.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def single_thread() -> contextlib.AbstractContextManager[None]:
    """Compute on one thread, `alone`, inside the block, and restore the caller's thread counts afterwards."""
    return several_threads(1)


@contextlib.contextmanager
def several_threads(number: int) -> Iterator[None]:
    """Compute on so many threads inside the block, with none of the caller's other threads; see `single_thread`."""
    import torch
    from threadpoolctl import threadpool_limits

    with alone(), threadpool_limits(number):
        before = torch.get_num_threads()
        torch.set_num_threads(number)
        try:
            yield
        finally:
            torch.set_num_threads(before)
