"""The content of a comparison's tables, independent of how they are rendered.

`table` renders them for terminals, Markdown and notebooks, `html` for the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from zoo.report.figures import bracket, figure, interval, kind_mark, whole
from zoo.results.schema import Difference, Figure, Metric, Missing, Results, Row, Standing

ARROWS = {"lower": "↓", "higher": "↑", "none": ""}
_COLUMNS = 6  # of a table of differences, which a screen of 1,400 pixels shows whole
_SMALLEST_P = 0.0001  # that is printed
MARKS = {"best": "*", "indistinguishable": "~", "tied": "~", "open": "?"}
ROLES = {"contestant": "contestants", "control": "controls", "real": "real images"}
TITLES = {"headline": "How well each model generates", "detail": "Details and costs", "full": "Further metrics"}
COSTS = {
    "parameters": ("parameters", "number of trainable parameters"),
    "train_seconds": ("training s", "seconds of training, mean over the seeds"),
    "sample_seconds_per_1000": ("s per 1,000 samples", "seconds to draw 1,000 samples, mean over the seeds"),
}

_FLAG = "yes: "  # of a diagnostic, such as "posterior collapse"


@dataclass(frozen=True)
class Column:
    """A column: its title, which direction is better, and a one-line description."""

    title: str
    direction: str = "none"
    summary: str = ""

    @property
    def heading(self) -> str:
        """The title with an arrow in the direction that is better."""
        return f"{self.title}\N{NO-BREAK SPACE}{ARROWS[self.direction]}".rstrip()


@dataclass(frozen=True)
class TableCell:
    """A cell: the figure, a second line below it, the row's standing in the column, and whether it has a warning.

    `shade`, from 0 to 1, is how dark it is, for shares; None for all others.
    """

    text: str
    below: str = ""
    standing: Standing | None = None
    flagged: bool = False
    shade: float | None = None

    @property
    def mark(self) -> str:
        """`*` best, `~` not distinguishable from the best, `?` order open, otherwise empty; `!` a warning."""
        return MARKS.get(self.standing or "", "") + "!" * self.flagged


@dataclass(frozen=True)
class TableRow:
    """A contestant's line; `below` counts its failed seeds."""

    contestant: str
    role: str
    cells: list[TableCell]
    below: str = ""


@dataclass(frozen=True)
class TableView:
    """One table. `notes` explain missing figures, `remarks` are the metrics' own notes; both are printed below it."""

    title: str
    columns: list[Column]
    lines: list[TableRow]
    notes: list[str]
    remarks: list[str] = field(default_factory=list)
    head: str = "contestant"

    @property
    def groups(self) -> list[tuple[str, list[TableRow]]]:
        """The lines by role, with the role's heading: contestants, then controls, then real images."""
        roles = ROLES | {line.role: line.role for line in self.lines if line.role not in ROLES}
        groups = [(title, [line for line in self.lines if line.role == role]) for role, title in roles.items()]
        return [(title, lines) for title, lines in groups if lines]


def sheets(results: Results) -> list[TableView]:
    """Return the tables: the headline; details and costs; and the metrics that only a full comparison measures."""
    found = []
    for level, title in TITLES.items():
        metrics = measured(results, level)
        costs = COSTS if level == "detail" else {}
        if metrics or costs:
            found.append(sheet(title, ordered(results), metrics, costs))
    return found


def sheet(
    title: str, rows: Sequence[Row], metrics: Sequence[Metric], costs: Mapping[str, tuple[str, str]]
) -> TableView:
    """Return a table of these rows and metrics, with costs as its last columns."""
    lines = [_line(row, [*(_cell(row, each.name) for each in metrics), *_costs(row, costs)]) for row in rows]
    columns = [*map(_column, metrics), *(Column(name, summary=summary) for name, summary in costs.values())]
    ranks = [*_visible(rows, metrics), *_unranked(rows, metrics), *_orders(rows, metrics)]
    notes = [*_missing(rows, metrics), *_parts(rows, metrics), *ranks]
    return TableView(title, columns, lines, notes, _remarks(rows, metrics))


def differences(results: Results) -> list[TableView]:
    """Return the paired differences to each column's best, six columns to a table; none without any."""
    rows = ordered(results, "contestant")
    metrics = [each for each in results.metrics if any(_difference(row, each.name) for row in rows)]
    found = []
    for start in range(0, len(metrics), _COLUMNS):
        part = metrics[start : start + _COLUMNS]
        lines = [_line(row, [_difference_cell(row, metric.name) for metric in part]) for row in rows]
        title = "Differences to the best" + (", continued" if start else "")
        found.append(TableView(title, [_column(metric) for metric in part], lines, []))
    return found


