"""`FirstSeed`: the results of the first seed, announced once every row of a comparison has it. Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zoo.comparison.grid import PlannedCell
from zoo.comparison.journal import Journal
from zoo.comparison.schedule import Outcome, ScheduledJob, Scheduler
from zoo.results.schema import Results

Found = list[tuple[PlannedCell, Outcome]]


class FirstSeed:
    """Collects the first cell of every row, and announces the results that they make.

    Nothing is announced if no row has a second cell, because the table itself then comes at the same time.

    Args:
        cells: all cells of the comparison.
        journal: cells that an earlier part of the comparison has done.
        results: makes results of such cells.
    """

    def __init__(self, cells: Sequence[PlannedCell], journal: Journal, results: Callable[[Found], Results]) -> None:
        first: dict[tuple[str, ...], PlannedCell] = {}
        for cell in cells:
            first.setdefault(cell.texts, cell)
        self._waiting = list(first.values()) if len(first) < len(cells) else []
        self._journal, self._results = journal, results

    @contextlib.contextmanager
    def announced(self, scheduler: Scheduler) -> Iterator[None]:
        """Send `{"provisional": Results}` to the scheduler's listener as soon as the last of these cells has ended."""
        tell, found = scheduler.on_event, Found()
        for cell in list(self._waiting):
            if outcome := self._journal.find(cell.job):
                self._take(cell, outcome, found)

        def on_event(job: ScheduledJob, event: dict[str, Any]) -> None:
            tell(job, event)
            cell = next((each for each in self._waiting if each.job is job), None)
            if cell and (outcome := event.get("ended")):
                self._take(cell, outcome, found)
                if not self._waiting:
                    tell(ScheduledJob("provisional", None), self._event(found))

        with scheduler.heard_by(on_event):
            yield

    def _event(self, found: Found) -> dict[str, Any]:
        try:
            return {"provisional": self._results(found)}
        except Exception as error:  # the table that follows does not depend on this one
            return {"warning": f"There is no table of the first seed ({type(error).__name__}: {error})"}

    def _take(self, cell: PlannedCell, outcome: Outcome, found: Found) -> None:
        self._waiting.remove(cell)
        found.append((cell, outcome))
