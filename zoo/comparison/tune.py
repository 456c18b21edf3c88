"""`tune`: the first half of a comparison with `tune`, alone: contestants are tuned, and no table is made.

Its folder is that of a comparison, so that `zoo compare --resume` continues with the trainings of the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from zoo.comparison.plan import TUNED, Plan
from zoo.comparison.run import begun, plan_of
from zoo.comparison.schedule import OnEvent
from zoo.contestant import as_texts, expand
from zoo.engine.processes import Method
from zoo.errors import CheckpointError, ConfigError
from zoo.files.storage import write_atomically
from zoo.plugins.registry import PluginRegistry
from zoo.report.tuning import tuning_text
from zoo.results.schema import Tuning
from zoo.runtime.notebook import one_line
from zoo.scalars import plain
from zoo.training.budget import TrainingBudget


@dataclass(frozen=True, repr=False)
class TuningResult:
    """The settings that tuning chose; `print(result)` shows every trial.

    Attributes:
        typed: the trials, their budget and measure, and the choice for each contestant.
        data: name or absolute path of the data; "" for an array.
        path: the folder with `tuning.json`; `zoo compare --resume` compares the choice with the defaults.
    """

    typed: Tuning
    data: str
    path: Path

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read a finished tuning from its folder.

        Raises:
            CheckpointError: if the folder has no valid `tuning.json`.
        """
        file = Path(path) / TUNED
        try:
            content = json.loads(file.read_bytes())
            return cls(Tuning.model_validate(content["tuning"]), content["data"], Path(path))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{file} does not contain a finished tuning: {error}.") from None

    @property
    def best(self) -> dict[str, str]:
        """Each contestant with its best settings, as `zoo.train` takes it: {"vae": "vae:latent_dim=4,beta=0.4"}."""
        return {each.contestant: each.tuned for each in self.typed.contestants}

    def write(self) -> None:
        """Write `tuning.json` to the folder."""
        content = {"data": self.data, "tuning": self.typed.model_dump(mode="json", exclude_unset=True)}
        write_atomically(self.path / TUNED, json.dumps(content, indent=2).encode())

    def __repr__(self) -> str:
        """`<zoo.TuningResult of vae, 50 trials: runs/tune-digits-1>`."""
        text = f"{', '.join(self.best)}, {self.typed.trials} trials: {self.path}"
        return f"<zoo.TuningResult of {one_line(text)}>"

    def __str__(self) -> str:
        """Return the trials and the choice of each contestant as text."""
        return tuning_text(self.typed, self.data)


def tune(
    registry: PluginRegistry,
    contestants: str | Iterable[str],
    data: Any,
    *,
    trials: int,
    measure: str,
    budget: TrainingBudget | None,
    device: str,
    features: str,
    out: Path,
    jobs: int | None,
    method: Method | None,
    executor: Any,
    timeout: float | None,
    resume: Path | None,
    allow_changes: bool,
    on_event: OnEvent | None,
) -> TuningResult:
    """Choose settings of contestants on the validation split; see `zoo.tune`.

    Raises:
        ZooError: for everything that is wrong, before any training.
    """
    texts = as_texts(contestants)
    trials = plain(trials)
    if resume is None:
        if not texts:
            raise ConfigError("Name a contestant to tune, for example vae@gmm.")
        if type(trials) is not int or trials < 1:
            raise ConfigError(f"trials must be a number >= 1, got {trials!r}.")
        chosen = tuple(each for text in texts for each in expand(text))
        plan = plan_of(
            registry, chosen, data, None, budget, device=device, features=features, tune=trials, measure=measure
        )
        if other := [row.text for row in plan.rows if row.kind in ("run", "samples")]:
            raise ConfigError(f"Only contestants can be tuned, got {', '.join(other)}, which is trained already.")
    else:
        if texts or budget:
            raise ConfigError("A resumed tuning keeps its contestants, trials, measure and budget; remove them.")
        plan = Plan.read(resume)
        if not plan.tune:
            raise ConfigError(f"{resume} is a comparison without tuning; resume it with zoo compare.")
    started = begun(
        registry,
        plan,
        data,
        folder=resume,
        resumed=resume is not None,
        out=out,
        jobs=jobs,
        method=method,
        executor=executor,
        timeout=timeout,
        allow_changes=allow_changes,
        on_event=on_event,
        verb="tune",
    )
    with started as start:
        found = TuningResult(Tuning.model_validate(start.plan.tuning), start.plan.source or "", start.folder)
        found.write()
    return found
