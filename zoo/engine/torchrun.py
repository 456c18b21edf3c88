"""Several processes of one command, started by torchrun's launcher: they find each other over 127.0.0.1."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ZooError

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def launch(processes: int, words: list[str]) -> int:
    """Run `python -m zoo WORDS` in several processes on this machine, and return the exit code.

    The first process has this one's standard streams, and reports how the work ends. Ctrl-C and SIGTERM are passed on
    to all processes.

    Args:
        processes: their number.
        words: the command.

    Raises:
        ZooError: if a process ends without the first one's saying why.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # it reports each signal and each exit
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id="zoo",
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(folder, redirects=dict.fromkeys(range(1, processes), Std.ALL)),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "zoo", *words)
        except SignalException as signal:
            return 128 + signal.sigval
        except ChildFailedError as error:
            return _exit_code(error, processes, Path(folder))
    return 0


def _exit_code(error: ChildFailedError, processes: int, folder: Path) -> int:
    """Return the first process's exit code, or raise the error that it could not report.

    Args:
        error: the processes that had ended when the launcher stopped the others.
        processes: their number.
        folder: the logs of all processes but the first.
    """
    ended = {rank: failure.exitcode for rank, failure in error.failures.items()}
    if ended.get(0, 0) < 0:
        raise ZooError(
            f"Process 1 of {processes} was ended by {error.failures[0].signal_name()}, and with it the training; its "
            "last checkpoint is kept: zoo train --resume RUN."
        )
    if ended.get(0, 1) == 1:  # lost a process, or is about to
        for rank in sorted(ended.keys() - {0}):
            lines = [
                line for log in folder.rglob(f"{rank}/stderr.log") for line in log.read_text().splitlines() if line
            ]
            if lines and ended[rank] > 0:
                raise ZooError(f"Process {rank + 1} of {processes} has ended: {lines[-1].removeprefix('Error: ')}")
    return max(1, *ended.values())
