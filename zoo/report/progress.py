"""Progress on standard error or in a notebook: bars while work runs, plain lines where nothing can be redrawn.

Imports neither rich nor torch until a bar is shown.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol, Self

from zoo.runtime.notebook import in_notebook

OnEvent = Callable[[Any, dict[str, Any]], None]

#: how a job of each kind ended; other kinds are done
_DONE = {"prepare": "loaded", "describe": "settings checked", "describe-run": "checked", "describe-samples": "checked"}
_CELLS = ("train", "run", "samples", "real")  # kinds of the jobs that measure
_REDRAW = 0.1  # seconds between two drawings in a notebook
_WIDTH = 100  # characters of a line in a notebook


class Epoch(Protocol):
    """What a bar needs of a training's report (`zoo.training.log.Report`)."""

    @property
    def epoch(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def progress(self) -> float: ...
    @property
    def losses(self) -> Mapping[str, float]: ...


class Bars(Protocol):
    """One bar per running job."""

    def update(self, name: str, share: float, note: str) -> None:
        """Set a bar, with the share of its work that is done in [0, 1]."""

    def show(self, figures: Mapping[str, list[float]], title: str) -> None:
        """Show the figures that each contestant has so far, one per seed, under the title of their metric."""

    def end(self, name: str, text: str, *, failed: bool) -> None:
        """Remove a bar, and say how its job ended."""

    def say(self, text: str) -> None:
        """Show a line."""

    def close(self) -> None:
        """Stop drawing."""


class ShownProgress:
    """Context manager that shows progress: `report` takes the reports of a training, `on_event` those of jobs.

    On a terminal and in a notebook there are live bars. Elsewhere, lines are printed to standard error.

    Attributes:
        losses: the last mean losses of a training, by name.
    """

    _live: ClassVar[bool] = False  # one live display per process: a second one would overwrite the first

    def __init__(self) -> None:
        self.losses: dict[str, float] = {}
        self._cells = Cells()
        self._bars: Bars | None = None
        self._epoch = 0  # of the last printed line

    def __enter__(self) -> Self:
        if is_shown(None):
            self._bars = NotebookBars() if in_notebook() else TerminalBars()
            ShownProgress._live = True
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bars:
            ShownProgress._live = False
            self._bars.close()

    def on_event(self, job: Any, event: dict[str, Any]) -> None:
        """Show an event of a comparison's job."""
        if "ended" in event:
            self._ended(job, event["ended"])
        elif "failed_attempt" in event:
            self._end(job.name, f"tried again: {event['failed_attempt']}", failed=True)
        elif "cells" in event:
            self._cells = Cells(event["cells"], event["done"], event["metric"], event["title"])
        elif "data" in event:
            self._say(f"Data set {event['data']}:")
        elif "estimate" in event:
            self._say(f"Estimated time: {_minutes(event['estimate'])}.")
        elif "provisional" in event:
            if not isinstance(self._bars, NotebookBars):  # whose lines would stay beside the final table
                self._say(_provisional(event["provisional"]))
        elif "warning" in event:
            self._say(f"Warning: {event['warning']}")
        elif self._bars is None:
            return
        elif "progress" in event:
            self._bars.update(job.name, event["progress"], _losses(event["losses"]))
        elif "stage" in event:
            self._bars.update(job.name, 1.0, event["stage"])
        else:
            self._bars.update(job.name, 0.0, "")

    def report(self, report: Epoch) -> None:
        """Show a report of a training in this process, and keep its losses."""
        self.losses |= report.losses
        text = f"epoch {report.epoch}  {_losses(report.losses)}"
        if self._bars:
            self._bars.update("training", report.progress, text)
        elif report.epoch > self._epoch and _is_round(report.epoch):
            self._epoch = report.epoch
            self._say(f"{text}  {report.seconds:.1f} s")

    def move(self, name: str, share: float, note: str) -> None:
        """Move a bar, where there are any, to the share of its work that is done."""
        if self._bars:
            self._bars.update(name, share, note)

    def _ended(self, job: Any, outcome: Any) -> None:
        """Show how a job ended; for a cell also its number, its figures, and the time that is left."""
        kind = getattr(getattr(job, "job", None), "kind", "")
        text = (
            f"failed: {outcome.reason}" if outcome.failed else f"{_DONE.get(kind, 'done')} in {outcome.seconds:.1f} s"
        )
        name = job.name
        if kind in _CELLS and self._cells.total:
            text += self._cells.count(outcome)
            name = f"cell {self._cells.done} of {self._cells.total}: {name}"
            if self._bars:
                self._bars.show(self._cells.figures, self._cells.title)
        self._end(job.name, text, failed=outcome.failed, shown=name)

    def _end(self, name: str, text: str, *, failed: bool, shown: str = "") -> None:
        text = f"{shown or name}: {text}"
        if self._bars:
            self._bars.end(name, text, failed=failed)
        else:
            self._say(text)

    def _say(self, text: str) -> None:
        if self._bars:
            self._bars.say(text)
        elif sys.stderr is not None:  # None: closed by the caller
            print(text, file=sys.stderr, flush=True)


class Cells:
    """The cells of a comparison: how many are done, what they found, and how long the others will take.

    Args:
        total: their number.
        done: those that an earlier part of the comparison has done.
        metric, title: the metric whose figures are shown, and its title; "" for none.
    """

    def __init__(self, total: int = 0, done: int = 0, metric: str = "", title: str = "") -> None:
        self.total, self.done, self.metric, self.title = total, done, metric, title
        self.figures: dict[str, list[float]] = {}
        self._before, self._began = done, time.monotonic()

    def count(self, outcome: Any) -> str:
        """Count a cell that ended, and return its figures and the time that is left as the end of a sentence."""
        self.done += 1
        found = {}
        for contestant, its in ({} if outcome.failed else outcome.result.contestants).items():
            measured = its.metrics.get(self.metric)
            if measured is not None and measured.value is not None:
                found[contestant] = measured.value
                self.figures.setdefault(contestant, []).append(measured.value)
        words = ", ".join(f"{name} {value:.3g}" for name, value in found.items())
        left = (time.monotonic() - self._began) / (self.done - self._before) * (self.total - self.done)
        return (f"; {self.title}: {words}" if words else "") + (f"; about {_minutes(left)} left" if left else "")


class TerminalBars:
    """Bars on a terminal, by rich; they are erased at the end, and the lines of ended jobs stay."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import TaskID

        self._progress = _rich_progress(Console(stderr=True), transient=True)
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()

    def update(self, name: str, share: float, note: str) -> None:
        """Set a bar."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=1.0, note="")
        self._progress.update(self._tasks[name], completed=share, note=note)

    def show(self, figures: Mapping[str, list[float]], title: str) -> None:
        """Draw the table of figures above the bars."""
        self._progress.board = _board(figures, title)

    def end(self, name: str, text: str, *, failed: bool) -> None:
        """Remove a bar and print a line above the others."""
        if name in self._tasks:
            self._progress.remove_task(self._tasks.pop(name))
        self.say(text)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Erase the bars."""
        self._progress.stop()


class NotebookBars:
    """Bars in one output of a notebook's cell; its last state stays: lines, bars, and the number of finished jobs.

    Drawn as text by rich and shown by IPython: rich's own display in notebooks needs ipywidgets.
    """

    def __init__(self) -> None:
        import io

        from IPython.display import display
        from rich.console import Console
        from rich.progress import TaskID

        self._console = Console(file=io.StringIO(), width=_WIDTH, color_system=None, force_jupyter=False)
        self._progress = _rich_progress(self._console)
        self._tasks: dict[str, TaskID] = {}
        self._lines: list[str] = []
        self._done = 0
        self._lock = threading.Lock()
        self._drawn = time.monotonic()
        self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    def update(self, name: str, share: float, note: str) -> None:
        """Set a bar."""
        with self._lock:
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name, total=1.0, note="")
            self._progress.update(self._tasks[name], completed=share, note=note)
        self._draw()

    def show(self, figures: Mapping[str, list[float]], title: str) -> None:
        """Draw the table of figures above the bars."""
        with self._lock:
            self._progress.board = _board(figures, title)

    def end(self, name: str, text: str, *, failed: bool) -> None:
        """Remove a bar; keep a line of a failure, and count a job that is done."""
        with self._lock:
            if name in self._tasks:
                self._progress.remove_task(self._tasks.pop(name))
            if failed:
                self._lines.append(text)
            else:
                self._done += 1
        self._draw()

    def say(self, text: str) -> None:
        """Add a line above the bars."""
        with self._lock:
            self._lines.append(text)
        self._draw()

    def close(self) -> None:
        """Draw the last state."""
        self._draw(now=True)

    def _draw(self, *, now: bool = False) -> None:
        with self._lock:
            if not now and time.monotonic() - self._drawn < _REDRAW:
                return
            self._drawn = time.monotonic()
            with self._console.capture() as capture:
                self._console.print(self._progress.get_renderable())
            done = [f"{self._done} {'job' if self._done == 1 else 'jobs'} done"] if self._done else []
            lines = [*self._lines, *(line.rstrip() for line in capture.get().splitlines()), *done]
            self._handle.update({"text/plain": "\n".join(line for line in lines if line)}, raw=True)


def is_shown(progress: bool | None) -> bool:
    """Return whether progress is shown: as asked for; None shows it on a terminal and in a notebook, not elsewhere."""
    if progress is not None:
        return progress
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return (terminal or in_notebook()) and not ShownProgress._live


@contextmanager
def training_progress(progress: bool | Callable[[Any], None] | None) -> Iterator[Callable[[Any], None] | None]:
    """Yield the function that takes a training's reports: the caller's, that of a bar, or None.

    Raises:
        TypeError: if `progress` is not True, False, None or a function.
    """
    if callable(progress):
        yield progress
    elif is_shown(_checked(progress, " or a function")):
        with ShownProgress() as shown:
            yield shown.report
    else:
        yield None


@contextmanager
def comparison_progress(progress: bool | None, on_event: OnEvent | None = None) -> Iterator[OnEvent | None]:
    """Yield the function that takes a comparison's events: `on_event`, one that also moves the bars, or None.

    Raises:
        TypeError: if `progress` is not True, False or None.
    """
    if not is_shown(_checked(progress)):
        yield on_event
        return
    with ShownProgress() as shown:

        def both(job: Any, event: dict[str, Any]) -> None:
            shown.on_event(job, event)
            if on_event:
                on_event(job, event)

        yield both


def _checked(progress: object, more: str = "") -> bool | None:
    if progress is None or isinstance(progress, bool):
        return progress
    raise TypeError(f"progress must be True, False, None{more}, got {progress!r:.80}")


def _rich_progress(console: Any, *, transient: bool = False) -> Any:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    class Board(Progress):
        """Bars below a table."""

        board: Any = None

        def get_renderables(self) -> Iterator[Any]:
            if self.board is not None:
                yield self.board
            yield self.make_tasks_table(self.tasks)

    note = TextColumn("{task.fields[note]}", markup=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(), note)
    return Board(*columns, console=console, transient=transient)


def _board(figures: Mapping[str, list[float]], title: str) -> Any:
    """Return the mean of each contestant's figures so far as a table, the number of seeds beside it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="so far", title_justify="left", box=None, padding=(0, 2))
    for heading in ("contestant", title, "seeds"):
        table.add_column(heading, justify="left" if heading == "contestant" else "right")
    for name, values in figures.items():
        table.add_row(Text(name), f"{sum(values) / len(values):.3g}", str(len(values)))
    return table


def _provisional(results: Any) -> str:
    """Return the headline table of the first seed, said to be provisional."""
    from zoo.report.table import headline

    return f"Provisional, from the first seed alone; the others follow:\n{headline(results)}"


def _losses(losses: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in losses.items())


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _is_round(epoch: int) -> bool:
    """Return whether an epoch is 1, 2, 5, 10, 20, 50, …: enough lines for a log, and not one per epoch."""
    return epoch > 0 and str(epoch).rstrip("0") in ("1", "2", "5")
