"""`Prepared`: what is known of the data and of every row once all plugins, settings and files have been checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.comparison.contestants import PlannedRow
from zoo.comparison.preparation import (
    DescribeContestant,
    DescribeRun,
    DescribeSamples,
    OutsideRow,
    PrepareData,
    PreparedData,
    Settings,
)
from zoo.comparison.schedule import ScheduledJob, Scheduler
from zoo.contestant import Contestant
from zoo.errors import CheckpointError, ConfigError, DataError, DivergedError, PluginError, ZooError
from zoo.plugins.registry import PluginRegistry

_ERRORS = {error.exit_code: error for error in (ConfigError, PluginError, DataError, CheckpointError, DivergedError)}


@dataclass(frozen=True)
class Prepared:
    """What is known before anything is trained.

    Attributes:
        data: of the data set, and how everything is measured.
        settings: of each contestant that is trained, by its text.
        outside: of each finished run and file of samples, by its text.
    """

    data: PreparedData
    settings: dict[str, Settings]
    outside: dict[str, OutsideRow]

    @property
    def depends_on(self) -> dict[str, Any]:
        """What the results depend on besides what was asked for, as plain values."""
        conditions = self.data.conditions
        outside = {text: row.model_dump(mode="json", exclude_unset=True) for text, row in self.outside.items()}
        return {
            "data": conditions.data.sha256,
            "reference": conditions.reference,
            "samples": conditions.samples,
            "features": conditions.features.sha256,
            "versions": dict(conditions.versions),
            "extensions": list(conditions.extensions),
            "metrics": [metric.name for metric in self.data.metrics],
            "settings": {text: each.model_dump(mode="json", exclude_unset=True) for text, each in self.settings.items()}
            | outside,
        }

    def only(self, rows: list[PlannedRow]) -> Prepared:
        """Return what is known of these rows."""
        kept = {row.text for row in rows}
        return replace(self, settings={text: each for text, each in self.settings.items() if text in kept})

    def settings_of(self, row: PlannedRow) -> dict[str, Any] | None:
        """Return the complete settings of a trained contestant or a finished run; None for bare samples."""
        if row.text in self.settings:
            return self.settings[row.text].model_dump(mode="json", exclude_unset=True)
        outside = self.outside.get(row.text)
        return dict(outside.settings) if outside and outside.settings is not None else None


def prepare(
    scheduler: Scheduler,
    registry: PluginRegistry,
    rows: list[PlannedRow],
    source: Any,
    *,
    folder: Path,
    file: Path,
    full: bool,
    device: str,
    features: str,
    n: int | None = None,
    metrics: tuple[str, ...] = (),
) -> Prepared:
    """Write the data to a file, find the feature network, load every plugin, and check every setting and file.

    Raises:
        ZooError: for everything that is wrong, at once.
    """
    name = source if isinstance(source, str) else None
    if name is None:
        from zoo.data.load import load_data

        loaded = load_data(source, registry)
        (loaded if n is None else loaded.with_first_test_examples(n)).save(file)
    inline = name is not None and registry.is_registered(name.partition(":")[0], "zoo.datasets")
    data_job = PrepareData(name, str(file), full, device, features, n, metrics)
    jobs = [ScheduledJob("data", data_job, folder / "data.log", inline)]
    log = folder / "plugins.log"
    contestants = [row.contestant for row in rows if row.contestant]
    jobs += _descriptions(registry, contestants, log)
    data, *settings = _results(scheduler, jobs)
    if data.conditions.data.classes is None:
        for contestant, its in zip(contestants, settings, strict=True):
            if its.needs_labels:
                name = data.conditions.data.name
                raise DataError(f"{contestant.text} needs labels, which {name} does not have; choose other data.")
    outside = [row for row in rows if row.kind in ("run", "samples")]
    jobs = []
    for row in outside:
        file_name = str(file)
        job = (
            DescribeRun(row.place, dict(row.options), file_name)
            if row.kind == "run"
            else DescribeSamples(row.place, file_name)
        )
        jobs.append(ScheduledJob(row.text, job, log))
    found = _results(scheduler, jobs)
    return Prepared(
        data,
        {each.text: its for each, its in zip(contestants, settings, strict=True)},
        {row.text: its for row, its in zip(outside, found, strict=True)},
    )


def with_contestants(
    prepared: Prepared, scheduler: Scheduler, registry: PluginRegistry, rows: list[PlannedRow], folder: Path
) -> Prepared:
    """Return what is known once the settings of further contestants have been checked, too.

    Raises:
        ZooError: for everything that is wrong, at once.
    """
    contestants = [row.contestant for row in rows if row.contestant and row.text not in prepared.settings]
    settings = _results(scheduler, _descriptions(registry, contestants, folder / "plugins.log"))
    found = {each.text: its for each, its in zip(contestants, settings, strict=True)}
    return replace(prepared, settings=prepared.settings | found)


def _descriptions(registry: PluginRegistry, contestants: list[Contestant], log: Path) -> list[ScheduledJob]:
    return [
        ScheduledJob(each.text, DescribeContestant(each), log, registry.is_registered(each.model, each.group))
        for each in contestants
    ]


def _results(scheduler: Scheduler, jobs: list[ScheduledJob]) -> list[Any]:
    """Return the results of jobs, or raise one error for everything that is wrong, of the kind of the first."""
    outcomes = scheduler.run(jobs)
    failed = [outcome for outcome in outcomes if outcome.failed]
    if failed:
        kind = _ERRORS.get(failed[0].exit_code, ZooError)
        error = kind(" ".join(dict.fromkeys(outcome.reason for outcome in failed)))
        error.__notes__ = [outcome.traceback for outcome in failed if outcome.traceback]
        raise error
    return [outcome.result for outcome in outcomes]
