"""`plan.json`: what a comparison is, written before its first process, so that another one can go on with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from zoo.comparison.contestants import REAL, PlannedRow, parse_row
from zoo.errors import CheckpointError, ConfigError
from zoo.files.storage import write_atomically
from zoo.training.budget import TrainingBudget

FILE = "plan.json"


@dataclass(frozen=True)
class Plan:
    """A comparison before it is run.

    Attributes:
        contestants, controls: what was named, and the control rows of a full one.
        source: name or absolute path of the data; None for an array.
        seeds: of the trainings.
        amount: the budget of each; None takes the data set's number of epochs.
        full: whether everything is measured.
        device: where models are trained and sampled.
        directory: from which relative paths lead.
        depends_on: everything else that the results depend on, as nested plain values, once it is known.
        changes: what was not the same when it went on, in clauses.
    """

    contestants: tuple[str, ...]
    controls: tuple[str, ...]
    source: str | None
    seeds: tuple[int, ...]
    amount: TrainingBudget | None
    full: bool
    directory: str
    device: str = "cpu"
    depends_on: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    @property
    def entrants(self) -> list[PlannedRow]:
        """Every row of the table.

        Raises:
            ConfigError: for a contestant that is none, or named twice.
        """
        if doubles := sorted({text for text in self.contestants if self.contestants.count(text) > 1}):
            raise ConfigError(f"A contestant stands once in a comparison, got {', '.join(doubles)} twice.")
        base = Path(self.directory)
        return [
            *(parse_row(text, base=base) for text in self.contestants),
            *(parse_row(text, "control") for text in self.controls if text not in self.contestants),
            PlannedRow(REAL, "real", "real"),
        ]

    def write(self, folder: Path) -> None:
        """Write it down."""
        write_atomically(folder / FILE, json.dumps(asdict(self), indent=2).encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The plan of a comparison that was begun.

        Raises:
            CheckpointError: if there is none.
        """
        file = folder / FILE
        try:
            return TypeAdapter(cls).validate_json(file.read_bytes())
        except OSError as error:
            raise CheckpointError(
                f"{folder} is no folder of a comparison: {FILE} cannot be read ({error.strerror or error})."
            ) from None
        except (ValueError, RecursionError, ConfigError):
            raise CheckpointError(f"{file} does not say what was compared; begin a new comparison.") from None
