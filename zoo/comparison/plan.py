"""`plan.json`: the description of a comparison, written before its first job so that it can be resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from zoo.comparison.contestants import REAL, PlannedRow, control_row, parse_row
from zoo.errors import CheckpointError, ConfigError
from zoo.files.storage import write_atomically
from zoo.plugins.fingerprint import Fingerprint
from zoo.training.budget import TrainingBudget

FILE = "plan.json"
SUMMARY = "summary.json"  # of comparisons on several data sets, above their folders
TUNED = "tuning.json"  # beside it, after zoo tune


@dataclass(frozen=True)
class Plan:
    """A comparison before it is run.

    Attributes:
        contestants, controls: the rows that were asked for, and the control rows of a full comparison.
        source: name or absolute path of the data; None for an array.
        seeds: of the trainings.
        amount: the budget of each training; None takes the data set's number of epochs.
        full: whether everything is measured.
        n: number of test examples to compare with; None for the whole test split.
        device: where models are trained and sampled.
        features: name of the feature space; "" for the default.
        metrics: names of the metrics; () for those of every comparison, and with `full` all.
        over_epochs: epochs after which every training is measured; the last is the budget. () measures its end only.
        directory: the folder that relative paths start from.
        distributions: what was installed where it was planned, if its cells run on other machines.
        tune: number of trials with which each trained contestant is tuned; 0 for none.
        measure: the metric by which tuning chooses.
        tuning: what tuning chose, as plain values of `zoo.results.schema.Tuning`, once it is known.
        depends_on: everything else that the results depend on, as nested plain values, once it is known.
        changes: what differed each time the comparison was resumed, in clauses.
    """

    contestants: tuple[str, ...]
    controls: tuple[str, ...]
    source: str | None
    seeds: tuple[int, ...]
    amount: TrainingBudget | None
    full: bool
    directory: str
    device: str = "cpu"
    features: str = ""
    metrics: tuple[str, ...] = ()
    over_epochs: tuple[int, ...] = ()
    n: int | None = None
    distributions: Mapping[str, Fingerprint] = field(default_factory=dict)
    tune: int = 0
    measure: str = "kernel"
    tuning: Mapping[str, Any] | None = None
    depends_on: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[PlannedRow]:
        """Every row of the table; a tuned contestant follows the one with the defaults.

        Raises:
            ConfigError: for an invalid contestant, or one that is given twice.
        """
        if doubles := sorted({text for text in self.contestants if self.contestants.count(text) > 1}):
            raise ConfigError(f"A contestant may be given once, got {', '.join(doubles)} twice; remove the repetition.")
        base = Path(self.directory)
        chosen = {each["contestant"]: each["tuned"] for each in self.tuning["contestants"]} if self.tuning else {}
        tuned = (each for text in self.contestants for each in (text, chosen.get(text, text)))
        return [
            *(parse_row(text, base=base) for text in dict.fromkeys(tuned)),
            *(control_row(name, self._label(name)) for name in self.controls),
            PlannedRow(REAL, "real", "real"),
        ]

    def _label(self, control: str) -> str:
        """Return a control's label: its name, unless a contestant has it."""
        return f"control:{control}" if control in self.contestants else control

    def write(self, folder: Path) -> None:
        """Write `plan.json`."""
        write_atomically(folder / FILE, json.dumps(asdict(self), indent=2).encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the plan of a comparison.

        Raises:
            CheckpointError: if there is none.
        """
        file = folder / FILE
        try:
            return TypeAdapter(cls).validate_json(file.read_bytes())
        except OSError as error:
            raise CheckpointError(
                f"{folder} is not the folder of a comparison: {FILE} cannot be read ({error.strerror or error})."
            ) from None
        except (ValueError, RecursionError, ConfigError):
            raise CheckpointError(f"{file} does not say what was compared; start a new comparison.") from None
