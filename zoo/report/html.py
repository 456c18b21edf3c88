"""`report.html`: a comparison's tables, pictures and charts as one self-contained page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from zoo.files.storage import write_atomically
from zoo.report import charts
from zoo.report.answer import answer
from zoo.report.bibtex import to_bibtex
from zoo.report.classes import confusions, predicted_classes
from zoo.report.figures import figure, setting, whole
from zoo.report.frozen import frozen_map
from zoo.report.galleries import galleries
from zoo.report.latex import to_latex
from zoo.report.pictures import Arrays, load_pictures
from zoo.report.plotly_json import INK, Figure
from zoo.report.settings import differing_settings, shared_settings
from zoo.report.table import to_csv
from zoo.report.table_view import (
    Column,
    TableCell,
    TableRow,
    TableView,
    all_failures,
    differences,
    incidents,
    legend,
    measured,
    metric_over_epochs,
    ordered,
    pairs,
    ranking_metric,
    scope,
    sheet,
    sheets,
)
from zoo.report.tuning import tuning_lines
from zoo.results.schema import Cell, Metric, Results, Variation
from zoo.results.trained import all_trained, in_brief, in_full

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FILE = "report.html"


@dataclass(frozen=True)
class Chart:
    """A chart's place in the page: the id of its figure, its caption and its alternative text."""

    id: str
    caption: str
    description: str


@dataclass
class _Page:
    """The figures of the page by id, for its script."""

    figures: dict[str, Figure] = field(default_factory=dict)

    def chart(self, found: Figure | None, caption: str, description: str) -> list[Chart]:
        """Add a figure and return its place; an empty list for None."""
        if found is None:
            return []
        name = f"chart-{len(self.figures) + 1}"
        self.figures[name] = found
        return [Chart(name, caption, description)]


def write_report(folder: Path, results: Results) -> Path:
    """Write `report.html` into the comparison's folder, from its results, pictures and logs.

    Args:
        folder: the comparison's folder, with the `*.pictures.npz` files and the trainings' logs.
        results: the contents of its `results.json`.

    Returns:
        The path of the page, which loads nothing.
    """
    path = folder / FILE
    write_atomically(path, render(folder, results).encode())
    return path


def render(folder: Path, results: Results) -> str:
    """Return the page as HTML."""
    from plotly.offline import get_plotlyjs

    page, pictures = _Page(), load_pictures(folder, results)
    parts = _tables(page, results) | galleries(results, pictures) | _charts(page, folder, results, pictures)
    parts |= {
        "protocol": results.protocol,
        "results": results,
        "tuning": tuning_lines(results),
        "figures": page.figures,
        "ink": INK,
        "plotly": get_plotlyjs(),
    }
    return _template().render(parts)


@cache
def _template() -> Template:
    """Return the page's template, compiled once per process."""
    return environment().get_template("template.html.j2")


@cache
def environment() -> Environment:
    """Return the environment of the reports' templates."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("zoo.report", package_path="")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"figure": figure, "breakable": _breakable}
    return made


def _tables(page: _Page, results: Results) -> dict[str, Any]:
    """Return the ranked tables, a sentence per metric, and the paired differences."""
    shown, paired, metric = sheets(results), differences(results), ranking_metric(results)
    headline = [each for each in measured(results, "headline") if each.sign]
    return {
        "sheets": shown,
        "legend": legend(shown),
        "intervals_mean": scope(results),
        "ranking": metric,
        "verdicts": [verdict(results, each) for each in headline],
        "intervals": [
            chart for each in headline if each.name != "likelihood" for chart in _interval_chart(page, results, each)
        ],
        "answer": answer(results),
        "paired": paired,
        "pairs": pairs(results),
        "paired_legend": legend(paired),
        "paired_charts": [chart for each in headline for chart in _difference_chart(page, results, each)],
        "settings": differing_settings(results),
        "shared_settings": shared_settings(results),
        "copies": [("CSV", to_csv(results)), ("LaTeX", to_latex(results)), ("BibTeX", to_bibtex(results))],
        "sources": [(row.contestant, row.source) for row in results.rows if row.source],
        "in_brief": in_brief(results),
        "in_full": in_full(results),
        "trains": any(not each.is_run for each in all_trained(results).values()),
        "failures": all_failures(results),
        "incidents": incidents(results),
        "fooled": [(name, _titles(results, metrics)) for name, metrics in results.fooled.items()],
    }


def verdict(results: Results, metric: Metric) -> tuple[str, str]:
    """Return a metric's title, and a sentence with the contestants of each standing."""
    by_standing: dict[str, list[str]] = {}
    for row in ordered(results, "contestant"):
        standing = row.summary[metric.name].standing
        by_standing.setdefault(standing or "none", []).append(row.contestant)
    if set(by_standing) == {"none"}:
        return metric.title, "no ranking, which needs at least two contestants."
    words = {
        "best": "best mean",
        "indistinguishable": "not distinguishable from the best",
        "tied": "tied with the best",
        "open": "order open, since a bound cannot decide it",
        "behind": "behind",
        "none": "not ranked",
    }
    parts = [f"{words[each]}: {', '.join(by_standing[each])}" for each in words if each in by_standing]
    return metric.title, "; ".join(parts) + "."


