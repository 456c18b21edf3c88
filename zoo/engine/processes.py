"""Executors whose tasks run in processes: forked from a warm server, or a fresh interpreter each. Imports no torch."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

from zoo.engine.executor import (
    ExecutorEnded,
    Needs,
    OnEvent,
    TaskExecutor,
    TimedOut,
    WorkerDied,
    default_jobs,
    failed,
)
from zoo.errors import ConfigError
from zoo.runtime.threads import ENVIRONMENT
from zoo.system import apart, can_fork

T = TypeVar("T")

Method = Literal["fork", "spawn"]

GRACE = 20.0  # seconds that tasks get to save their work when the caller is interrupted


@dataclass
class _Running:
    """A running task."""

    future: Future[Any]
    on_event: OnEvent | None
    timeout: float | None
    timer: threading.Timer | None = None
    overdue: bool = False


class ProcessExecutor(TaskExecutor):
    """What the two kinds of process share: messages, time limits, and how they end.

    Args:
        jobs: how many tasks run at once, for schedulers; None for one per core.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.slots = jobs or default_jobs()
        self._numbers = itertools.count()
        self._running: dict[int, _Running] = {}
        self._lock = threading.Lock()

    def launch(
        self,
        fn: Callable[..., T],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        log: Path | None = None,
        on_event: OnEvent | None = None,
        timeout: float | None = None,
        needs: Needs | None = None,
    ) -> Future[T]:
        """Start a process for a task; see `TaskExecutor.launch`."""
        future: Future[T] = Future()
        number, running = next(self._numbers), _Running(future, on_event, timeout)
        with self._lock:
            self._running[number] = running
        future.set_running_or_notify_cancel()
        description = {
            "id": number,
            "function": f"{fn.__module__}:{fn.__qualname__}",
            "args": list(args),
            "kwargs": dict(kwargs or {}),
            "log": str(log) if log else None,
            "sys_path": [entry or str(Path.cwd()) for entry in sys.path],
        }
        self._send(number, description)
        if timeout is not None:
            running.timer = threading.Timer(timeout, self._overdue, (number,))
            running.timer.daemon = True
            running.timer.start()
        return future

    def stop(self, future: Future[Any], grace: float = GRACE) -> None:
        """Ask a task to end as SIGTERM does, after which a training has saved its state; kill it after the grace."""
        number = next((each for each, running in list(self._running.items()) if running.future is future), None)
        if number is None:
            return
        self._terminate(number)
        timer = threading.Timer(grace, self._kill, (number,))
        timer.daemon = True
        timer.start()
        future.add_done_callback(lambda _: timer.cancel())

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End every process; tasks that still run are killed if `cancel_futures` is set, otherwise waited for."""
        if wait and not cancel_futures:
            for running in list(self._running.values()):
                with contextlib.suppress(Exception):
                    running.future.exception()
        self._close()

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> Literal[False]:
        """Kill what runs after an error; after Ctrl-C first let tasks save their work."""
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._interrupt()
        self.shutdown(cancel_futures=kind is not None)
        return False

    def _send(self, number: int, description: dict[str, Any]) -> None:
        raise NotImplementedError

    def _kill(self, number: int) -> None:
        raise NotImplementedError

    def _terminate(self, number: int) -> None:
        raise NotImplementedError

    def _interrupt(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError

    def _overdue(self, number: int) -> None:
        """In a timer's thread: kill a task at its time limit."""
        if running := self._running.get(number):
            running.overdue = True
            self._kill(number)

    def _received(self, message: dict[str, Any]) -> None:
        """In a reader's thread: pass on an event, or the end of a task."""
        running = self._running.get(message["id"])
        if running is None:
            return
        if "event" in message:
            if running.on_event:
                running.on_event(message["event"])
            return
        with self._lock:
            self._running.pop(message["id"], None)
        if running.timer:
            running.timer.cancel()
        if "done" in message:
            running.future.set_result(message["done"])
        elif "failed" in message:
            running.future.set_exception(failed(message["failed"]))
        elif running.overdue:
            running.future.set_exception(TimedOut(f"it ran longer than {running.timeout:g} s"))
        else:
            running.future.set_exception(WorkerDied(_death(message["died"])))

    def _lost(self) -> None:
        """Fail every task that is left: what carried them is gone."""
        with self._lock:
            left, self._running = list(self._running.values()), {}
        for running in left:
            if running.timer:
                running.timer.cancel()
            running.future.set_exception(
                ExecutorEnded("The process server ended unexpectedly; run the command again, or with --jobs 1.")
            )

    def _read(self, process: subprocess.Popen[bytes], number: int | None) -> None:
        """In a thread: take what a process says; at its end, say how it ended."""
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed by _end
            for line in process.stdout:
                self._received(json.loads(line))
        status = process.wait()
        if number is None:
            self._lost()
        else:
            self._received({"id": number, "died": status})

    def _start(self, module: str, *arguments: str, number: int | None = None) -> subprocess.Popen[bytes]:
        """Start a module with one thread per library, in a session that Ctrl-C does not reach, and a reader for it."""
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path},
            **apart(),
        )
        threading.Thread(target=self._read, args=(process, number), daemon=True).start()
        return process


