"""`resume`: a training goes on from its run folder alone, with nothing typed again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from zoo.contestant import Contestant
from zoo.errors import CheckpointError, ConfigError
from zoo.models.model import Model
from zoo.plugins.registry import PluginRegistry
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy, newest_state
from zoo.training.meter import Progress
from zoo.training.record import FILE
from zoo.training.train import train


class _Record(BaseModel):
    """What must stand in a `run.json` for its run to be resumed."""

    model_config = ConfigDict(strict=True)

    contestant: Contestant
    source: str | None
    amount: TrainingBudget
    seed: Annotated[int, Field(ge=0)]
    device: str = "cpu"  # where a run says nothing of it


@dataclass(frozen=True)
class RunRecord:
    """A run as its folder tells it.

    Attributes:
        folder: of the run.
        state: the state file to go on from; None if none was saved, so that it begins at its first step.
        contestant, source, amount, seed, device: what it is; `source` is None for data that were an array.
    """

    folder: Path
    state: Path | None
    contestant: Contestant
    source: str | None
    amount: TrainingBudget
    seed: int
    device: str

    @classmethod
    def read(cls, run: Path) -> Self:
        """From a run folder, or from one of its state files.

        Raises:
            CheckpointError: if it is none, or of a training that cannot be resumed.
        """
        folder, state = (run, newest_state(run)) if run.is_dir() else (run.parent, run)
        file = folder / FILE
        try:
            content = file.read_bytes()
            device = _Record.model_validate_json(content).device
            facts = json.loads(content)
            amount = TrainingBudget(facts["amount"]["value"], facts["amount"]["unit"])
            contestant = Contestant(**facts["contestant"])
            return cls(folder, state, contestant, facts["source"], amount, facts["seed"], device)
        except OSError as error:
            raise CheckpointError(
                f"{folder} is no run folder: {FILE} cannot be read ({error.strerror or error})."
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError, ConfigError):
            raise CheckpointError(
                f"{file} does not say what was trained; only what zoo train has begun can be resumed."
            ) from None


def resume(
    registry: PluginRegistry,
    begun: RunRecord,
    *,
    contestant: Contestant | None = None,
    data: Any = None,
    amount: TrainingBudget | None = None,
    progress: Progress | None = None,
    saving: CheckpointPolicy | None = None,
    device: str | None = None,
) -> Model:
    """Go on with a training; see `zoo.Registry.resume`."""
    if data is None and begun.source is None:
        raise ConfigError(f"{begun.folder} was trained on an array, which no file holds; give it again as data.")
    return train(
        registry,
        contestant or begun.contestant,
        begun.source if data is None else data,
        seed=begun.seed,
        amount=amount or begun.amount,
        folder=begun.folder,
        progress=progress,
        source=begun.source if data is None else None,
        saving=replace(saving or CheckpointPolicy(), begin=begun.state),
        resuming=True,
        device=device or begun.device,
    )