def _interval_chart(page: _Page, results: Results, metric: Metric) -> list[Chart]:
    caption = f"{metric.title}{_better(metric)}"
    return page.chart(charts.intervals(results, metric), caption, f"Means and intervals of {metric.title}.")


def _difference_chart(page: _Page, results: Results, metric: Metric) -> list[Chart]:
    found = charts.differences(results, metric)
    if found is None:
        return []
    caption = f"{metric.title}: difference to {_best(results, metric)}"
    return page.chart(found, caption, f"Paired differences of {metric.title} and their 95 % intervals.")


def _charts(page: _Page, folder: Path, results: Results, pictures: dict[str, Arrays]) -> dict[str, Any]:
    """Return the charts beyond the ranked tables, and the tables that belong to them."""
    metric, over = ranking_metric(results), metric_over_epochs(results)
    title = metric.title if metric else ""
    learned = {row.folder: row for row in results.rows if row.folder}
    costs: dict[charts.Cost, str] = {
        "train_seconds": "seconds of training",
        "sample_seconds_per_1000": "seconds per 1,000 samples",
    }
    codes = [
        chart
        for row in ordered(results, "contestant", "control")
        for chart in page.chart(
            charts.codes(pictures.get(row.contestant, {})),
            row.contestant,
            f"Codes of real data by class, and codes drawn by {row.contestant}.",
        )
    ]
    frozen = [found for each in codes if (found := frozen_map(each.id, each.caption, pictures[each.caption]))]
    return {
        "codes": codes,
        "frozen": {each.chart: each for each in frozen},
        "sheets_of_maps": list(dict.fromkeys(each.source for each in frozen)),
        "codes_sheet": _codes_sheet(results),
        "codes_chart": page.chart(
            charts.codes_against_quality(results),
            f"{title} against the share of codes told apart",
            "A point per contestant: how often a classifier tells drawn from real codes, and sample quality.",
        ),
        "learning": [
            chart
            for name, row in learned.items()
            for chart in page.chart(charts.learning(folder, row), name, f"Losses of {name} by epoch, a line per seed.")
        ],
        "costs": [
            chart
            for key, axis in costs.items()
            for chart in page.chart(
                charts.cost(results, key, axis), f"{title} against {axis}", "A point per contestant."
            )
        ],
        "steps": page.chart(
            charts.steps(results),
            f"{title} against the number of steps of the sampler",
            "A curve per contestant: sample quality by number of steps of its sampler.",
        ),
        "over_epochs": page.chart(
            charts.over_epochs(results),
            f"{over.title} over training" if over else "",
            "A line per contestant: sample quality by number of epochs of one training, with a dot for each seed.",
        ),
        "sensitivity": _sensitivity_sheet(results),
        "brackets": page.chart(
            charts.brackets(results), "log-likelihood, nats per test example", "A bar or a mark per contestant."
        ),
        "diagnostics": _diagnostics(page, results),
        "classes": predicted_classes(results, pictures),
        "confusions": confusions(results, pictures),
    }


