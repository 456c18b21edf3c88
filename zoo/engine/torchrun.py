"""Several processes of one command, started by torchrun's launcher: they find each other over 127.0.0.1."""

from __future__ import annotations

import logging
import signal
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
        ZooError: if a process has failed, and the first one could not say why.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.CRITICAL)  # torch reports each signal and each exit
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
        except SignalException as received:
            return 128 + received.sigval
        except ChildFailedError as error:
            return _exit_code(error, processes, Path(folder))
        finally:
            logging.disable(logging.NOTSET)
    return 0


def _exit_code(error: ChildFailedError, processes: int, folder: Path) -> int:
    """Return the first process's exit code, or raise the error that it could not report.

    Args:
        error: the processes that failed; the launcher has ended all others with SIGTERM.
        processes: their number.
        folder: the logs of all processes but the first.
    """
    codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
    stopped = (-signal.SIGTERM, 128 + signal.SIGTERM)
    for rank, code in codes.items():
        if code < 0 and code not in stopped:
            raise ZooError(f"Process {rank + 1} of {processes} was ended by {signal.Signals(-code).name}.")
    if codes.get(0, 1) in (1, *stopped):
        for rank in sorted(codes.keys() - {0}):
            logs = [log.read_text(encoding="utf-8", errors="replace") for log in folder.rglob(f"{rank}/stderr.log")]
            lines = "".join(logs).split("\n")
            if codes[rank] > 0 and (last := next(filter(str.strip, reversed(lines)), "")):
                raise ZooError(f"Process {rank + 1} of {processes} has ended: {last.removeprefix('Error: ')}")
    return next((code for code in codes.values() if code > 0), 1)
