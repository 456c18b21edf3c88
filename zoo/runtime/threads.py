"""One thread per process for torch, OpenBLAS and OpenMP: results and speed that do not depend on the machine's load.

Two threads lose most of their speed when another process is busy, and a different order of summation changes the last
digits. Worker processes set the environment before any import; `single_thread` is for the caller's process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """Compute on one thread inside the block, and restore the caller's thread counts afterwards."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
