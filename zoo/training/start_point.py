"""Where a training starts: at its first step, or at a checkpoint whose conditions still hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.errors import CheckpointError
from zoo.files.tensor_file import read
from zoo.training.checkpoints import FILE, CheckpointPolicy, earlier_states
from zoo.training.differences import differences
from zoo.training.log import FILE as LOG
from zoo.training.log import Log
from zoo.training.state import State

_Count = Annotated[int, Field(ge=0)]


class _Budget(BaseModel):
    """The meter's part of a checkpoint."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    steps: _Count
    seconds: float
    stopped: bool
    losses: list[str]
    count: _Count
    log: _Count


class _Timetable(BaseModel):
    """The timetable's part of a checkpoint."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    phase: str
    steps: _Count
    seconds: float


class _Parts(BaseModel):
    """The parts that every checkpoint has; `State.restore` checks the others, and their content."""

    model_config = ConfigDict(strict=True)

    module: dict[str, Any]
    budget: _Budget
    timetable: _Timetable | None = None  # absent from states of version 0.1


class _Facts(BaseModel):
    """The fields of a checkpoint."""

    model_config = ConfigDict(strict=True)

    depends_on: dict[str, Any]
    started: str
    resumed: list[_Count]
    changes: list[str]
    step: _Count
    state: _Parts


@dataclass(frozen=True)
class StartPoint:
    """Where a training starts.

    Attributes:
        depends_on: everything that its weights depend on, as nested plain values.
        started: when it was first started.
        state: the checkpoint to continue from; None starts at the first step.
        newest: step of the checkpoint in `state.safetensors`, if the training continues from that one.
        resumed: the steps at which the training was resumed, this one included.
        changes: what differed each time, in clauses; if any, the weights differ from an uninterrupted training's.
    """

    depends_on: Mapping[str, Any]
    started: str
    state: State | None = None
    newest: int | None = None
    resumed: tuple[int, ...] = ()
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, depends_on: Mapping[str, Any], saving: CheckpointPolicy | None, log: Log) -> Self:
        """Return the start that `saving` asks for; the log is emptied where a training starts at its first step.

        Raises:
            CheckpointError: if the checkpoint cannot be read, or something differs and changes are not allowed.
        """
        first = cls(depends_on, datetime.now(UTC).isoformat(timespec="seconds"))
        if saving is None or saving.start is None:
            log.cut(0)
            return first
        facts, tensors = _read(saving.start)
        found = differences(facts["depends_on"], depends_on)
        if log.length < facts["state"]["budget"]["log"]:
            found.append(f"{LOG} {facts['state']['budget']['log']} bytes then, {log.length} now")
        if found and not saving.allow_changes:
            raise CheckpointError(
                f"{saving.start} was saved under other conditions: {'; '.join(found)}. Continue from it, though not "
                "bit-identically, with --allow-changes (allow_changes=True)."
            )
        return replace(
            first,
            started=facts["started"],
            state=State(tensors, facts["state"]),
            newest=facts["step"] if saving.start.name == FILE else None,
            resumed=(*facts["resumed"], facts["step"]),
            changes=(*facts["changes"], *found),
        )

    @property
    def history(self) -> dict[str, Any]:
        """Plain values for `run.json`."""
        return {"started": self.started, "resumed": self.resumed, "changes": self.changes}

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values for the checkpoints that follow."""
        return {"depends_on": self.depends_on, **self.history}


def _read(file: Path) -> tuple[dict[str, Any], Any]:
    """Read a checkpoint; an error names an earlier one if there is one."""
    try:
        facts, tensors = read(file)
    except CheckpointError as error:
        if others := [path for path in earlier_states(file.parent) if path != file]:
            raise CheckpointError(f"{error} An earlier checkpoint: zoo train --resume {others[0]}.") from None
        raise
    if "state" not in facts:
        raise CheckpointError(f"{file} is a trained model, not a checkpoint; resume its folder: {file.parent}.")
    try:
        _Facts.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{file} is not a valid checkpoint: {place}: {first['msg']}; train again.") from None
    return facts, tensors