def pairs(results: Results) -> TableView | None:
    """Return the paired differences of all pairs of contestants, first minus second; None without any."""
    found = results.differences or {}
    metrics = [metric for metric in results.metrics if found.get(metric.name)]
    cells: dict[str, list[TableCell]] = {}
    for number, metric in enumerate(metrics):
        for pair in found[metric.name]:
            line = cells.setdefault(f"{pair.first} − {pair.second}", [TableCell("n/a")] * len(metrics))
            line[number] = TableCell(interval(pair.mean, pair.half_width))
    lines = [TableRow(name, "contestant", line) for name, line in cells.items()]
    return TableView("All pairs", [_column(metric) for metric in metrics], lines, []) if lines else None


def measured(results: Results, level: str) -> list[Metric]:
    """Return the metrics of a level for which any row has a figure."""
    return [each for each in results.metrics if each.level == level and _has_figures(results, each.name)]


def ranking_metric(results: Results) -> Metric | None:
    """Return the metric that orders the tables: the Fréchet distance, or the first headline metric with a direction."""
    usable = [metric for metric in measured(results, "headline") if metric.sign]
    return next((metric for metric in usable if metric.name == "frechet"), usable[0] if usable else None)


def metric_over_epochs(results: Results) -> Metric | None:
    """Return the ranking metric if it was measured over training, or the first headline metric that was."""
    first = ranking_metric(results)
    usable = [each for each in measured(results, "headline") if each.sign]
    metrics = [*([first] if first else []), *usable]
    return next((each for each in metrics if figures_over_epochs(results, each.name)), None)


def figures_over_epochs(results: Results, metric: str) -> dict[str, dict[int, list[float]]]:
    """Return the figures of each contestant after each measured epoch of its trainings, one per seed, the end included.

    Contestants that were measured at the end only are left out, as are epochs that not every seed has.
    """
    found: dict[str, dict[int, list[float]]] = {}
    for entry in sorted(results.over_epochs, key=lambda entry: entry.seed):
        measured = entry.metrics.get(metric)
        if measured is not None and measured.value is not None:
            found.setdefault(entry.contestant, {}).setdefault(entry.epoch, []).append(measured.value)
    for row in results.rows:
        if curve := found.get(row.contestant):
            last = [its.value for cell in row.cells if (its := cell.metrics.get(metric))]
            assert results.protocol.budget, "only a training has epochs"
            curve[int(results.protocol.budget.value)] = [value for value in last if value is not None]
            whole = max(map(len, curve.values()))
            found[row.contestant] = {epoch: curve[epoch] for epoch in sorted(curve) if len(curve[epoch]) == whole}
    return found


def ordered(results: Results, *roles: str) -> list[Row]:
    """Return the rows role by role (default: all roles), better ones first, unranked ones last.

    A row without the figure, or with failed seeds, is unranked.
    """
    metric, order = ranking_metric(results), list(roles or ROLES)

    def place(row: Row) -> tuple[int, bool, float]:
        found = row.figure(metric.name) if metric else None
        worse = -metric.sign * found.mean if metric and found else 0.0
        return order.index(row.role), found is None or bool(row.failed_cells), worse

    return sorted((row for row in results.rows if row.role in order), key=place)


def all_failures(results: Results) -> list[str]:
    """Return a sentence for each row with failed seeds."""
    return [f"{row.contestant}: {text}" for row in results.rows if (text := failures(row))]


def incidents(results: Results) -> list[str]:
    """Return a sentence for each flag of a model's diagnosis and each retried cell, and for changes on resuming."""
    retried = [
        f"{row.contestant} seed {cell.seed}: tried again because {' and then '.join(cell.failed_attempts)}"
        for row in results.rows
        for cell in row.cells
        if cell.failed_attempts
    ]
    changes = results.protocol.changes
    return [*_flags(results), *retried, *([f"Under other conditions: {'; '.join(changes)}"] if changes else [])]


def _flags(results: Results) -> list[str]:
    """Return a sentence for each diagnostic of a contestant that says `yes: …`: a training that has failed as such."""
    found = []
    for row in results.rows:
        flagged: dict[str, list[str]] = {}
        for cell in row.cells:
            for name, value in cell.diagnostics.items():
                if isinstance(value, str) and value.startswith(_FLAG):
                    flagged.setdefault(name, []).append(value.removeprefix(_FLAG))
        for name, reasons in flagged.items():
            seeds = f"{len(reasons)} of {len(row.cells)} seed{'s' if len(row.cells) > 1 else ''}"
            found.append(f"{row.contestant}: {name} in {seeds}: {'; '.join(dict.fromkeys(reasons))}")
    return found


def failures(row: Row) -> str:
    """Return how many of a row's seeds failed and why, "" if none did."""
    if not row.failed_cells:
        return ""
    reasons = "; ".join(dict.fromkeys(cell.failed for cell in row.failed_cells))
    return f"{len(row.failed_cells)} of {len(row.cells)} seeds failed: {reasons}"


