"""`journal.jsonl`: the result of each job of a comparison, recorded when the job ends, so that none is run twice."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from zoo.comparison.cells import CellResult
from zoo.comparison.jobs import key, result_from_plain, result_to_plain
from zoo.comparison.schedule import Outcome, ScheduledJob, Scheduler
from zoo.errors import CheckpointError
from zoo.files.storage import writing

FILE = "journal.jsonl"


class Journal:
    """The results so far of a comparison's jobs; an incomplete last line is ignored.

    Args:
        folder: of the comparison.

    Attributes:
        seconds: of work, that of earlier processes up to their last line included.

    Raises:
        CheckpointError: if a line is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / FILE
        self._found: dict[str, dict[str, Any]] = {}
        content = self._path.read_bytes() if self._path.exists() else b""
        self._end = content.rfind(b"\n") + 1
        for number, line in enumerate(content[: self._end].splitlines(), 1):
            try:
                entry = json.loads(line)
                self._found[entry["job"]] = {name: entry[name] for name in ("at", "seconds", "lost", "result")}
            except (ValueError, KeyError, TypeError):
                raise CheckpointError(
                    f"{self._path} is damaged in line {number}; remove that line, and its job is run again."
                ) from None
        earlier = max((entry["at"] for entry in self._found.values()), default=0.0)
        self._began = time.monotonic() - earlier

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def find(self, job: ScheduledJob) -> Outcome | None:
        """Return a job's recorded outcome, or None.

        Raises:
            CheckpointError: if what is recorded is not a result of such a job.
        """
        assert job.job
        entry = self._found.get(key(job.job, self._folder))
        if entry is None:
            return None
        try:
            result = result_from_plain(job.job, entry["result"])
        except ValueError:
            raise CheckpointError(
                f"{self._path} does not hold a result of {job.name}; remove its line, and the job is run again."
            ) from None
        return Outcome(job, result, seconds=entry["seconds"], failed_attempts=tuple(entry["lost"]))

    def add(self, outcome: Outcome) -> None:
        """Record the result of a job; it is on the disk when this returns.

        Raises:
            ZooError: if it cannot be written.
        """
        job = outcome.job.job
        assert job
        entry = {
            "job": key(job, self._folder),
            "at": self.seconds,
            "seconds": outcome.seconds,
            "lost": outcome.failed_attempts,
            "result": result_to_plain(job, outcome.result),
        }
        with writing(self._path), self._path.open("ab") as file:
            file.truncate(self._end)
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._end = file.tell()

    def run(self, jobs: list[ScheduledJob], scheduler: Scheduler) -> list[Outcome]:
        """Return each job's outcome, from the journal if recorded, otherwise run it and record the result.

        A job that failed, wholly or for one contestant, is not recorded, so that it runs again on resuming.
        """
        known = {place: outcome for place, job in enumerate(jobs) if (outcome := self.find(job))}
        tell = scheduler.on_event

        def on_event(job: ScheduledJob, event: dict[str, Any]) -> None:
            if (outcome := event.get("ended")) and _is_whole(outcome):
                self.add(outcome)
            tell(job, event)

        scheduler.on_event = on_event
        try:
            found = iter(scheduler.run([job for place, job in enumerate(jobs) if place not in known]))
        finally:
            scheduler.on_event = tell
        return [known[place] if place in known else next(found) for place in range(len(jobs))]


def _is_whole(outcome: Outcome) -> bool:
    return not outcome.failed and (not isinstance(outcome.result, CellResult) or outcome.result.is_whole)
