"""Inside a task's process: call the function, send events and the answer as JSON lines, and keep stray output away."""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import traceback
from typing import Any, BinaryIO

from zoo.engine.events import emitting
from zoo.errors import ZooError
from zoo.runtime import tracing
from zoo.system import stop_this_process

_BINARY = getattr(os, "O_BINARY", 0)  # Windows else writes \n as \r\n


def perform(job: dict[str, Any], channel: int) -> None:
    """Run a task and send its events, then one `done` or `failed` message, to the file descriptor `channel`."""
    sys.path[:] = job["sys_path"]

    def send(kind: str, value: Any) -> None:
        line = json.dumps({"id": job["id"], kind: value}).encode() + b"\n"
        while line:
            line = line[os.write(channel, line) :]

    try:
        module, _, name = job["function"].partition(":")
        with emitting(lambda event: send("event", event)):
            answer = getattr(importlib.import_module(module), name)(*job["args"], **job["kwargs"])
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything
        send("failed", failure(error))
    else:
        send("done", answer)
    print("\n".join(tracing.summary()), end="", flush=True)  # to the task's log


def failure(error: BaseException) -> dict[str, Any]:
    """Return a failure as plain values: one sentence, the exit code, and a traceback unless the error was expected."""
    if isinstance(error, ZooError):
        return {"reason": str(error), "kind": type(error).__name__, "exit_code": error.exit_code, "traceback": ""}
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, SystemExit):
        reason = f"something called sys.exit({error.code!r})"
    return {"reason": reason, "kind": type(error).__name__, "exit_code": 1, "traceback": traceback.format_exc()}


def redirect_output(log: str | None) -> None:
    """Redirect what the process prints to a log file, or discard it, and give it an empty standard input."""
    sys.stdout.flush()
    sys.stderr.flush()
    target = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _BINARY, 0o666)
    empty = os.open(os.devnull, os.O_RDONLY)
    for source, standard in ((empty, 0), (target, 1), (target, 2)):
        os.dup2(source, standard)
    os.close(target)
    os.close(empty)


def main() -> None:
    """Run a task in a fresh process (`python -m zoo.engine.worker`), described in the first line on standard input.

    A second line asks it to end as SIGTERM does. The end of the input ends it at once: its launcher is gone.
    """
    requests, channel = os.fdopen(os.dup(0), "rb"), os.dup(1)
    job = json.loads(requests.readline())
    redirect_output(job["log"])
    threading.Thread(target=_wait_for_the_end, args=(requests,), daemon=True).start()
    perform(job, channel)


def _wait_for_the_end(requests: BinaryIO) -> None:
    """In a thread: end this process when it is asked to, or when its launcher is gone."""
    if requests.readline():
        stop_this_process()
        requests.read()
    os._exit(1)


if __name__ == "__main__":
    main()