def legend(shown: Sequence[TableView]) -> list[str]:
    """Return the meaning of each sign that occurs in these tables."""
    marks = {sign for sheet in shown for line in sheet.lines for cell in line.cells for sign in cell.mark}
    cells = [cell for sheet in shown for line in sheet.lines for cell in line.cells]
    texts = [cell.text for cell in cells]
    sentences = {
        "± half-width of the 95 % interval": any("±" in text for text in texts),
        "* best mean": "*" in marks,
        "~ not distinguishable from the best": "~" in marks,
        "? the order is open: a bound cannot decide it": "?" in marks,
        "! see the warning": "!" in marks,
        "= exact": any(text.startswith("=") for text in texts),
        "≥ lower bound": any(text.startswith("≥") for text in texts),
        "≤ upper bound": any("≤" in text[:2] for text in texts),
        "≈ estimate": any("≈" in text[:2] for text in texts),
        "[a, b] lower and upper bound": any(cell.below.startswith("[") for cell in cells),
        "s.e. standard error of the measurement itself": any(cell.below.startswith("s.e.") for cell in cells),
    }
    return [sentence for sentence, occurs in sentences.items() if occurs]


def scope(results: Results) -> str:
    """Return what the intervals and standings are about."""
    rows = [row for row in results.rows if row.role == "contestant" and not _all_failed(row)]
    single = [row.contestant for row in rows if len(row.cells) == 1]
    corrected = "standings are corrected for all pairs and columns of a table (Holm's method, 5 %)."
    if single and len(single) == len(rows):
        return (
            "One training or file of samples each: intervals and standings are about these samples and the choice of "
            f"the test examples, not about retraining; {corrected}"
        )
    about = f"± combines the training seeds and the choice of the test examples; {corrected}"
    return (
        f"{about} With one seed, {', '.join(single)}: about these samples, not about retraining." if single else about
    )


def figure_cell(found: Figure) -> TableCell:
    """Return a figure with the sign of its kind and its interval; below it a bracket, `declared` or an error."""
    text = f"{kind_mark(found.kind)} {interval(found.mean, found.half_width)}".strip()
    return TableCell(text, _below(found), found.standing, bool(found.warning))


def _column(metric: Metric) -> Column:
    return Column(metric.title, metric.direction, metric.summary)


def _line(row: Row, cells: list[TableCell]) -> TableRow:
    return TableRow(row.contestant, row.role, cells, failures(row).partition(":")[0])


def _cell(row: Row, name: str) -> TableCell:
    found = row.figure(name)
    if found is None:
        return TableCell("failed" if _all_failed(row) else "n/a")
    return figure_cell(found)


def _below(found: Figure) -> str:
    """Return the bracket of two bounds; without an interval over seeds, the error of the measurement."""
    if found.bracket:
        return f"{bracket(found.bracket)}{' declared' * found.declared}"
    if found.declared:
        return "declared"
    if found.half_width is None and found.stderr:
        return f"s.e. {figure(found.stderr)}"
    return ""


def _costs(row: Row, names: Iterable[str]) -> list[TableCell]:
    texts = {
        "parameters": whole(row.parameters),
        "train_seconds": "n/a" if row.train_seconds is None else figure(row.train_seconds),
        "sample_seconds_per_1000": (
            "n/a" if row.sample_seconds_per_1000 is None else figure(row.sample_seconds_per_1000)
        ),
    }
    return [TableCell(texts[name]) for name in names]


def _missing(rows: Iterable[Row], metrics: Iterable[Metric]) -> list[str]:
    """Return the reasons for missing figures, with the contestants to which each applies."""
    missing: dict[str, list[str]] = {}
    for row in rows:
        for metric in metrics:
            summary = row.summary[metric.name]
            if isinstance(summary, Missing) and not _all_failed(row):
                missing.setdefault(summary.unsupported, []).append(row.contestant)
    return [f"n/a, {', '.join(dict.fromkeys(names))}: {reason}" for reason, names in missing.items()]


def _remarks(rows: Sequence[Row], metrics: Iterable[Metric]) -> list[str]:
    """Return warnings, p-values and the metrics' own notes, with the contestants to which each applies."""
    lines = []
    for metric in metrics:
        figures = [(row.contestant, found) for row in rows if (found := row.figure(metric.name))]
        lines += [f"! {metric.title}, {name}: {found.warning}" for name, found in figures if found.warning]
        if tests := [
            f"{name} {_probability(found.p_value)}"
            for name, found in figures
            if found.p_value is not None and metric.sign
        ]:
            lines.append(f"{metric.title}, p-value of all seeds together (Fisher's method): {', '.join(tests)}")
        remarks: dict[str, list[str]] = {}
        for row in rows:
            if note := row.summary[metric.name].note:
                remarks.setdefault(note, []).append(row.contestant)
        if remarks:
            parts = [f"{', '.join(names)}: {note}" for note, names in remarks.items()]
            lines.append(f"{metric.title}. {' | '.join(parts)}")
    return lines


