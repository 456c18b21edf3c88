"""Where a training begins: at its first step, or at a state that was saved, if nothing differs that it depends on."""

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
    """What must stand in a state of the budget that is used."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    steps: _Count
    seconds: float
    stopped: bool
    losses: list[str]
    count: _Count
    log: _Count


class _Parts(BaseModel):
    """The parts that each training has; `State.restore` checks the others, and what is inside."""

    model_config = ConfigDict(strict=True)

    module: dict[str, Any]
    budget: _Budget


class _Facts(BaseModel):
    """What must stand in a state file."""

    model_config = ConfigDict(strict=True)

    depends_on: dict[str, Any]
    started: str
    resumed: list[_Count]
    changes: list[str]
    step: _Count
    state: _Parts


@dataclass(frozen=True)
class StartPoint:
    """Where a training begins.

    Attributes:
        depends_on: everything that its weights depend on, as nested plain values.
        started: when it was begun for the first time.
        state: what to go on from; None begins at the first step.
        newest: step of the state in `state.safetensors`, if the training goes on from that one.
        resumed: the steps at which it went on, with this one.
        changes: what differed then, in clauses; with any, the weights are not those of an undisturbed training.
    """

    depends_on: Mapping[str, Any]
    started: str
    state: State | None = None
    newest: int | None = None
    resumed: tuple[int, ...] = ()
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, depends_on: Mapping[str, Any], saving: CheckpointPolicy | None, log: Log) -> Self:
        """What `saving` asks for; the log is emptied for a training that begins at its first step.

        Raises:
            CheckpointError: if the state cannot be read, or if something differs and changes are not allowed.
        """
        first = cls(depends_on, datetime.now(UTC).isoformat(timespec="seconds"))
        if saving is None or saving.begin is None:
            log.cut(0)
            return first
        facts, tensors = _read(saving.begin)
        found = differences(facts["depends_on"], depends_on)
        if log.length < facts["state"]["budget"]["log"]:
            found.append(f"{LOG} {facts['state']['budget']['log']} bytes then, {log.length} now")
        if found and not saving.allow_changes:
            raise CheckpointError(
                f"{saving.begin} was saved by another training: {'; '.join(found)}. Go on with it all the same, and "
                "not bit-identically, with --allow-changes (allow_changes=True)."
            )
        return replace(
            first,
            started=facts["started"],
            state=State(tensors, facts["state"]),
            newest=facts["step"] if saving.begin.name == FILE else None,
            resumed=(*facts["resumed"], facts["step"]),
            changes=(*facts["changes"], *found),
        )

    @property
    def history(self) -> dict[str, Any]:
        """Plain values for `run.json`."""
        return {"started": self.started, "resumed": self.resumed, "changes": self.changes}

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values for the states that follow."""
        return {"depends_on": self.depends_on, **self.history}


def _read(file: Path) -> tuple[dict[str, Any], Any]:
    """A state file, with the way out if it is damaged and an earlier one is there."""
    try:
        facts, tensors = read(file)
    except CheckpointError as error:
        if others := [path for path in earlier_states(file.parent) if path != file]:
            raise CheckpointError(f"{error} An earlier state: zoo train --resume {others[0]}.") from None
        raise
    if "state" not in facts:
        raise CheckpointError(f"{file} is the model of a training, not its state; resume its folder: {file.parent}.")
    try:
        _Facts.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{file} is no state of a training: {place}: {first['msg']}; train again.") from None
    return facts, tensors
