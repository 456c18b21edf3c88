"""`RunRecord`: a run as its folder describes it, which is enough to resume it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from zoo.contestant import Contestant
from zoo.data.paths import looks_like_a_path, split_path, with_options
from zoo.errors import CheckpointError, ConfigError
from zoo.models.checkpoint import load_model
from zoo.models.model import FILE as MODEL
from zoo.models.model import Model
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.ranks import ALONE, Ranks
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy, newest_state
from zoo.training.differences import differences
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
    threads: Annotated[int, Field(ge=1)] = 1
    weights: InitialWeights | None = None


@dataclass(frozen=True)
class RunRecord:
    """A run as its folder describes it.

    Attributes:
        folder: of the run.
        state: the checkpoint to continue from; None if none was saved, so that the run starts at its first step.
        contestant, source, budget, seed, device: what was trained; `source` is None for data that were an array.
        weights: the weights of another run with which it was started; None for those of the plugin.
        threads: on which it was trained.
        trained: whether its training has ended.
    """

    folder: Path
    state: Path | None
    contestant: Contestant
    source: str | None
    budget: TrainingBudget
    seed: int
    device: str
    weights: InitialWeights | None = None
    trained: bool = False
    threads: int = 1

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
            return cls(
                folder,
                state,
                contestant,
                facts["source"],
                budget,
                facts["seed"],
                record.device,
                record.weights,
                facts.get("status") == "trained",
                record.threads,
            )
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
    threads: int | None = None,
    ranks: Ranks = ALONE,
) -> TrainingJob:
    """Return the job that continues a run; each argument takes the place of what the run was started with."""
    if data is None and run.source is None:
        raise ConfigError(f"{run.folder} was trained on an array, which no file holds; give it again as data.")
    if run.source is not None and isinstance(data, str | Path) and looks_like_a_path(str(data)):
        data = with_options(str(data), {}, split_path(run.source)[1])  # a file that was moved
    job = plan(
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
        threads=run.threads if threads is None else threads,
        ranks=ranks,
    )
    if job.resolved.plugin.implements("fit") and run.trained and (run.folder / MODEL).exists():
        return replace(job, finished=_finished(registry, job, run.folder / MODEL))
    return job


def _finished(registry: PluginRegistry, job: TrainingJob, file: Path) -> Model | None:
    """Return the model of a finished run with its own `fit`; None to train it again under other conditions.

    Raises:
        CheckpointError: if something differs and changes are not allowed.
    """
    model, resolved = load_model(file, registry, str(job.device)), job.resolved
    name = f"{resolved.plugin.card.name}{f'@{resolved.density.card.name}' if resolved.density else ''}"
    then = {
        "model": model.name,
        "config": model.config.model_dump(mode="json"),
        "data": model.protocol["data"]["sha256"],
        "budget": model.protocol["budget"],
        "training": model.protocol["training"],
    }
    now = {
        "model": name,
        "config": resolved.config.model_dump(mode="json"),
        "data": job.data.sha256,
        "budget": str(job.budget),
        "training": resolved.training(),
    }
    found = differences(then, now)
    if not found:
        return model
    if job.checkpoints and job.checkpoints.allow_changes:
        return None
    raise CheckpointError(
        f"{file.parent} is finished, under other conditions: {'; '.join(found)}. A model with its own fit() cannot be "
        "continued; start a new run, or train it again with --allow-changes (allow_changes=True)."
    )
