"""`metrics.jsonl`: one line per epoch, flushed as it is written."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.files.storage import writing

FILE = "metrics.jsonl"


@dataclass(frozen=True)
class Report:
    """The mean losses since the last report, and the progress of the training.

    Attributes:
        epoch: complete passes through the training split.
        step: number of updates.
        seconds: time since the training started.
        progress: used share of the budget, in [0, 1].
        learning_rate: learning rate of the last step.
        losses: means over the steps since the last line, by name; with `valid_loss` if it was measured.
    """

    epoch: int
    step: int
    seconds: float
    progress: float
    learning_rate: float
    losses: dict[str, float]


class Log:
    """Appends reports to a run folder's `metrics.jsonl`; without a folder, does nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE

    def write(self, report: Report) -> None:
        """Append one line."""
        if self._path is None:
            return
        facts = asdict(report)
        facts |= facts.pop("losses")
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")

    @property
    def length(self) -> int:
        """Length in bytes."""
        return self._path.stat().st_size if self._path is not None and self._path.exists() else 0

    def settle(self) -> int:
        """Sync the log to disk and return its length in bytes."""
        if self._path is not None and self._path.exists():
            with writing(self._path), self._path.open("r+b") as file:  # Windows syncs what is open for writing
                os.fsync(file.fileno())
        return self.length

    def cut(self, length: int) -> None:
        """Truncate the log to `length` bytes."""
        if self._path is not None and self.length > length:
            with writing(self._path):
                os.truncate(self._path, length)
