"""The time that a full comparison will take, estimated from short trials before it starts."""

from __future__ import annotations

from collections.abc import Callable

from zoo.comparison.cells import Trial
from zoo.comparison.grid import Grid, PlannedCell, is_registered
from zoo.comparison.schedule import Outcome, ScheduledJob
from zoo.comparison.sensitivity import varied

Run = Callable[[list[ScheduledJob]], list[Outcome]]


def estimated(grid: Grid, run: Run, slots: int) -> tuple[float, list[PlannedCell], list[tuple[PlannedCell, Outcome]]]:
    """Estimate the time of each cell from trials.

    The cell of the real images runs ahead: it fills the caches and times the metrics, caches included.

    Returns:
        The seconds that everything will take; the cells that are left, longest first; and the cell that ran ahead.
    """
    real = grid.real_cell()
    (ahead,) = run([real.job])
    trials = []
    for training in grid.trainings:
        trial = Trial(tuple(training.contestants), grid.budget, grid.device, str(grid.file))
        inline = is_registered(grid.registry, training.contestants[0])
        trials.append(grid.scheduled(f"trial of {training.folder}", trial, grid.folder / "estimate.log", inline=inline))
    outcomes = run(trials)
    training_seconds = {
        training.folder: 0.0 if outcome.failed else float(outcome.result)
        for training, outcome in zip(grid.trainings, outcomes, strict=True)
    }

    def seconds_of(cell: PlannedCell) -> float:
        own = (training_seconds[each.folder] for each in grid.trainings if each.contestants[0].text in cell.texts)
        return next(own, 0.0) + ahead.seconds * len(cell.texts)

    left = grid.cells()
    for_variations = sum(
        training_seconds[training.folder] * len(values)
        for training in grid.trainings
        for _, values in varied(grid, training)
    )
    seconds = (sum(map(seconds_of, left)) + for_variations) / slots
    return seconds, sorted(left, key=seconds_of, reverse=True), [(real, ahead)]
