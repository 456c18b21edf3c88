"""The contender's side of a race: `serve(work)` runs one round per line on standard input."""

import json
import os
import resource
import sys
import time
from collections.abc import Callable

from sizes import DEVICE, THREADS

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(THREADS)))

Work = Callable[[], "float | None"]


def serve(work: Work) -> None:
    """Warm up, then time one round per line read.

    Args:
        work: one round; it may return the seconds to count, if they are less than its duration.
    """
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keep output of the contender out of the answers
    work()
    wait = waiting()
    print(json.dumps({"ready": True}), file=channel, flush=True)
    for _ in sys.stdin:
        wait()
        began = time.perf_counter()
        counted = work()
        wait()
        seconds = counted if counted is not None else time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "peak": peak}), file=channel, flush=True)


def waiting() -> Callable[[], None]:
    """Return a function that waits until the device has done all work."""
    if DEVICE == "cpu":
        return lambda: None
    import torch

    return lambda: torch.accelerator.synchronize()
