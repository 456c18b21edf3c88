"""What the tables of a comparison say, before anybody decides how they look: sheets of cells from a `results.json`.

`table` shows them in a terminal, as Markdown and in a notebook, `html` in the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from zoo.report.figures import bracket, figure, interval, kind_mark, whole

Results = dict[str, Any]
Row = dict[str, Any]
Metric = dict[str, Any]

ARROWS = {"lower": "↓", "higher": "↑", "none": ""}
MARKS = {"best": "*", "tied": "~", "open": "?"}
ROLES = {"contestant": "contestants", "control": "controls", "real": "real images"}
COSTS = {
    "parameters": ("parameters", "numbers that training adjusts"),
    "train_seconds": ("training s", "seconds of training, mean over the seeds"),
    "sample_seconds_per_1000": ("s per 1,000 samples", "seconds to draw 1,000 samples, mean over the seeds"),
}


@dataclass(frozen=True)
class Column:
    """A column: its title, which direction is better, and what it says in one line."""

    title: str
    direction: str = "none"
    summary: str = ""

    @property
    def heading(self) -> str:
        """The title with an arrow towards what is better."""
        return f"{self.title}\N{NO-BREAK SPACE}{ARROWS[self.direction]}".rstrip()


@dataclass(frozen=True)
class TableCell:
    """A cell: the figure, a second line under it, and how the figure stands against the column's best."""

    text: str
    below: str = ""
    standing: str | None = None

    @property
    def mark(self) -> str:
        """`*` best, `~` tied with the best, `?` open; nothing where the results say nothing."""
        return MARKS.get(self.standing or "", "")


@dataclass(frozen=True)
class TableRow:
    """A contestant's line; `below` says how many of its seeds failed."""

    contestant: str
    role: str
    cells: list[TableCell]
    below: str = ""


@dataclass(frozen=True)
class TableView:
    """One table. At its foot stand `notes`, why figures are missing, and `remarks`, what metrics say of theirs."""

    title: str
    columns: list[Column]
    lines: list[TableRow]
    notes: list[str]
    remarks: list[str] = field(default_factory=list)

    @property
    def groups(self) -> list[tuple[str, list[TableRow]]]:
        """The lines by role, with the role's heading: contestants, then controls, then real images."""
        groups = [(title, [line for line in self.lines if line.role == role]) for role, title in ROLES.items()]
        return [(title, lines) for title, lines in groups if lines]


def sheets(results: Results) -> list[TableView]:
    """The headline; details and costs; and, where they were measured, the figures of a full comparison."""
    titles = {"headline": "How each one generates", "detail": "Details and costs", "full": "More figures"}
    found = []
    for level, title in titles.items():
        metrics = measured(results, level)
        costs = COSTS if level == "detail" else {}
        if metrics or costs:
            found.append(sheet(title, ordered(results), metrics, costs))
    return found


def sheet(title: str, rows: list[Row], metrics: list[Metric], costs: dict[str, tuple[str, str]]) -> TableView:
    """A table of these rows and metrics, with costs as its last columns."""
    lines = [_line(row, [*(_cell(row, each["name"]) for each in metrics), *_costs(row, costs)]) for row in rows]
    columns = [*map(_column, metrics), *(Column(name, summary=summary) for name, summary in costs.values())]
    return TableView(title, columns, lines, _missing(rows, metrics), _remarks(rows, metrics))


def differences(results: Results) -> TableView | None:
    """Paired differences to each column's best; None where there are none (one seed)."""
    rows = ordered(results, "contestant")
    metrics = [each for each in results["metrics"] if any(_difference(row, each["name"]) for row in rows)]
    if not metrics:
        return None
    lines = [_line(row, [_difference_cell(row, metric["name"]) for metric in metrics]) for row in rows]
    return TableView("Differences to the best", [_column(metric) for metric in metrics], lines, [])


def pairs(results: Results) -> TableView | None:
    """Paired differences of every two contestants, first minus second; None where there are none."""
    found = results.get("differences") or {}
    metrics = [metric for metric in results["metrics"] if found.get(metric["name"])]
    cells: dict[str, list[TableCell]] = {}
    for number, metric in enumerate(metrics):
        for each in found[metric["name"]]:
            line = cells.setdefault(f"{each['first']} − {each['second']}", [TableCell("n/a")] * len(metrics))
            line[number] = TableCell(interval(each["mean"], each["half_width"]))
    lines = [TableRow(name, "contestant", line) for name, line in cells.items()]
    return TableView("Every pair", [_column(metric) for metric in metrics], lines, []) if lines else None


def measured(results: Results, level: str) -> list[Metric]:
    """The metrics of a level that have a figure for anybody."""
    return [each for each in results["metrics"] if each["level"] == level and _has_figures(results, each["name"])]


def ranking_metric(results: Results) -> Metric | None:
    """What the tables are ordered by: the Fréchet distance, or the first headline metric with a better direction."""
    usable = [metric for metric in measured(results, "headline") if metric["direction"] != "none"]
    return next((metric for metric in usable if metric["name"] == "frechet"), usable[0] if usable else None)


def ordered(results: Results, *roles: str) -> list[Row]:
    """The rows role by role (default: all roles), the better ones first, who is not ranked last.

    Not ranked is a row without the figure, or with failed seeds.
    """
    metric, order = ranking_metric(results), list(roles or ROLES)

    def place(row: Row) -> tuple[int, bool, float]:
        mean = row["summary"][metric["name"]].get("mean") if metric else None
        sign = -1 if metric and metric["direction"] == "higher" else 1
        return order.index(row["role"]), mean is None or bool(failures(row)), sign * (mean or 0.0)

    return sorted((row for row in results["rows"] if row["role"] in order), key=place)


