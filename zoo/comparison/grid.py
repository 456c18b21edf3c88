"""`Grid`: the jobs that a comparison needs, planned and not run. Imports no torch.

A trained contestant's cell is (model and settings, seed); contestants that differ only in density or sampling
share one. Finished runs, samples made elsewhere and the real images have one cell each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path

from zoo.comparison.cells import EvaluateReal, EvaluateRun, EvaluateSamples, TrainCell
from zoo.comparison.contestants import REAL, PlannedRow
from zoo.comparison.elsewhere import Elsewhere
from zoo.comparison.jobs import Job
from zoo.comparison.prepared import Prepared
from zoo.comparison.schedule import ScheduledJob
from zoo.contestant import Contestant
from zoo.files.names import slug
from zoo.plugins.registry import PluginRegistry
from zoo.training.budget import TrainingBudget

ATTEMPTS = 3  # of a job whose process dies or runs into the time limit


@dataclass
class SharedTraining:
    """Contestants that share a training: equal model, settings and training; their densities and sampling differ."""

    folder: str
    contestants: list[Contestant] = field(default_factory=list)


@dataclass(frozen=True)
class PlannedCell:
    """A job, and the rows that it measures with one seed."""

    texts: tuple[str, ...]
    seed: int
    job: ScheduledJob


@dataclass(frozen=True)
class CheckpointSettings:
    """How the cells' trainings are saved: the command that resumes them, and what `zoo.compare` was given."""

    command: str
    save_every: float
    allow_changes: bool


