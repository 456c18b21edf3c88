"""Jobs of the grid: train and measure contestants, measure runs, samples and real images. Imports no torch.

Fields that no result depends on are marked `ASIDE`: the journal leaves them out of a job's key.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from zoo.comparison.measurements import Measurements
from zoo.comparison.preparation import read_samples
from zoo.contestant import Contestant
from zoo.engine.events import emit
from zoo.engine.worker import failure
from zoo.errors import Unsupported
from zoo.plugins.registry import PluginRegistry
from zoo.training.budget import TrainingBudget

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.data.dataset import Data
    from zoo.models.model import Model
    from zoo.training.log import Report

# Metadata of a field: what the journal leaves out, and paths, which are others on another machine.
ASIDE = MappingProxyType({"identity": False})
READ = MappingProxyType({"path": "read"})
WRITTEN = MappingProxyType({"path": "written"})
DATA = MappingProxyType({**ASIDE, **READ})

VALIDATION = "validation.jsonl"  # in a training's folder: its validation losses after some epochs
_WAIT = 60.0  # seconds for an earlier attempt, on a machine that is lost, to end
_TRIAL_SECONDS = 2.0  # of training, for an estimate of the whole
_TRIAL_SAMPLES = 50


class Shared(BaseModel):
    """What the contestants of a cell share: the seconds of their training and its number of parameters."""

    model_config = ConfigDict(strict=True, frozen=True)

    train_seconds: float | None = None
    parameters: int | None = None


class CellResult(BaseModel):
    """What a cell found, by contestant."""

    model_config = ConfigDict(strict=True, frozen=True)

    shared: Shared
    contestants: Mapping[str, Measurements]

    @property
    def is_whole(self) -> bool:
        """Whether no contestant failed."""
        return not any(each.has_failed for each in self.contestants.values())


@dataclass(frozen=True)
class TrainCell:
    """Train once; then, for each contestant that shares the training, fit its density, export, sample and measure.

    The training resumes from its last checkpoint, if the folder has one; once everything is measured, checkpoints are
    removed. The failure of one contestant does not affect the others.
    """

    kind: Literal["train"] = field(default="train", kw_only=True)
    result: ClassVar[Any] = CellResult

    contestants: tuple[Contestant, ...]
    seed: int
    budget: TrainingBudget
    folder: str = field(metadata=WRITTEN)
    metrics: tuple[str, ...]
    pictures: bool
    device: str
    n: int | None
    file: str = field(metadata=DATA)
    command: str = field(metadata=ASIDE)
    save_every: float = field(metadata=ASIDE)
    allow_changes: bool = field(metadata=ASIDE)
    features: str = field(default="", kw_only=True)
    snapshots: tuple[int, ...] = field(default=(), kw_only=True, metadata=ASIDE)  # epochs

    def run(self, registry: PluginRegistry) -> CellResult:
        """Run the job; see the class."""
        from zoo.comparison.measuring import Measuring
        from zoo.data.dataset import Data
        from zoo.files.folder_lock import locked
        from zoo.files.names import slug
        from zoo.files.storage import remove_unfinished
        from zoo.models.checkpoint import load_model
        from zoo.models.model import FILE as MODEL
        from zoo.runtime.devices import find_device
        from zoo.runtime.interruption import Interruption
        from zoo.runtime.threads import single_thread
        from zoo.training.checkpoints import CheckpointPolicy, newest_state, remove_states
        from zoo.training.job import TrainingJob
        from zoo.training.module import train_module
        from zoo.training.record import FILE as RECORD
        from zoo.training.resolved import resolve
        from zoo.training.train import check_labels, fit_density

        run = Path(self.folder)
        with single_thread(), locked(run, wait=_WAIT), Interruption(self.command) as interruption:
            remove_unfinished(run)
            data = Data.open(Path(self.file))
            resolved = {each.text: resolve(registry, each) for each in self.contestants}
            for each in resolved.values():
                check_labels(each, data)
            start = newest_state(run)
            checkpoints = CheckpointPolicy(self.save_every, keep=1, start=start, allow_changes=self.allow_changes)
            job = TrainingJob(
                resolved[self.contestants[0].text],
                data,
                self.seed,
                self.budget,
                run,
                checkpoints,
                find_device(self.device),
                snapshots=self.snapshots,
            )
            trained = train_module(job, lambda report: emit(_progress(report)), interruption)
            seconds = json.loads((run / RECORD).read_bytes())["seconds"]  # those of earlier attempts included
            measuring = Measuring(data, run, self.metrics, self.n, registry, self.features)

            def export(contestant: Contestant, trained: Model, folder: Path) -> Model:
                model = replace(trained, options=contestant.options)
                if density := resolved[contestant.text].density:
                    per_class = resolved[contestant.text].density_options.per_class
                    model = fit_density(model, density, data, self.seed, per_class=per_class)
                model.save(folder / f"{slug(contestant.text)}.safetensors")
                return model

            def measured(contestant: Contestant) -> Measurements:
                emit({"stage": f"evaluating {contestant.text}"})
                model = export(contestant, trained, run)
                for epoch in self.snapshots:
                    folder = run / f"epoch-{epoch}"
                    if (folder / MODEL).exists():  # a training that stopped early has fewer
                        export(contestant, load_model(folder, registry), folder)
                return measuring.model(contestant.text, model, self.seed, pictures=self.pictures)

            if self.snapshots:
                self._write_validation(run, trained, data, registry)
            found = CellResult(
                shared=Shared(train_seconds=seconds, parameters=trained.n_parameters),
                contestants={each.text: _attempted(measured, each) for each in self.contestants},
            )
            if found.is_whole:
                remove_states(run)
        return found

    def _write_validation(self, run: Path, trained: Model, data: Data, registry: PluginRegistry) -> None:
        """Write the validation loss after each of the epochs and at the end, where it can be compared."""
        from zoo.files.storage import write_atomically
        from zoo.models.checkpoint import load_model
        from zoo.training.validation import validation_loss

        lines = []
        for epoch in (*self.snapshots, self.budget.value):
            folder = run / f"epoch-{epoch}"
            if epoch != self.budget.value and not folder.exists():
                continue
            model = trained if epoch == self.budget.value else load_model(folder / "model.safetensors", registry)
            loss = validation_loss(model, data, self.seed, progress=epoch / self.budget.value)
            if loss is not None:
                lines.append(json.dumps({"epoch": epoch, "valid_loss": loss}))
        write_atomically(run / VALIDATION, "".join(f"{line}\n" for line in lines).encode())


@dataclass(frozen=True)
class EvaluateRun:
    """Measure a finished run, under other sampling options if some are given."""

    kind: Literal["run"] = field(default="run", kw_only=True)
    result: ClassVar[Any] = CellResult

    contestant: str
    source: str = field(metadata=READ)
    seed: int
    folder: str = field(metadata=WRITTEN)
    metrics: tuple[str, ...]
    pictures: bool
    device: str
    options: dict[str, Any] | None
    n: int | None = None
    file: str = field(metadata=DATA, kw_only=True)
    features: str = field(default="", kw_only=True)

    def run(self, registry: PluginRegistry) -> CellResult:
        """Run the job; see the class."""
        from zoo.comparison.measuring import Measuring
        from zoo.data.dataset import Data
        from zoo.models.checkpoint import load_model
        from zoo.runtime.threads import single_thread

        with single_thread():
            model = load_model(Path(self.source), registry, self.device).with_options(self.options or {})
            measuring = Measuring(
                Data.open(Path(self.file)), Path(self.folder), self.metrics, self.n, registry, self.features
            )
            return CellResult(
                shared=Shared(parameters=model.n_parameters),
                contestants={
                    self.contestant: measuring.model(self.contestant, model, self.seed, pictures=self.pictures)
                },
            )


@dataclass(frozen=True)
class EvaluateSamples:
    """Measure samples that were made elsewhere."""

    kind: Literal["samples"] = field(default="samples", kw_only=True)
    result: ClassVar[Any] = CellResult

    contestant: str
    source: str = field(metadata=READ)
    seed: int
    folder: str = field(metadata=WRITTEN)
    metrics: tuple[str, ...]
    pictures: bool
    file: str = field(metadata=DATA)
    features: str = field(default="", kw_only=True)

    def run(self, registry: PluginRegistry) -> CellResult:
        """Run the job; see the class."""
        from zoo.comparison.measuring import Measuring
        from zoo.data.dataset import Data
        from zoo.runtime.threads import single_thread

        with single_thread():
            data = Data.open(Path(self.file))
            measuring = Measuring(data, Path(self.folder), self.metrics, None, registry, self.features)
            samples = read_samples(self.source, data)[: measuring.n]
            found = measuring.samples(self.contestant, samples, self.seed, pictures=self.pictures)
            return CellResult(shared=Shared(), contestants={self.contestant: found})


@dataclass(frozen=True)
class EvaluateReal:
    """Measure held-out real images: what a perfect model would reach."""

    kind: Literal["real"] = field(default="real", kw_only=True)
    result: ClassVar[Any] = CellResult

    contestant: str = field(metadata=ASIDE)
    folder: str = field(metadata=WRITTEN)
    metrics: tuple[str, ...]
    file: str = field(metadata=DATA)
    features: str = field(default="", kw_only=True)

    def run(self, registry: PluginRegistry) -> CellResult:
        """Run the job; see the class."""
        from zoo.comparison.measuring import Measuring
        from zoo.data.dataset import Data
        from zoo.evaluation.reference import reference_split
        from zoo.runtime.threads import single_thread

        with single_thread():
            data = Data.open(Path(self.file))
            measuring = Measuring(data, Path(self.folder), self.metrics, None, registry, self.features)
            split = reference_split(data)
            found = measuring.samples(self.contestant, split.real, 0, pictures=True, labels=split.real_labels)
            return CellResult(shared=Shared(), contestants={self.contestant: found})


@dataclass(frozen=True)
class Trial:
    """Return the seconds that a cell will take without its metrics, from two seconds of training and a few samples."""

    kind: Literal["trial"] = field(default="trial", kw_only=True)
    result: ClassVar[Any] = float

    contestants: tuple[Contestant, ...]
    budget: TrainingBudget
    device: str
    file: str = field(metadata=DATA)

    def run(self, registry: PluginRegistry) -> float:
        """Run the job; see the class."""
        from zoo.data.dataset import Data
        from zoo.evaluation.reference import reference_split
        from zoo.runtime.devices import find_device
        from zoo.runtime.randomness import bernoulli, generator
        from zoo.runtime.threads import single_thread
        from zoo.training.job import TrainingJob
        from zoo.training.module import train_module
        from zoo.training.record import FILE as RECORD
        from zoo.training.resolved import resolve

        with single_thread(), tempfile.TemporaryDirectory(prefix="zoo-") as scratch:
            data = Data.open(Path(self.file))
            resolved = [resolve(registry, each) for each in self.contestants]
            first, budget = resolved[0], TrainingBudget(_TRIAL_SECONDS, "seconds")
            job = TrainingJob(first, data, 0, budget, Path(scratch), device=find_device(self.device))
            model = train_module(job)
            run = json.loads((Path(scratch) / RECORD).read_text())
            seconds: float = run["seconds"]
            if self.budget.unit == "seconds":
                seconds = self.budget.value
            elif not first.plugin.implements("fit"):  # which has stopped by itself
                epochs = self.budget.value * ceil(len(data.train) / first.batch_size)
                seconds *= (self.budget.value if self.budget.unit == "steps" else epochs) / run["steps"]
            n, test = reference_split(data).n_samples, len(data.test)
            x = data.test[:100]
            if data.spec.support == "unit":
                x = bernoulli(x, generator(0, "probe"))
            for contestant, its in zip(self.contestants, resolved, strict=True):
                each = replace(model, options=contestant.options)
                if its.density is None:
                    seconds += _seconds(lambda: each.sample(_TRIAL_SAMPLES, seed=0)) * n / _TRIAL_SAMPLES  # noqa: B023
                y = data.test_labels if each.is_conditional else None
                _, few, more = (_seconds(partial(_score, each, x[:m], y)) for m in (10, 10, 100))
                seconds += more + max(0.0, more - few) / 90 * (test - 100)
            return seconds


def _attempted(measured: Callable[[Contestant], Measurements], contestant: Contestant) -> Measurements:
    """Return the measurements of a contestant, or why there are none; the traceback goes to the log."""
    try:
        return measured(contestant)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything
        failed = failure(error)
        print(failed["traceback"], end="", file=sys.stderr, flush=True)
        return Measurements(failed=failed["reason"], exit_code=failed["exit_code"])


def _score(model: Model, x: Tensor, y: Tensor | None) -> None:
    """Compute the likelihood of the first test examples; y are the classes of all of them."""
    model.log_prob(x, None if y is None else y[: len(x)])


def _seconds(work: Callable[[], Any]) -> float:
    """Return how long something takes; 0 where it is unsupported."""
    began = time.monotonic()
    try:
        work()
    except Unsupported:
        return 0.0
    return time.monotonic() - began


def _progress(report: Report) -> dict[str, Any]:
    return {"progress": report.progress, "step": report.step, "losses": report.losses}
