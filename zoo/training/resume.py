"""`RunRecord`: a run as its folder describes it, which is enough to resume it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from zoo.contestant import Contestant
from zoo.errors import CheckpointError, ConfigError
from zoo.plugins.registry import PluginRegistry
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy, newest_state
from zoo.training.initial_weights import InitialWeights
from zoo.training.job import TrainingJob
from zoo.training.record import FILE
from zoo.training.train import plan


class _Record(BaseModel):
    """The fields of `run.json` that resuming needs."""

    model_config = ConfigDict(strict=True)

    contestant: Contestant
    source: str | None
    amount: TrainingBudget
    seed: Annotated[int, Field(ge=0)]
    device: str = "cpu"  # runs from before devices could be chosen
    weights: InitialWeights | None = None


@dataclass(frozen=True)
class RunRecord:
    """A run as its folder describes it.

    Attributes:
        folder: of the run.
        state: the checkpoint to continue from; None if none was saved, so that the run starts at its first step.
        contestant, source, budget, seed, device: what was trained; `source` is None for data that were an array.
        weights: the weights of another run with which it was started; None for those of the plugin.
    """

    folder: Path
    state: Path | None
    contestant: Contestant
    source: str | None
    budget: TrainingBudget
    seed: int
    device: str
    weights: InitialWeights | None = None

    @classmethod
    def read(cls, run: Path) -> Self:
        """Read a run folder, given itself or one of its checkpoints.

        Raises:
            CheckpointError: if there is no run, or it cannot be resumed.
        """
        folder, state = (run, newest_state(run)) if run.is_dir() else (run.parent, run)
        file = folder / FILE
        try:
            content = file.read_bytes()
            record = _Record.model_validate_json(content)
            facts = json.loads(content)
            budget = TrainingBudget(facts["amount"]["value"], facts["amount"]["unit"])
            contestant = Contestant(**facts["contestant"])
            return cls(folder, state, contestant, facts["source"], budget, facts["seed"], record.device, record.weights)
        except OSError as error:
            raise CheckpointError(
                f"{folder} is not a run folder: {FILE} cannot be read ({error.strerror or error})."
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError, ConfigError):
            raise CheckpointError(
                f"{file} does not say what was trained; only runs started with zoo train can be resumed."
            ) from None


def plan_resumed(
    registry: PluginRegistry,
    run: RunRecord,
    *,
    contestant: Contestant | None = None,
    data: Any = None,
    budget: TrainingBudget | None = None,
    checkpoints: CheckpointPolicy | None = None,
    device: str | None = None,
) -> TrainingJob:
    """Return the job that continues a run; each argument takes the place of what the run was started with."""
    if data is None and run.source is None:
        raise ConfigError(f"{run.folder} was trained on an array, which no file holds; give it again as data.")
    return plan(
        registry,
        contestant or run.contestant,
        run.source if data is None else data,
        seed=run.seed,
        budget=budget or run.budget,
        folder=run.folder,
        checkpoints=replace(checkpoints or CheckpointPolicy(), start=run.state),
        device=device or run.device,
        source=run.source if data is None else None,
        resuming=True,
        weights=run.weights,
    )
