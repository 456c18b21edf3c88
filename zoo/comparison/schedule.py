"""The scheduler: slots, longest first and retries over any `concurrent.futures.Executor`. Imports no torch."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.comparison.jobs import Job, perform, result_from_plain, to_json
from zoo.engine.executor import (
    ExecutorEnded,
    InlineExecutor,
    Needs,
    TaskExecutor,
    TaskFailed,
    WorkerDied,
    default_jobs,
)
from zoo.engine.worker import failure
from zoo.plugins.registry import PluginRegistry

OnEvent = Callable[["ScheduledJob", dict[str, Any]], None]


@dataclass(frozen=True)
class ScheduledJob:
    """A job, and how it is run.

    Attributes:
        name: for people.
        job: what is run.
        log: file that takes what the job prints.
        inline: run it in this process, after the others, with this process's registry.
        duration_group: jobs of one group take about equally long; "" for a job that is like no other.
        attempts: how often the job is started at most if its process dies or runs into the time limit. What a job
            raises is an answer, and would be raised again.
        needs: what it needs on another machine.
    """

    name: str
    job: Job | None
    log: Path | None = None
    inline: bool = False
    duration_group: str = ""
    attempts: int = 1
    needs: Needs | None = None


@dataclass(frozen=True)
class Outcome:
    """A job's result, or why there is none.

    Attributes:
        job: the job.
        result: of the type that the job declares.
        reason, exit_code, traceback: why it failed; "" and 0 if it did not.
        seconds: from its first start to its end.
        failed_attempts: how each earlier attempt ended.
    """

    job: ScheduledJob
    result: Any = None
    reason: str = ""
    exit_code: int = 0
    traceback: str = field(default="", repr=False)
    seconds: float = 0.0
    failed_attempts: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether there is no result."""
        return bool(self.reason)


class Scheduler:
    """Runs jobs over an executor.

    Args:
        executor: where the jobs run. An executor of `zoo.engine` adds logs, events and time limits.
        registry: for jobs that run in this process.
        slots: how many jobs run at once; None takes the executor's number.
        timeout: seconds after which an attempt is stopped, where the executor can.
        on_event: called in this thread with each job's events: `started`, those of the job, `failed_attempt`, `ended`.
    """

    def __init__(
        self,
        executor: Executor,
        registry: PluginRegistry,
        *,
        slots: int | None = None,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        self.on_event: OnEvent = on_event or (lambda job, event: None)
        self._executor, self._registry, self._timeout, self._slots = executor, registry, timeout, slots

    @contextlib.contextmanager
    def heard_by(self, on_event: OnEvent) -> Iterator[None]:
        """Give events to another listener for a while, which passes them on to the one before."""
        before, self.on_event = self.on_event, on_event
        try:
            yield
        finally:
            self.on_event = before

    @property
    def slots(self) -> int:
        """How many jobs run at once, now: the workers of a cluster come and go."""
        executor = self._executor
        own: int | None = getattr(executor, "slots", None) or getattr(executor, "_max_workers", None)
        return self._slots or own or default_jobs()

    def run(self, jobs: Sequence[ScheduledJob]) -> list[Outcome]:
        """Run jobs and return their outcomes in the order of `jobs`.

        They start in this order, except that groups whose duration is known wait for those not known yet, and the
        longest group goes first.
        """
        outcomes: dict[int, Outcome] = {}
        waiting = [place for place, job in enumerate(jobs) if not job.inline]
        began: dict[int, float] = {}
        failed: dict[int, list[str]] = {place: [] for place in range(len(jobs))}
        durations: dict[str, float] = {}
        messages: queue.SimpleQueue[tuple[int, dict[str, Any] | Future[Any]]] = queue.SimpleQueue()
        running: set[int] = set()

        def end(place: int, outcome: Outcome) -> None:
            seconds = time.monotonic() - began[place]
            outcomes[place] = replace(outcome, seconds=seconds, failed_attempts=tuple(failed[place]))
            if group := jobs[place].duration_group:
                durations[group] = seconds
            self.on_event(jobs[place], {"ended": outcomes[place]})

        while waiting or running:
            while waiting and len(running) < self.slots:
                place = max(waiting, key=lambda each: durations.get(jobs[each].duration_group, float("inf")))
                waiting.remove(place)
                running.add(place)
                began.setdefault(place, time.monotonic())
                self._start(place, jobs[place], messages)
                self.on_event(jobs[place], {"started": True})
            place, message = messages.get()
            if not isinstance(message, Future):
                self.on_event(jobs[place], message)
                continue
            running.remove(place)
            error = message.exception()
            if isinstance(error, ExecutorEnded):
                raise error
            outcome = _outcome(jobs[place], message)
            if isinstance(error, WorkerDied) and len(failed[place]) + 1 < jobs[place].attempts:
                failed[place].append(outcome.reason)
                self.on_event(jobs[place], {"failed_attempt": outcome.reason})
                waiting.append(place)
            else:
                end(place, outcome)
        for place, job in enumerate(jobs):
            if job.inline:
                began[place] = time.monotonic()
                self.on_event(job, {"started": True})
                end(place, self._run_inline(job))
        return [outcomes[place] for place in range(len(jobs))]

    def _start(self, place: int, job: ScheduledJob, messages: queue.SimpleQueue[Any]) -> None:
        assert job.job
        text = to_json(job.job)
        if isinstance(self._executor, TaskExecutor):
            future = self._executor.launch(
                perform,
                (text,),
                log=job.log,
                on_event=lambda event: messages.put((place, event)),
                timeout=self._timeout,
                needs=job.needs,
            )
        else:
            try:
                future = self._executor.submit(perform, text)
            except RuntimeError as error:  # of an executor that is broken or shut down
                raise ExecutorEnded(f"The executor accepts no jobs: {error}.") from error
        future.add_done_callback(lambda done: messages.put((place, done)))

    def _run_inline(self, job: ScheduledJob) -> Outcome:
        assert job.job
        future = InlineExecutor().launch(
            job.job.run, (self._registry,), on_event=lambda event: self.on_event(job, event)
        )
        error = future.exception()
        return Outcome(job, future.result()) if error is None else _failed(job, error)


def _outcome(job: ScheduledJob, future: Future[Any]) -> Outcome:
    assert job.job
    error = future.exception()
    return Outcome(job, result_from_plain(job.job, future.result())) if error is None else _failed(job, error)


def _failed(job: ScheduledJob, error: BaseException) -> Outcome:
    if isinstance(error, TaskFailed):
        return Outcome(job, reason=error.reason, exit_code=error.exit_code, traceback=error.traceback)
    facts = failure(error)
    return Outcome(job, reason=facts["reason"], exit_code=facts["exit_code"], traceback=facts["traceback"])
