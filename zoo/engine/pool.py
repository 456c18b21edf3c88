"""`Pool`: run jobs over processes and collect what became of each. Imports no torch."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal, Self

from zoo.engine import worker
from zoo.errors import ZooError
from zoo.runtime.threads import ENVIRONMENT

Method = Literal["fork", "spawn"]
OnEvent = Callable[["Job", dict[str, Any]], None]

_ENDS = ("done", "failed", "died")
_GRACE = 20.0  # seconds that jobs get to save what they have when the caller is interrupted


@dataclass(frozen=True)
class Job:
    """A call of a task in a process of its own.

    Args:
        name: for people.
        task: `module:function`; it takes the arguments and `emit`, and returns JSON.
        arguments: JSON.
        log: a file for what the job prints, or None.
        inline: run it in this process; for what exists in it alone. Its arguments need not be JSON.
        kind: jobs of one kind take about as long as each other; "" for one of its own.
        tries: how often it is started at most, where its process dies or runs into the timeout. What it raises is an
            answer, and would be raised again.
    """

    name: str
    task: str
    arguments: dict[str, Any]
    log: Path | None = None
    inline: bool = False
    kind: str = ""
    tries: int = 1


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its result, or why there is none.

    Attributes:
        job: of which this is the outcome.
        result: what its task returned.
        reason, exit_code, traceback: why it failed; "" and 0 if it did not.
        seconds: from its first start to its end.
        lost: how each earlier try ended.
    """

    job: Job
    result: Any = None
    reason: str = ""
    exit_code: int = 0
    traceback: str = field(default="", repr=False)
    seconds: float = 0.0
    lost: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether there is no result."""
        return bool(self.reason)


@dataclass
class _Running:
    """A process of a job, which has a place in the list."""

    place: int
    deadline: float
    overdue: bool = False


def default_jobs() -> int:
    """As many processes as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool:
    """Processes for jobs; a context manager.

    Args:
        jobs: how many run at once; afterwards in `slots`, None being one per core.
        method: `fork` from a warm server, or `spawn` a fresh interpreter each; None takes fork where there is one.
        timeout: seconds after which a try of a job is killed; None waits.
    """

    def __init__(self, jobs: int | None = None, method: Method | None = None, timeout: float | None = None) -> None:
        self.slots = jobs or default_jobs()
        self._method: Method = method or ("fork" if hasattr(os, "fork") else "spawn")
        self._timeout = timeout
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._server: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()  # of processes; a late message of an earlier one never passes for another's

    def __enter__(self) -> Self:
        if self._method == "fork":
            self._server = self._start("zoo.engine.server")
            threading.Thread(target=self._read, args=(self._server, None), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._interrupt()
        for process in self._processes.values():
            process.kill()
        running = [*self._processes.values(), *([self._server] if self._server else [])]
        for process in running:
            _close(process.stdin)  # at which the server kills its children and ends
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close(process.stdout)
        self._processes.clear()
        self._server = None

    def run(self, jobs: Iterable[Job], on_event: OnEvent | None = None) -> list[Outcome]:
        """Run jobs, as many at once as there are slots, and return their outcomes in the order of `jobs`.

        Args:
            jobs: started in this order, except that kinds whose first job has ended wait for those not known yet, and
                then go longest first, which leaves no idle tail.
            on_event: called with what a job emits, with `{"started": true}`, with `{"lost": reason}` where it is tried
                again, and with `{"ended": Outcome}`.
        """
        listed = list(jobs)
        notify = on_event or (lambda job, event: None)
        taken: dict[str, float] = {}  # kind -> seconds of its last job
        outcomes: dict[int, Outcome] = {}
        waiting = [place for place, job in enumerate(listed) if not job.inline]
        running: dict[int, _Running] = {}
        began: dict[int, float] = {}
        lost: dict[int, list[str]] = {place: [] for place in waiting}

        def start(place: int) -> None:
            began.setdefault(place, time.monotonic())
            number = next(self._numbers)
            running[number] = _Running(place, time.monotonic() + self._timeout if self._timeout else float("inf"))
            self._launch(number, listed[place])
            notify(listed[place], {"started": True})

        def end(place: int, outcome: Outcome) -> None:
            seconds = time.monotonic() - began[place]
            outcome = outcomes[place] = replace(outcome, seconds=seconds, lost=tuple(lost.get(place, ())))
            if kind := listed[place].kind:
                taken[kind] = seconds
            notify(listed[place], {"ended": outcome})

        while waiting or running:
            while waiting and len(running) < self.slots:
                place = max(waiting, key=lambda each: taken.get(listed[each].kind, float("inf")))
                waiting.remove(place)
                start(place)
            message = self._next(min(each.deadline for each in running.values()))
            if message is None:
                for number, each in running.items():
                    if each.deadline <= time.monotonic():
                        each.overdue, each.deadline = True, float("inf")
                        self._kill(number)
            elif message.get("id") in running:
                job = listed[running[message["id"]].place]
                if "event" in message:
                    notify(job, message["event"])
                elif any(key in message for key in _ENDS):
                    each = running.pop(message["id"])
                    outcome = _outcome(job, message)
                    if "died" in message and each.overdue:
                        outcome = replace(outcome, reason=f"it ran longer than {self._timeout:g} s")
                    if "died" in message and len(lost[each.place]) + 1 < job.tries:
                        lost[each.place].append(outcome.reason)
                        notify(job, {"lost": outcome.reason})
                        waiting.append(each.place)
                    else:
                        end(each.place, outcome)
            elif "gone" in message:
                raise ZooError("The process server ended unexpectedly; run the command again, or with --jobs 1.")
        for place, job in enumerate(listed):
            if job.inline:
                began[place] = time.monotonic()
                notify(job, {"started": True})
                end(place, _run_inline(job, notify))
        return [outcomes[place] for place in range(len(listed))]

    def _next(self, deadline: float) -> dict[str, Any] | None:
        """The next message, or None when the deadline passes first."""
        remaining = None if deadline == float("inf") else max(0.0, deadline - time.monotonic())
        with contextlib.suppress(queue.Empty):
            return self._messages.get(timeout=remaining)
        return None

    def _launch(self, number: int, job: Job) -> None:
        description = {
            "id": number,
            "task": job.task,
            "arguments": job.arguments,
            "log": str(job.log) if job.log else None,
            "sys_path": [entry or str(Path.cwd()) for entry in sys.path],
        }
        if self._server:
            self._write(self._server, {"job": description})
        else:
            process = self._processes[number] = self._start("zoo.engine.worker")
            self._write(process, description)
            threading.Thread(target=self._read, args=(process, number), daemon=True).start()

    def _kill(self, number: int) -> None:
        if self._server:
            self._write(self._server, {"kill": number})
        else:
            self._processes[number].kill()

    def _interrupt(self) -> None:
        """Ask the jobs to end as SIGTERM does, after which a training has saved its state, and wait a while for it."""
        processes = list(self._processes.values())
        if self._server:
            self._write(self._server, {"end": True})
            processes.append(self._server)
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + _GRACE
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))

    def _start(self, module: str) -> subprocess.Popen[bytes]:
        """Start a module of the zoo with one thread per library, in a session that Ctrl-C does not reach."""
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path},
            start_new_session=True,
        )

    def _write(self, process: subprocess.Popen[bytes], value: dict[str, Any]) -> None:
        pipe: IO[bytes] | None = process.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):  # the reader says why
            pipe.write(json.dumps(value).encode() + b"\n")
            pipe.flush()

    def _read(self, process: subprocess.Popen[bytes], number: int | None) -> None:
        """In a thread: queue what a process says; at its end, say how it ended."""
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed by __exit__
            for line in process.stdout:
                self._messages.put(json.loads(line))
        status = process.wait()
        self._messages.put({"gone": status} if number is None else {"id": number, "died": status})


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def _run_inline(job: Job, notify: OnEvent) -> Outcome:
    try:
        return Outcome(job, worker.call(job.task, job.arguments, lambda event: notify(job, event)))
    except Exception as error:
        return _outcome(job, {"failed": worker.failure(error)})


def _outcome(job: Job, message: dict[str, Any]) -> Outcome:
    if "done" in message:
        return Outcome(job, message["done"])
    if "failed" in message:
        failed = message["failed"]
        return Outcome(job, reason=failed["reason"], exit_code=failed["exit_code"], traceback=failed["traceback"])
    return Outcome(job, reason=_death(message["died"]), exit_code=1)


def _death(status: int) -> str:
    """How a process ended that sent no result."""
    if status < 0:
        name = signal.Signals(-status).name
        hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return f"its process was killed by {name}{hint}"
    return f"its process ended with exit code {status} and no result"
