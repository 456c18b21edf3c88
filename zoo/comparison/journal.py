"""`journal.jsonl`: what each process of a comparison found, from the moment it did, so that nothing is found twice."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from zoo.engine.pool import Job, Outcome
from zoo.errors import CheckpointError
from zoo.files.storage import writing

FILE = "journal.jsonl"
_ASIDE = ("file", "registry", "command", "save_every", "allow_changes")  # arguments on which no result depends


class Journal:
    """The results so far of a comparison's jobs; a last line that was cut off counts for nothing.

    Args:
        folder: of the comparison.

    Attributes:
        seconds: of work, the earlier processes' until their last line included.

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
                self._found[entry["job"]] = {key: entry[key] for key in ("at", "seconds", "lost", "result")}
            except (ValueError, KeyError, TypeError):
                raise CheckpointError(
                    f"{self._path} is damaged in line {number}; remove that line, and what it said is found again."
                ) from None
        earlier = max((entry["at"] for entry in self._found.values()), default=0.0)
        self._began = time.monotonic() - earlier

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def find(self, job: Job) -> Outcome | None:
        """The outcome of such a job, if it is known."""
        entry = self._found.get(self._key(job))
        if entry is None:
            return None
        return Outcome(job, entry["result"], seconds=entry["seconds"], lost=tuple(entry["lost"]))

    def add(self, outcome: Outcome) -> None:
        """Write down the result of a job; it is on the disk when this returns.

        Raises:
            ZooError: if it cannot be written.
        """
        entry = {
            "job": self._key(outcome.job),
            "at": self.seconds,
            "seconds": outcome.seconds,
            "lost": outcome.lost,
            "result": outcome.result,
        }
        with writing(self._path), self._path.open("ab") as file:
            file.truncate(self._end)
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._end = file.tell()

    def _key(self, job: Job) -> str:
        """What a job is, wherever the comparison's folder lies."""
        arguments = {name: self._inside(value) for name, value in job.arguments.items() if name not in _ASIDE}
        return json.dumps([job.task, job.name, arguments], sort_keys=True)

    def _inside(self, value: Any) -> Any:
        """A path in the comparison's folder, as seen from there."""
        return value.removeprefix(f"{self._folder}{os.sep}") if isinstance(value, str) else value