class ForkServerExecutor(ProcessExecutor):
    """Forks a child per task from a warm server, which has imported `preload` and computed nothing.

    The server is a module of the zoo, never the caller's `__main__`; it starts with the first task. Its environment and
    working directory are those of its start.

    Args:
        jobs: how many tasks run at once, for schedulers; None for one per core.
        preload: names of the modules that the server imports, once for all tasks.
    """

    def __init__(self, jobs: int | None = None, *, preload: Sequence[str] = ()) -> None:
        super().__init__(jobs)
        self._preload = tuple(preload)
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> int | None:
        """Process number of the server, once it has started."""
        return self._server.pid if self._server else None

    def _send(self, number: int, description: dict[str, Any]) -> None:
        if self._server is None:
            self._server = self._start("zoo.engine.server", *self._preload)
        elif self._server.poll() is not None:
            self._lost()
            return
        _write(self._server, {"job": description})

    def _kill(self, number: int) -> None:
        if self._server:
            _write(self._server, {"kill": number})

    def _terminate(self, number: int) -> None:
        if self._server:
            _write(self._server, {"stop": number})

    def _interrupt(self) -> None:
        if self._server:
            _write(self._server, {"end": True})
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(GRACE)

    def _close(self) -> None:
        if self._server:
            _end(self._server)  # at which it kills its children and ends
            self._server = None


class SpawnExecutor(ProcessExecutor):
    """Starts a fresh interpreter per task, where forking is unsafe or not there.

    Args:
        jobs: how many tasks run at once, for schedulers; None for one per core.
    """

    def __init__(self, jobs: int | None = None) -> None:
        super().__init__(jobs)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def _send(self, number: int, description: dict[str, Any]) -> None:
        process = self._processes[number] = self._start("zoo.engine.worker", number=number)
        _write(process, description)

    def _kill(self, number: int) -> None:
        self._processes[number].kill()

    def _terminate(self, number: int) -> None:
        """Let the process raise SIGTERM in itself, since on Windows a signal from outside kills."""
        _write(self._processes[number], {"end": True})

    def _interrupt(self) -> None:
        """Ask the tasks to end as SIGTERM does, after which a training has saved its state, and wait a while for it."""
        deadline = time.monotonic() + GRACE
        for number in self._processes:
            self._terminate(number)
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))

    def _close(self) -> None:
        for process in self._processes.values():
            process.kill()
            _end(process)
        self._processes.clear()


def default_method() -> Method:
    """Return `fork` on Linux, and `spawn` elsewhere."""
    return "fork" if can_fork() else "spawn"


def process_executor(
    jobs: int | None = None, method: Method | None = None, *, preload: Sequence[str] = ()
) -> ProcessExecutor:
    """Return the executor of a method, by default that of this system.

    Raises:
        ConfigError: for `fork` where forking is unsafe or does not exist.
    """
    if method == "fork" and not can_fork():
        raise ConfigError(
            "method must be 'spawn' on this system, got 'fork', which is safe on Linux only; leave it out."
        )
    if (method or default_method()) == "fork":
        return ForkServerExecutor(jobs, preload=preload)
    return SpawnExecutor(jobs)


def _write(process: subprocess.Popen[bytes], value: dict[str, Any]) -> None:
    pipe: IO[bytes] | None = process.stdin
    assert pipe is not None
    with contextlib.suppress(BrokenPipeError, ValueError):  # the reader says why
        pipe.write(json.dumps(value).encode() + b"\n")
        pipe.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close a process's pipes and wait for it."""
    _close(process.stdin)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _close(process.stdout)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def _death(status: int) -> str:
    """Say how a process ended that sent no answer."""
    if status < 0:
        name = signal.Signals(-status).name
        hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return f"its process was killed by {name}{hint}"
    return f"its process ended with exit code {status} and no result"