def all_failures(results: Results) -> list[str]:
    """A sentence for each row with failed seeds."""
    return [f"{row['contestant']}: {text}" for row in results["rows"] if (text := failures(row))]


def incidents(results: Results) -> list[str]:
    """What happened on the way, a sentence each: cells that were tried again, conditions that changed."""
    lost = [
        (row["contestant"], cell["seed"], cell["lost"])
        for row in results["rows"]
        for cell in row["cells"]
        if cell.get("lost")
    ]
    tried = [f"{name} seed {seed}: tried again, since {' and then '.join(reasons)}" for name, seed, reasons in lost]
    changes = results["protocol"].get("changes")
    return [*tried, *([f"Gone on with under other conditions: {'; '.join(changes)}"] if changes else [])]


def failures(row: Row) -> str:
    """How many of a row's seeds failed and why, or nothing."""
    failed = [cell for cell in row["cells"] if "failed" in cell]
    if not failed:
        return ""
    reasons = "; ".join(dict.fromkeys(cell["failed"] for cell in failed))
    return f"{len(failed)} of {len(row['cells'])} seeds failed: {reasons}"


def legend(shown: Iterable[TableView]) -> list[str]:
    """What the signs in these sheets mean; only those that occur."""
    cells = [cell for sheet in shown for line in sheet.lines for cell in line.cells]
    texts = [cell.text for cell in cells]
    sentences = {
        "± half-width of the 95 % t-interval over training seeds": any("±" in text for text in texts),
        "* best mean": any(cell.mark == "*" for cell in cells),
        "~ tied with the best: the 95 % interval of the paired difference contains 0": any(
            cell.mark == "~" for cell in cells
        ),
        "? the order is open: a bound cannot tell it": any(cell.mark == "?" for cell in cells),
        "= exact": any(text.startswith("=") for text in texts),
        "≥ lower bound": any(text.startswith("≥") for text in texts),
        "≤ upper bound": any("≤" in text[:2] for text in texts),
        "≈ estimate": any("≈" in text[:2] for text in texts),
        "[a, b] a lower and an upper bound": any(cell.below.startswith("[") for cell in cells),
        "s.e. standard error of the measuring itself": any(cell.below.startswith("s.e.") for cell in cells),
    }
    return [sentence for sentence, occurs in sentences.items() if occurs]


def _column(metric: Metric) -> Column:
    return Column(metric["title"], metric["direction"], metric["summary"])


def _line(row: Row, cells: list[TableCell]) -> TableRow:
    return TableRow(row["contestant"], row["role"], cells, failures(row).partition(":")[0])


def _cell(row: Row, name: str) -> TableCell:
    summary = row["summary"][name]
    if "mean" not in summary:
        return TableCell("failed" if _all_failed(row) else "n/a")
    text = f"{kind_mark(summary['kind'])} {interval(summary['mean'], summary['half_width'])}".strip()
    return TableCell(text, _below(summary), summary.get("standing"))


def _below(summary: dict[str, Any]) -> str:
    """The bracket of two bounds; without an interval over seeds the error of the measuring."""
    if summary.get("bracket"):
        return bracket(summary["bracket"])
    if summary["half_width"] is None and summary.get("stderr"):
        return f"s.e. {figure(summary['stderr'])}"
    return ""


def _costs(row: Row, costs: dict[str, tuple[str, str]]) -> list[TableCell]:
    texts = {name: "n/a" if row[name] is None else figure(row[name]) for name in costs}
    if "parameters" in texts:
        texts["parameters"] = whole(row["parameters"])
    return [TableCell(text) for text in texts.values()]


def _missing(rows: list[Row], metrics: list[Metric]) -> list[str]:
    """Why figures are missing, rows with equal reasons together."""
    missing: dict[str, list[str]] = {}
    for row in rows:
        for metric in metrics:
            summary = row["summary"][metric["name"]]
            if "mean" not in summary and not _all_failed(row):
                missing.setdefault(summary["unsupported"], []).append(row["contestant"])
    return [f"n/a, {', '.join(dict.fromkeys(names))}: {reason}" for reason, names in missing.items()]


def _remarks(rows: list[Row], metrics: list[Metric]) -> list[str]:
    """What the metrics say of their own figures: a line per metric, rows with equal notes together."""
    lines = []
    for metric in metrics:
        remarks: dict[str, list[str]] = {}
        for row in rows:
            if note := row["summary"][metric["name"]].get("note"):
                remarks.setdefault(note, []).append(row["contestant"])
        if remarks:
            parts = [f"{', '.join(names)}: {note}" for note, names in remarks.items()]
            lines.append(f"{metric['title']}. {' | '.join(parts)}")
    return lines


def _difference(row: Row, name: str) -> dict[str, Any] | None:
    difference: dict[str, Any] | None = row["summary"][name].get("difference")
    return difference


def _difference_cell(row: Row, name: str) -> TableCell:
    difference, standing = _difference(row, name), row["summary"][name].get("standing")
    if difference and standing != "best":
        return TableCell(interval(difference["mean"], difference["half_width"]), standing=standing)
    return TableCell("best" if standing == "best" else "n/a", standing=standing)


def _has_figures(results: Results, name: str) -> bool:
    return any("mean" in row["summary"][name] for row in results["rows"])


def _all_failed(row: Row) -> bool:
    return bool(row["cells"]) and all("failed" in cell for cell in row["cells"])