def _parts(rows: Sequence[Row], metrics: Iterable[Metric]) -> list[str]:
    """Return how much of ± of a likelihood is due to seeds, and how much to the test set."""
    found = []
    for metric in metrics:
        parts = [
            f"{row.contestant} {figure(its.seed_stderr)} and {figure(its.test_stderr)}"
            for row in rows
            if (its := row.figure(metric.name)) and its.kind and its.seed_stderr is not None and its.test_stderr
        ]
        if parts:
            found.append(f"{metric.title}, standard errors over seeds and over test examples: {', '.join(parts)}")
    return found


def _orders(rows: Sequence[Row], metrics: Iterable[Metric]) -> list[str]:
    """Return whether the contestants have one order in all feature spaces in which a distance was measured."""
    spaces = [metric for metric in metrics if metric.name.startswith("frechet-") and metric.level == "full"]
    contestants = [row for row in rows if row.role == "contestant"]
    found: dict[str, list[str]] = {}
    for name in ["frechet", *(metric.name for metric in spaces)]:
        means = {
            row.contestant: its.mean
            for row in contestants
            if (its := row.summary.get(name)) and isinstance(its, Figure)
        }
        found[name] = sorted(means, key=lambda contestant: means[contestant])
    orders = {name: order for name, order in found.items() if len(order) > 1}
    if len(orders) < 2:
        return []
    if len(set(map(tuple, orders.values()))) == 1:
        return [f"The order by Fréchet distance is the same in {len(orders)} feature spaces."]
    return [
        "Orders by Fréchet distance: " + "; ".join(f"{name}: {' < '.join(order)}" for name, order in orders.items())
    ]


def _visible(rows: Sequence[Row], metrics: Iterable[Metric]) -> list[str]:
    """Return the differences that the table could have seen where it saw none."""
    found = []
    for metric in metrics:
        parts = [
            f"{row.contestant} ±{figure(its.visible)}" + (f" ({its.seeds_needed} seeds)" if its.seeds_needed else "")
            for row in rows
            if metric.level == "headline"
            and row.summary[metric.name].standing == "indistinguishable"
            and (its := _difference(row, metric.name))
            and its.visible is not None
        ]
        if parts:
            found.append(f"{metric.title}: {', '.join(parts)}")
    if not found:
        return []
    return [
        "Not distinguishable from the best (± the difference that this table would have seen; seeds at which the one "
        f"found would be seen). {'; '.join(found)}"
    ]


def _unranked(rows: Sequence[Row], metrics: Iterable[Metric]) -> list[str]:
    """Return which contestants have a figure and no standing, and why: they are not behind the best."""
    contestants = [row for row in rows if row.role == "contestant"]
    titles: dict[tuple[str, str], list[str]] = {}
    for metric in (metric for metric in metrics if metric.sign):
        figures = {row.contestant: (row, found) for row in contestants if (found := row.figure(metric.name))}
        reasons: dict[str, list[str]] = {}
        for name, (row, found) in figures.items():
            if found.standing is None and len(figures) > 1:
                reasons.setdefault(_why_unranked(row, found), []).append(name)
        for reason, names in reasons.items():
            whose = "" if len(names) == len(figures) else f" of {', '.join(names)}"
            titles.setdefault((reason, whose), []).append(metric.title)
    parts = [f"{', '.join(columns)}{whose} ({reason})" for (reason, whose), columns in titles.items()]
    return [f"Not ranked, and therefore without a mark: {'; '.join(parts)}"] if parts else []


def _why_unranked(row: Row, found: Figure) -> str:
    if row.failed_cells:
        return "a seed failed"
    if "estimate" in found.kind:
        return "an estimate promises nothing"
    return "an error is not known" if found.half_width is None else "not compared with any other row"


def _probability(p: float) -> str:
    return figure(p) if p >= _SMALLEST_P else f"< {_SMALLEST_P:.4f}"


def _difference(row: Row, name: str) -> Difference | None:
    return row.summary[name].difference


def _difference_cell(row: Row, name: str) -> TableCell:
    difference, standing = _difference(row, name), row.summary[name].standing
    if difference and standing != "best":
        return TableCell(interval(difference.mean, difference.half_width), standing=standing)
    return TableCell("best" if standing == "best" else "n/a", standing=standing)


def _has_figures(results: Results, name: str) -> bool:
    return any(row.figure(name) for row in results.rows)


def _all_failed(row: Row) -> bool:
    return bool(row.cells) and len(row.failed_cells) == len(row.cells)
