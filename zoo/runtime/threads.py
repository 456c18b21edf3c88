"""One thread per process for torch, OpenBLAS and OpenMP: the same numbers on every machine load, and no stalls.

Two threads lose most of their speed when a neighbour is busy, and sums in another order give other last digits.
Processes of the zoo's own set the environment before any import; `single_thread` serves a caller's process.
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
    """Compute on one thread inside the block; restore the caller's numbers after it."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
