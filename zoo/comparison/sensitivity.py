"""Sensitivity: each setting that a card declares, varied one at a time.

Each variation has the first seed, 1,000 samples and at most as many test examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.comparison.cells import CellResult, EvaluateRun
from zoo.comparison.contestants import PlannedRow
from zoo.comparison.grid import Grid, SharedTraining, is_registered
from zoo.comparison.schedule import Outcome, ScheduledJob
from zoo.contestant import sets_itself, with_setting
from zoo.files.names import slug
from zoo.results.schema import Variation

_SAMPLES = 1000
_SAMPLING = "sample."  # settings that need no second training


@dataclass(frozen=True)
class PlannedVariation:
    """A setting that differs from the contestant's; `key` is "" for the contestant as it is.

    Attributes:
        labels: what the job calls each contestant.
    """

    labels: dict[str, str]
    key: str
    value: Any
    job: ScheduledJob


def varied_trainings(grid: Grid) -> list[PlannedVariation]:
    """Return the variations that need a training."""
    found = []
    for training in grid.trainings:
        for key, values in varied(grid, training):
            for value in values:
                contestants = tuple(with_setting(each, key, value) for each in training.contestants)
                labels = {
                    each.text: changed.text for each, changed in zip(training.contestants, contestants, strict=True)
                }
                name, seed = f"{training.folder} with {key}={value}", grid.seeds[0]
                folder = grid.new_folder("sensitivity", seed, slug(name))
                job = grid.train_cell(name, contestants, seed, folder, metrics=grid.metrics("headline"), n=_SAMPLES)
                found.append(PlannedVariation(labels, key, value, job))
    return found


def varied_samplings(grid: Grid) -> list[PlannedVariation]:
    """Return each trained contestant as it is, and under each sampling setting of its card's sensitivity."""
    found = []
    for row in grid.rows:
        if row.role != "contestant" or row.contestant is None:
            continue
        if not (grid.run_folder(row, grid.seeds[0]) / f"{slug(row.text)}.safetensors").exists():
            continue
        declared = grid.prepared.settings[row.text].sensitivity
        for key, value in [("", None), *((key, value) for key, values in declared.items() for value in values)]:
            if key and (not key.startswith(_SAMPLING) or row.contestant.density):
                continue  # another training, or an option of the model's own sampling
            found.append(PlannedVariation({row.text: row.text}, key, value, _resampling(grid, row, key, value)))
    return found


def varied(grid: Grid, training: SharedTraining) -> list[tuple[str, list[Any]]]:
    """Return the settings of a card that need a training, with their values; none for controls."""
    roles = {row.role for row in grid.rows if row.contestant in training.contestants}
    if "contestant" not in roles:
        return []
    declared = grid.prepared.settings[training.contestants[0].text].sensitivity
    free = [key for key in declared if not any(sets_itself(each, key) for each in training.contestants)]
    return [(key, declared[key]) for key in free if not key.startswith(_SAMPLING)]


def measured(planned: PlannedVariation, outcome: Outcome) -> list[Variation]:
    """Return what a variation gave, one entry per contestant."""
    found = []
    for contestant, label in planned.labels.items():
        facts = {
            "contestant": contestant,
            "key": planned.key,
            "value": planned.value,
            "default": planned.key == "",
        }
        if outcome.failed:
            found.append(Variation(**facts, failed=outcome.reason))
            continue
        result: CellResult = outcome.result
        own = result.contestants[label]
        given = own.model_dump(include={"failed", "metrics"}, exclude_unset=True)
        found.append(Variation.model_validate(facts | given))
    return found


def _resampling(grid: Grid, row: PlannedRow, key: str, value: Any) -> ScheduledJob:
    name = f"{row.text} with {key}={value}" if key else f"{row.text} as it is"
    seed = grid.seeds[0]
    folder = grid.new_folder("sensitivity", seed, slug(name))
    job = EvaluateRun(
        row.text,
        str(grid.run_folder(row, seed) / f"{slug(row.text)}.safetensors"),
        seed,
        str(folder),
        grid.metrics("headline", likelihood=not key),
        False,
        grid.device,
        {key.removeprefix(_SAMPLING): value} if key else None,
        _SAMPLES,
        file=str(grid.file),
        features=grid.features,
    )
    assert row.contestant
    return grid.scheduled(name, job, folder / "output.log", inline=is_registered(grid.registry, row.contestant))
