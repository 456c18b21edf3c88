"""Progress on standard error: a live bar per job on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from zoo.engine.pool import Job
    from zoo.training.log import Report


class ShownProgress:
    """Shows jobs as they run; a context manager whose `on_event` suits a `Pool` and `report` a training."""

    def __init__(self) -> None:
        self._live: Any = None
        self._bars: dict[str, Any] = {}
        self._epoch = 0  # of the last line
        self.losses: dict[str, float] = {}

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self._live = Progress(*columns, console=Console(stderr=True), transient=True)
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()

    def on_event(self, job: Job, event: dict[str, Any]) -> None:
        """Take an event of a job of the grid."""
        if "ended" in event:
            outcome = event["ended"]
            done = f"done in {outcome.seconds:.1f} s"
            self._end(job.name, f"failed: {outcome.reason}" if outcome.failed else done)
        elif "lost" in event:
            self._end(job.name, f"tried again: {event['lost']}")
        elif "estimate" in event:
            click.echo(f"Estimated time: {_minutes(event['estimate'])}.", err=True)
        elif "progress" in event:
            self._update(job.name, event["progress"], _losses(event["losses"]))
        elif "stage" in event:
            self._update(job.name, 1.0, event["stage"])
        else:
            self._update(job.name, 0.0, "")

    def report(self, report: Report) -> None:
        """Take a report of a training in this process, and keep its losses."""
        self.losses |= report.losses
        text = f"epoch {report.epoch}  {_losses(report.losses)}"
        self._update("training", report.progress, text)
        if not self._live and report.epoch > self._epoch and _is_round(report.epoch):
            self._epoch = report.epoch
            click.echo(f"{text}  {report.seconds:.1f} s", err=True)

    def _update(self, name: str, share: float, note: str) -> None:
        if not self._live:
            return
        if name not in self._bars:
            self._bars[name] = self._live.add_task(name, total=1.0, note="")
        self._live.update(self._bars[name], completed=share, note=note)

    def _end(self, name: str, text: str) -> None:
        if self._live:
            if name in self._bars:
                self._live.remove_task(self._bars.pop(name))
            self._live.console.print(f"{name}: {text}", markup=False, highlight=False)
        else:
            click.echo(f"{name}: {text}", err=True)


def _losses(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in losses.items())


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _is_round(epoch: int) -> bool:
    """1, 2, 5, 10, 20, 50, …: enough lines for a log, and not one per epoch."""
    return epoch > 0 and str(epoch).rstrip("0") in ("1", "2", "5")