def _codes_sheet(results: Results) -> TableView | None:
    """Return the metrics of codes beside the ranking metric, for rows that have any; None without such a row."""
    wanted = [each for each in measured(results, "full") if each.name in ("codes-test", "codes-likelihood")]
    metric = ranking_metric(results)
    rows = [row for row in ordered(results) if any(row.figure(each.name) for each in wanted)]
    return sheet("Where h comes from", rows, [metric, *wanted], {}) if rows and metric else None


def _sensitivity_sheet(results: Results) -> TableView | None:
    """Return a table with a line per varied setting and the headline metrics."""
    metrics = measured(results, "headline")
    lines = [
        TableRow(
            entry.contestant,
            "contestant",
            [_varied(entry, metric.name) for metric in metrics],
            f"{entry.key} = {setting(entry.value)}{', the default' if entry.default else ''}",
        )
        for entry in results.sensitivity
    ]
    if not lines:
        return None
    columns = [Column(metric.title, metric.direction, metric.summary) for metric in metrics]
    failed = [entry for entry in results.sensitivity if entry.has_failed]
    reasons = dict.fromkeys(f"{entry.contestant}, {entry.key}: failed, {entry.failed}" for entry in failed)
    return TableView("Sensitivity", columns, lines, list(reasons))


def _varied(entry: Variation, name: str) -> TableCell:
    if entry.has_failed:
        return TableCell("failed")
    found = entry.metrics.get(name)
    return TableCell("n/a" if found is None or found.value is None else figure(found.value))


@dataclass(frozen=True)
class Diagnosed:
    """The diagnostics of one training, whose contestants are named in the title."""

    title: str
    seeds: list[int]
    figures: list[tuple[str, list[str]]]  # a name and a text per seed
    charts: list[Chart]


def _diagnostics(page: _Page, results: Results) -> list[Diagnosed]:
    """Return the diagnostics of each training: numbers and texts by seed, and the first seed's lists as bars."""
    found: dict[str, tuple[list[str], list[Cell]]] = {}
    for row in ordered(results, "contestant", "control"):
        cells = [cell for cell in row.cells if cell.diagnostics]
        if cells:
            key = json.dumps([row.folder, [dict(cell.diagnostics) for cell in cells]], sort_keys=True)
            found.setdefault(key, ([], cells))[0].append(row.contestant)
    return [_diagnosed(page, names, cells) for names, cells in found.values()]


def _diagnosed(page: _Page, names: list[str], cells: list[Cell]) -> Diagnosed:
    title, first = ", ".join(names), cells[0].diagnostics
    lists = {name: values for name, values in first.items() if isinstance(values, list | tuple)}
    plain = [name for name in first if name not in lists]
    return Diagnosed(
        title,
        [cell.seed for cell in cells],
        [(name, [_diagnostic(cell.diagnostics.get(name)) for cell in cells]) for name in plain],
        [
            chart
            for name, values in lists.items()
            for chart in page.chart(
                charts.bars(values), f"{name}, seed {cells[0].seed}", f"{name} of {title}: {len(values)} bars."
            )
        ],
    )


def _diagnostic(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return whole(value) if float(value).is_integer() else figure(value)
    return "" if value is None else str(value)


def _best(results: Results, metric: Metric) -> str:
    """Return the contestant to which the differences are taken: the ranked one without a difference."""
    for row in ordered(results, "contestant"):
        summary = row.summary[metric.name]
        if summary.standing and not summary.difference:
            return row.contestant
    return "the best"


def _breakable(contestant: str) -> Markup:
    """Allow line breaks between the parts of a contestant."""
    return Markup("<wbr>").join(re.split("(?<=[@:,])", contestant))


def _better(metric: Metric) -> str:
    return {"lower": ": lower is better", "higher": ": higher is better"}.get(metric.direction, "")


def _titles(results: Results, names: Iterable[str]) -> list[str]:
    titles = {metric.name: metric.title for metric in results.metrics}
    return [titles[name] for name in names]
