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
    """The mean losses since the last report, and where the training stands.

    Attributes:
        epoch: whole passes through the training split.
        step: updates.
        seconds: since the training began.
        progress: share of the budget that is used, in [0, 1].
        learning_rate: of the last step.
        losses: mean over the steps since the last line, by name; `valid_loss` where it was measured.
    """

    epoch: int
    step: int
    seconds: float
    progress: float
    learning_rate: float
    losses: dict[str, float]


class Log:
    """Appends reports to a run folder's `metrics.jsonl`, or to nothing without a folder."""

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
        """Bytes that are written."""
        return self._path.stat().st_size if self._path is not None and self._path.exists() else 0

    def settle(self) -> int:
        """Bring what is written to the disk, and return its length in bytes."""
        if self._path is not None and self._path.exists():
            with writing(self._path), self._path.open("rb") as file:
                os.fsync(file.fileno())
        return self.length

    def cut(self, length: int) -> None:
        """Forget what was written after `length` bytes."""
        if self._path is not None and self.length > length:
            with writing(self._path):
                os.truncate(self._path, length)
