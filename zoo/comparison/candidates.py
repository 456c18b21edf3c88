"""Jobs of tuning: describe a contestant's search space, and train one candidate. Imports no torch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from zoo.comparison.cells import DATA
from zoo.contestant import Contestant, sets_itself
from zoo.contract.search import Range
from zoo.engine.events import emit
from zoo.errors import ConfigError
from zoo.plugins.registry import PluginRegistry
from zoo.training.budget import TrainingBudget

if TYPE_CHECKING:
    from zoo.models.model import Model
    from zoo.training.log import Report


class Dimension(BaseModel):
    """A setting that tuning chooses: its default, and the ends of a range, or choices."""

    model_config = ConfigDict(frozen=True)

    default: Any
    ends: tuple[int | float, int | float] | None = None
    log: bool = False
    choices: list[Any] = []

    def __str__(self) -> str:
        return str(Range(*self.ends, self.log)) if self.ends else ", ".join(map(str, self.choices))


@dataclass(frozen=True)
class DescribeSpace:
    """Return the settings that tuning chooses for a contestant; those that it sets itself are not among them.

    Raises:
        ConfigError: for a contestant without the likelihood by which tuning chooses.
    """

    kind: Literal["space"] = field(default="space", kw_only=True)
    result: ClassVar[Any] = Mapping[str, Dimension]

    contestant: Contestant
    metric: str = "kernel"

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        """The contestant, whose plugins another machine must have."""
        return (self.contestant,)

    def run(self, registry: PluginRegistry) -> Mapping[str, Dimension]:
        """Run the job; see the class."""
        from zoo.plugins.describe import tunable
        from zoo.training.resolved import resolve

        resolved = resolve(registry, self.contestant)
        plugin, players = resolved.plugin, resolved.phases[0].players
        if self.metric == "likelihood" and not plugin.implements("log_prob"):
            raise ConfigError(
                f"{self.contestant.text} has no likelihood to be chosen by, because {plugin.card.name} does not "
                "implement log_prob; choose by the kernel distance (--measure kernel), or leave it out."
            )
        defaults = {"": resolved.config, "train": players[0].settings, "sample": resolved.options}
        found = {}
        for key, values in tunable(plugin).items():
            prefix, _, name = key.rpartition(".")
            if sets_itself(self.contestant, key):
                continue
            default = getattr(defaults[prefix], name)
            found[key] = (
                Dimension(default=default, ends=(values.low, values.high), log=values.log)
                if isinstance(values, Range)
                else Dimension(default=default, choices=list(values))
            )
        return found


class CandidateResult(BaseModel):
    """What a candidate reached.

    Attributes:
        value: of the metric on the validation split, after the training; None for a candidate that was stopped early.
        curve: epoch -> value after it.
    """

    model_config = ConfigDict(frozen=True)

    value: float | None
    curve: Mapping[int, float]


class _StoppedEarly(Exception):  # noqa: N818  (a candidate that is stopped is no error)
    pass


@dataclass(frozen=True)
class TrainCandidate:
    """Train a contestant and measure its samples against the validation split; no test example is read.

    The training stops early when, after one of the epochs of `limits`, the value is worse than the limit of that epoch.
    """

    kind: Literal["candidate"] = field(default="candidate", kw_only=True)
    result: ClassVar[Any] = CandidateResult

    contestant: Contestant
    seed: int
    budget: TrainingBudget
    metric: str
    limits: Mapping[int, float | None]  # epoch -> worst value, None for any
    device: str
    features: str
    file: str = field(metadata=DATA)
    higher_is_better: bool = field(default=False, kw_only=True)

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        """The contestant, whose plugins another machine must have."""
        return (self.contestant,)

    def run(self, registry: PluginRegistry) -> CandidateResult:
        """Run the job; see the class."""
        from zoo.comparison.measuring import Measuring
        from zoo.data.dataset import Data
        from zoo.evaluation.reference import reference_split
        from zoo.models.checkpoint import load_model
        from zoo.models.model import FILE as MODEL
        from zoo.runtime.devices import find_device
        from zoo.runtime.threads import single_thread
        from zoo.training.job import TrainingJob
        from zoo.training.module import train_module
        from zoo.training.resolved import resolve
        from zoo.training.train import check_labels, fit_density

        with single_thread(), tempfile.TemporaryDirectory(prefix="zoo-") as scratch:
            folder, curve = Path(scratch), dict[int, float]()
            sign = -1 if self.higher_is_better else 1
            data = Data.open(Path(self.file)).without_test()
            resolved = resolve(registry, self.contestant)
            check_labels(resolved, data)
            n = reference_split(data).n_samples
            measuring = Measuring(data, folder, (self.metric,), n, registry, self.features)

            def value_of(model: Model) -> float:
                model = replace(model, options=self.contestant.options)
                if resolved.density:
                    per_class = resolved.density_options.per_class
                    model = fit_density(model, resolved.density, data, self.seed, per_class=per_class)
                found = measuring.model(self.contestant.text, model, self.seed, pictures=False).metrics[self.metric]
                if found.value is None:
                    raise ConfigError(
                        f"Tuning chooses by the metric {self.metric}, but {found.unsupported.rstrip('.')}."
                    )
                return float(found.value)

            def watch(report: Report) -> None:
                emit({"progress": report.progress, "step": report.step, "losses": report.losses})
                for epoch, limit in self.limits.items():
                    snapshot = folder / f"epoch-{epoch}"
                    if epoch not in curve and (snapshot / MODEL).exists():
                        curve[epoch] = value_of(load_model(snapshot, registry, self.device))
                        if limit is not None and sign * curve[epoch] > sign * limit:
                            raise _StoppedEarly

            job = TrainingJob(
                resolved,
                data,
                self.seed,
                self.budget,
                folder,
                device=find_device(self.device),
                snapshots=tuple(self.limits),
            )
            try:
                return CandidateResult(value=value_of(train_module(job, watch)), curve=curve)
            except _StoppedEarly:
                return CandidateResult(value=None, curve=curve)
