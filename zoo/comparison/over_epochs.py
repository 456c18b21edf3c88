"""How well each contestant generates over training: one training, measured after some of its epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.comparison.cells import CellResult, EvaluateRun
from zoo.comparison.grid import Grid, is_registered
from zoo.comparison.schedule import Outcome, ScheduledJob
from zoo.errors import ConfigError
from zoo.files.names import slug
from zoo.results.schema import AtEpoch


@dataclass(frozen=True)
class PlannedEpoch:
    """A contestant after an epoch of the training of one seed, and the job that measures it."""

    contestant: str
    seed: int
    epoch: int
    job: ScheduledJob


def chosen_epochs(epochs: object) -> tuple[int, ...]:
    """Return epochs in increasing order.

    Raises:
        ConfigError: for anything but distinct whole numbers from 1 on, at least two.
    """
    found = tuple(epochs) if isinstance(epochs, list | tuple | range) else ()
    if len(set(found)) < max(2, len(found)) or any(type(each) is not int or each < 1 for each in found):
        raise ConfigError(f"over_epochs must be two or more different whole numbers >= 1, got {epochs!r}.")
    return tuple(sorted(found))


def planned_epochs(grid: Grid) -> list[PlannedEpoch]:
    """Return the measurements of all contestants that were saved after an epoch, with the headline metrics."""
    found = []
    for row in grid.rows:
        if row.role != "contestant" or row.contestant is None:
            continue
        for seed in grid.seeds:
            for epoch in grid.snapshots:
                folder = grid.run_folder(row, seed) / f"epoch-{epoch}"
                source = folder / f"{slug(row.text)}.safetensors"
                if source.exists():
                    job = EvaluateRun(
                        row.text,
                        str(source),
                        seed,
                        str(folder),
                        grid.metrics("headline", likelihood=False),
                        False,
                        grid.device,
                        None,
                        file=str(grid.file),
                        features=grid.features,
                    )
                    name = f"{row.text} seed {seed} after epoch {epoch}"
                    inline = is_registered(grid.registry, row.contestant)
                    scheduled = grid.scheduled(name, job, folder / "output.log", inline=inline)
                    found.append(PlannedEpoch(row.text, seed, epoch, scheduled))
    return found


def at_epoch(planned: PlannedEpoch, outcome: Outcome) -> AtEpoch:
    """Return what was measured after an epoch, or why it failed."""
    facts: dict[str, Any] = {"contestant": planned.contestant, "seed": planned.seed, "epoch": planned.epoch}
    if outcome.failed:
        return AtEpoch(**facts, failed=outcome.reason)
    result: CellResult = outcome.result
    own = result.contestants[planned.contestant]
    return AtEpoch.model_validate(facts | own.model_dump(include={"failed", "metrics"}, exclude_unset=True))
