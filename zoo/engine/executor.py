"""Executors: `concurrent.futures.Executor`s whose tasks have a log, events and a time limit. Imports no torch.

A task is a function that can be imported, and arguments that JSON can hold; nothing is pickled. `submit` is that of
every executor; `launch` adds what only these have. A task that fails, dies or runs too long costs no other task.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from zoo.engine import worker
from zoo.engine.events import emitting
from zoo.errors import ZooError
from zoo.plugins.fingerprint import Fingerprint

P = ParamSpec("P")
T = TypeVar("T")

OnEvent = Callable[[dict[str, Any]], None]


class TaskFailed(Exception):  # noqa: N818  (what became of a task, not an error of the zoo)
    """A task raised an exception in its process.

    Attributes:
        reason: one sentence.
        exit_code: that of the `ZooError`, or 1.
        traceback: "" for an expected error.
    """

    def __init__(self, reason: str, exit_code: int = 1, traceback: str = "") -> None:
        super().__init__(reason)
        self.reason, self.exit_code, self.traceback = reason, exit_code, traceback


class WorkerDied(TaskFailed):
    """The process of a task ended without an answer; another attempt may succeed."""


class ExecutorEnded(ZooError):  # noqa: N818  (what became of it)
    """The executor is gone, with everything that it ran."""


class TimedOut(WorkerDied):
    """The process of a task was killed at its time limit."""


def default_jobs() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Needs:
    """What a task needs on another machine.

    Attributes:
        reads: for each path in its arguments that it reads, the files: by their path in that folder, or "" for a file.
        folder: the path in its arguments in which it continues, and which it writes.
        cached: files of the cache folder, by their path in it.
        requires: what has to be installed.
    """

    reads: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    folder: Path | None = None
    cached: Mapping[str, Path] = field(default_factory=dict)
    requires: Mapping[str, Fingerprint] = field(default_factory=dict)


class TaskExecutor(Executor):
    """An executor whose tasks have a log, events and a time limit.

    Attributes:
        slots: how many tasks run at once; what is launched beyond that runs at once all the same.
    """

    slots: int = 1

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a function; see `concurrent.futures.Executor.submit`."""
        return self.launch(fn, args, kwargs)

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
        """Start a task now.

        Args:
            fn: a function of a module; its answer and arguments must survive JSON, unless it runs in this process.
            args, kwargs: of the function.
            log: file that takes what the task prints.
            on_event: called, in another thread, with each event that the task emits (`zoo.engine.events.emit`).
            timeout: seconds after which its process is killed; None waits.
            needs: what the task needs on another machine. A task that is sent to one also takes `places`: where each
                path is there.

        Returns:
            A future that raises `TaskFailed`, `WorkerDied` or `TimedOut` where there is no answer.
        """
        raise NotImplementedError


class RemoteExecutor(TaskExecutor):
    """An executor whose tasks may run on other machines.

    Attributes:
        is_local: whether all of them run on this one, with what is installed here.
    """

    is_local: bool = False


class InlineExecutor(TaskExecutor):
    """Runs each task in this process when it is launched, for what exists in this process alone."""

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
        """Run a task to its end; its log and time limit are those of this process."""
        future: Future[T] = Future()
        with emitting(on_event):
            try:
                future.set_result(fn(*args, **(kwargs or {})))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a plugin may raise anything
                future.set_exception(failed(worker.failure(error)))
        return future


def failed(failure: Mapping[str, Any]) -> TaskFailed:
    """Return the exception of a failure that a process described."""
    return TaskFailed(failure["reason"], failure["exit_code"], failure["traceback"])