@dataclass(frozen=True)
class Grid:
    """Plans the cells of one comparison.

    Attributes:
        registry: tells which plugins exist in this process alone.
        rows: every row of the table.
        prepared: what is known of the data and of each row.
        seeds: of the trainings.
        budget: of every training.
        folder: of the comparison.
        file: the data, for all processes.
        device: where models are trained and sampled.
        features: name of the feature space; "" for the default.
        checkpoints: how trainings are saved.
        elsewhere: what other machines must have, if the cells run there.
        snapshots: epochs after which every training is measured, too.
    """

    registry: PluginRegistry
    rows: list[PlannedRow]
    prepared: Prepared
    seeds: list[int]
    budget: TrainingBudget
    folder: Path
    file: Path
    device: str
    features: str
    checkpoints: CheckpointSettings
    elsewhere: Elsewhere | None = None
    snapshots: tuple[int, ...] = ()
    trainings: list[SharedTraining] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trainings", _shared(trained(self.rows), self.prepared))

    def cells(self) -> list[PlannedCell]:
        """Return the cells of contestants, runs and samples, seed by seed: each contestant has a result early."""
        return [*self._training_cells(), *self._outside_cells()]

    def real_cell(self) -> PlannedCell:
        """Return the cell of the real images."""
        (row,) = (row for row in self.rows if row.kind == "real")
        folder = self.new_folder(self.folder_of(row), self.seeds[0])
        job = EvaluateReal(row.text, str(folder), self.metrics(), str(self.file), features=self.features)
        scheduled = self.scheduled("real images", job, folder / "output.log")
        return PlannedCell((row.text,), self.seeds[0], replace(scheduled, duration_group=REAL))

    def train_cell(
        self,
        name: str,
        contestants: tuple[Contestant, ...],
        seed: int,
        folder: Path,
        *,
        metrics: tuple[str, ...],
        pictures: bool = False,
        n: int | None = None,
        duration_group: str = "",
        snapshots: tuple[int, ...] = (),
    ) -> ScheduledJob:
        """Return the job of a training and of the contestants that share it."""
        job = TrainCell(
            contestants,
            seed,
            self.budget,
            str(folder),
            metrics,
            pictures,
            self.device,
            n,
            str(self.file),
            self.checkpoints.command,
            self.checkpoints.save_every,
            self.checkpoints.allow_changes,
            features=self.features,
            snapshots=snapshots,
        )
        scheduled = self.scheduled(
            name, job, folder / "output.log", inline=is_registered(self.registry, contestants[0])
        )
        return replace(scheduled, duration_group=duration_group)

    def scheduled(self, name: str, job: Job, log: Path, *, inline: bool = False) -> ScheduledJob:
        """Return a job of the grid, which is attempted again if its process dies."""
        needed = None if self.elsewhere is None or inline else self.elsewhere.needs(job)
        return ScheduledJob(name, job, log, inline, attempts=ATTEMPTS, needs=needed)

    def metrics(self, level: str = "", *, likelihood: bool = True) -> tuple[str, ...]:
        """Return the names of the metrics of a level, or all."""
        names = (metric.name for metric in self.prepared.data.metrics if level in ("", metric.level))
        return tuple(name for name in names if likelihood or name != "likelihood")

    def folder_of(self, row: PlannedRow) -> str:
        """Return the name of the folder, inside the comparison's, that has a folder for each seed of the row."""
        for training in self.trainings:
            if row.contestant in training.contestants:
                return training.folder
        return slug(row.text)

    def run_folder(self, row: PlannedRow, seed: int) -> Path:
        """Return the folder of a row and seed."""
        return self.folder / self.folder_of(row) / f"seed-{seed}"

    def new_folder(self, folder: str, seed: int, name: str = "") -> Path:
        """Make a folder of a row and seed, or of a name."""
        path = self.folder / folder / (name or f"seed-{seed}")
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _training_cells(self) -> Iterator[PlannedCell]:
        for seed in self.seeds:
            for training in self.trainings:
                contestants = tuple(training.contestants)
                job = self.train_cell(
                    f"{training.folder} seed {seed}",
                    contestants,
                    seed,
                    self.new_folder(training.folder, seed),
                    metrics=self.metrics(),
                    pictures=seed == self.seeds[0],
                    duration_group=training.folder,
                    snapshots=self.snapshots,
                )
                yield PlannedCell(tuple(each.text for each in contestants), seed, job)

    def _outside_cells(self) -> Iterator[PlannedCell]:
        for row in self.rows:
            if row.kind not in ("run", "samples"):
                continue
            seed, source = self.prepared.outside[row.text].seed, row.place
            folder = self.new_folder(self.folder_of(row), seed)
            job: EvaluateRun | EvaluateSamples
            if row.kind == "run":
                options = dict(row.options)
                job = EvaluateRun(
                    row.text,
                    source,
                    seed,
                    str(folder),
                    self.metrics(),
                    True,
                    self.device,
                    options,
                    file=str(self.file),
                    features=self.features,
                )
            else:
                job = EvaluateSamples(
                    row.text, source, seed, str(folder), self.metrics(), True, str(self.file), features=self.features
                )
            yield PlannedCell((row.text,), seed, self.scheduled(row.text, job, folder / "output.log"))


def trained(rows: list[PlannedRow]) -> list[Contestant]:
    """Return the contestants that are trained, controls included."""
    return [row.contestant for row in rows if row.contestant]


def is_registered(registry: PluginRegistry, contestant: Contestant) -> bool:
    """Return whether a contestant's model exists in this process alone, so that its jobs have to run here."""
    return registry.is_registered(contestant.model, contestant.group)


def _shared(contestants: list[Contestant], prepared: Prepared) -> list[SharedTraining]:
    """Group contestants by model, config and training settings; each group has a folder."""
    found: dict[str, SharedTraining] = {}
    for contestant in contestants:
        settings = prepared.settings[contestant.text]
        key = json.dumps([contestant.group, settings.model, settings.config, settings.training], sort_keys=True)
        if key not in found:
            taken = {each.folder for each in found.values()}
            names = chain([settings.name], (f"{settings.name}-{number}" for number in count(2)))
            folder = next(name for name in names if name not in taken)
            found[key] = SharedTraining(folder)
        found[key].contestants.append(contestant)
    return list(found.values())
