"""`tracked_comparison`: tell trackers about the cells of a comparison, each of which is a run. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.comparison.cells import CellResult, EvaluateReal, EvaluateRun, EvaluateSamples, TrainCell
from zoo.comparison.schedule import OnEvent, ScheduledJob
from zoo.contract.tracked_run import Setting, TrackedRun
from zoo.files.names import slug
from zoo.plugins.plugin import Plugin
from zoo.tracking.relay import Trackers
from zoo.tracking.trackers import settings_of, warn

Cell = TrainCell | EvaluateRun | EvaluateSamples | EvaluateReal


@contextmanager
def tracked_comparison(plugins: list[Plugin], on_event: OnEvent | None) -> Iterator[OnEvent | None]:
    """Yield the function that takes a comparison's events: `on_event`, or one that also calls trackers."""
    if not plugins:
        yield on_event
        return
    with Trackers(plugins, warn) as trackers:

        def both(job: ScheduledJob, event: dict[str, Any]) -> None:
            if on_event:
                on_event(job, event)
            if isinstance(job.job, Cell):  # other jobs prepare the comparison
                _track(trackers, job.job, event)

        yield both


def _track(trackers: Trackers, cell: Cell, event: Mapping[str, Any]) -> None:
    """Call the trackers for an event of a cell."""
    folder = Path(cell.folder)
    name = "/".join(folder.parts[-3:])  # comparison, training, seed
    if "started" in event:
        trackers.begin(TrackedRun(name, folder, _settings(cell)))
    elif "progress" in event:
        trackers.log(name, event["step"], event["losses"])
    elif "ended" in event:
        outcome = event["ended"]
        if outcome.failed:
            trackers.end(name, {}, failure=outcome.reason)
        else:
            _end(trackers, name, folder, outcome.result)


def _end(trackers: Trackers, name: str, folder: Path, result: CellResult) -> None:
    """Pass on the samples and the figures of each contestant of a cell."""
    from zoo.tracking.sheet import sheet_of_pictures

    summary: dict[str, float] = {}
    if result.shared.train_seconds is not None:
        summary["train_seconds"] = result.shared.train_seconds
    for contestant, measurements in result.contestants.items():
        summary |= {
            f"{contestant}/{metric}": figure.value
            for metric, figure in measurements.metrics.items()
            if figure.value is not None
        }
        if (pixels := sheet_of_pictures(folder / f"{slug(contestant)}.pictures.npz")) is not None:
            trackers.image(name, f"{contestant}/samples", pixels)
    trackers.end(name, summary, "; ".join(each.failed for each in result.contestants.values() if each.failed))


def _settings(cell: Cell) -> dict[str, Setting]:
    """Return what was asked for."""
    if isinstance(cell, TrainCell):
        more: dict[str, Setting] = {"seed": cell.seed, "budget": str(cell.budget), "device": cell.device}
        return settings_of(cell.contestants) | more
    return {"contestants": cell.contestant} | ({} if isinstance(cell, EvaluateReal) else {"seed": cell.seed})
