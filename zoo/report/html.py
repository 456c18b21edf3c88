"""`report.html`: a comparison as one page that needs no network; tables, pictures and charts from a `results.json`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from zoo.files.storage import write_atomically
from zoo.report import charts
from zoo.report.charts import Figure
from zoo.report.figures import figure, setting, whole
from zoo.report.galleries import galleries
from zoo.report.pictures import Arrays, load_pictures
from zoo.report.table_view import (
    Column,
    Metric,
    Results,
    Row,
    TableCell,
    TableRow,
    TableView,
    all_failures,
    differences,
    incidents,
    legend,
    measured,
    ordered,
    pairs,
    ranking_metric,
    sheet,
    sheets,
)

FILE = "report.html"


@dataclass(frozen=True)
class Chart:
    """A chart's place in the page: the id of its figure, its caption, and what it shows for who cannot see it."""

    id: str
    caption: str
    description: str


@dataclass
class _Page:
    """The charts of the page, by the id under which the script finds them."""

    figures: dict[str, Figure] = field(default_factory=dict)

    def chart(self, found: Figure | None, caption: str, description: str) -> list[Chart]:
        """Keep a figure and return its place; nothing for no figure."""
        if found is None:
            return []
        name = f"chart-{len(self.figures) + 1}"
        self.figures[name] = found
        return [Chart(name, caption, description)]


def write_report(folder: Path, results: Results) -> Path:
    """Write `report.html` into the comparison's folder, from its results, pictures and logs.

    Args:
        folder: where `results.json`, the `*.pictures.npz` and the trainings' logs are.
        results: of schema 2, as `docs/results-schema.md` has it.

    Returns:
        The path of the page: self-contained, without addresses that are loaded.
    """
    path = folder / FILE
    write_atomically(path, render(folder, results).encode())
    return path


def render(folder: Path, results: Results) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    loader = PackageLoader("zoo.report", package_path="")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"figure": figure, "breakable": _breakable}
    page, pictures = _Page(), load_pictures(folder, results)
    parts = _tables(page, results) | galleries(results, pictures) | _charts(page, folder, results, pictures)
    parts |= {"protocol": results["protocol"], "results": results, "figures": page.figures, "plotly": get_plotlyjs()}
    return environment.get_template("template.html.j2").render(parts)


def _tables(page: _Page, results: Results) -> dict[str, Any]:
    """The ranked tables, what they say in a sentence per metric, and the paired differences."""
    shown, paired, metric = sheets(results), differences(results), ranking_metric(results)
    headline = [each for each in measured(results, "headline") if each["direction"] != "none"]
    return {
        "sheets": shown,
        "legend": legend(shown),
        "ranking": metric,
        "verdicts": [verdict(results, each) for each in headline],
        "intervals": [
            chart for each in headline if each["name"] != "likelihood" for chart in _interval_chart(page, results, each)
        ],
        "paired": paired,
        "pairs": pairs(results),
        "paired_legend": legend([paired]) if paired else [],
        "paired_charts": [chart for each in headline for chart in _difference_chart(page, results, each)],
        "settings": [_settings(row) for row in results["rows"] if row["settings"]],
        "sources": [(row["contestant"], row["source"]) for row in results["rows"] if row["source"]],
        "failures": all_failures(results),
        "incidents": incidents(results),
        "fooled": [(name, _titles(results, metrics)) for name, metrics in results["fooled"].items()],
    }


def verdict(results: Results, metric: Metric) -> tuple[str, str]:
    """Who is best by a metric, tied with the best, behind, and not ranked: the metric's title and a sentence."""
    by_standing: dict[str, list[str]] = {}
    for row in ordered(results, "contestant"):
        standing = row["summary"][metric["name"]].get("standing")
        by_standing.setdefault(standing or "none", []).append(row["contestant"])
    if set(by_standing) == {"none"}:
        return metric["title"], "nobody is ranked: that takes at least two contestants, and two seeds in common."
    words = {
        "best": "best mean",
        "tied": "tied with the best",
        "open": "order open, a bound cannot tell",
        "behind": "behind",
        "none": "not ranked",
    }
    parts = [f"{words[each]}: {', '.join(by_standing[each])}" for each in words if each in by_standing]
    return metric["title"], "; ".join(parts) + "."


def _interval_chart(page: _Page, results: Results, metric: Metric) -> list[Chart]:
    caption = f"{metric['title']}{_better(metric)}"
    return page.chart(charts.intervals(results, metric), caption, f"Means and intervals of {metric['title']}.")


def _difference_chart(page: _Page, results: Results, metric: Metric) -> list[Chart]:
    found = charts.differences(results, metric)
    if found is None:
        return []
    caption = f"{metric['title']}: difference to {_best(results, metric)}"
    return page.chart(found, caption, f"Paired differences of {metric['title']} and their 95 % intervals.")


def _charts(page: _Page, folder: Path, results: Results, pictures: dict[str, Arrays]) -> dict[str, Any]:
    """Everything beyond the ranked tables that is drawn, and the tables that belong to it."""
    metric = ranking_metric(results)
    title = metric["title"] if metric else ""
    learned = {row["folder"]: row for row in results["rows"] if row["folder"]}
    return {
        "codes": [
            chart
            for row in ordered(results, "contestant", "control")
            for chart in page.chart(
                charts.codes(pictures.get(row["contestant"], {})),
                row["contestant"],
                f"Codes of real data by class, and codes that {row['contestant']} draws.",
            )
        ],
        "codes_sheet": _codes_sheet(results),
        "codes_chart": page.chart(
            charts.codes_against_quality(results),
            f"{title} against how often drawn codes are told from real ones",
            "A point per contestant: share of codes told apart, and sample quality.",
        ),
        "learning": [
            chart
            for name, row in learned.items()
            for chart in page.chart(charts.learning(folder, row), name, f"Losses of {name} by epoch, a line per seed.")
        ],
        "costs": [
            chart
            for key, axis in (
                ("train_seconds", "seconds of training"),
                ("sample_seconds_per_1000", "seconds per 1,000 samples"),
            )
            for chart in page.chart(
                charts.cost(results, key, axis), f"{title} against {axis}", "A point per contestant."
            )
        ],
        "steps": page.chart(
            charts.steps(results),
            f"{title} against the steps of the chain",
            "A curve per contestant: sample quality after so many Gibbs steps.",
        ),
        "sensitivity": _sensitivity_sheet(results),
        "brackets": page.chart(
            charts.brackets(results), "log-likelihood, nats per test example", "A bar or a mark per contestant."
        ),
        "diagnostics": _diagnostics(page, results),
    }


def _codes_sheet(results: Results) -> TableView | None:
    """The figures about codes beside the ranking metric, for who has one; None where nobody has."""
    wanted = [each for each in measured(results, "full") if each["name"] in ("codes-test", "codes-likelihood")]
    metric = ranking_metric(results)
    rows = [row for row in ordered(results) if any("mean" in row["summary"][each["name"]] for each in wanted)]
    return sheet("Where h comes from", rows, [metric, *wanted], {}) if rows and metric else None


def _sensitivity_sheet(results: Results) -> TableView | None:
    """A line per setting that was varied, with the headline metrics."""
    metrics = measured(results, "headline")
    lines = [
        TableRow(
            entry["contestant"],
            "contestant",
            [_varied(entry, metric["name"]) for metric in metrics],
            f"{entry['key']} = {setting(entry['value'])}{', the default' if entry['default'] else ''}",
        )
        for entry in results["sensitivity"]
    ]
    if not lines:
        return None
    columns = [Column(metric["title"], metric["direction"], metric["summary"]) for metric in metrics]
    reasons = {f"{entry['contestant']}, {entry['key']}: failed, {entry['failed']}": None for entry in _failed(results)}
    return TableView("Sensitivity", columns, lines, list(reasons))


def _varied(entry: dict[str, Any], name: str) -> TableCell:
    if "failed" in entry:
        return TableCell("failed")
    value = entry["metrics"].get(name, {}).get("value")
    return TableCell("n/a" if value is None else figure(value))


def _failed(results: Results) -> list[dict[str, Any]]:
    return [entry for entry in results["sensitivity"] if "failed" in entry]


def _diagnostics(page: _Page, results: Results) -> list[dict[str, Any]]:
    """Per model: figures and texts by seed, and lists as bars of the first seed; contestants with the same together."""
    found: dict[str, tuple[list[str], list[dict[str, Any]]]] = {}
    for row in ordered(results, "contestant", "control"):
        cells = [cell for cell in row["cells"] if cell.get("diagnostics")]
        if cells:
            key = json.dumps([row["folder"], [cell["diagnostics"] for cell in cells]], sort_keys=True)
            found.setdefault(key, ([], cells))[0].append(row["contestant"])
    return [_diagnosed(page, names, cells) for names, cells in found.values()]


def _diagnosed(page: _Page, names: list[str], cells: list[dict[str, Any]]) -> dict[str, Any]:
    title, first = ", ".join(names), cells[0]["diagnostics"]
    lists = {name: values for name, values in first.items() if isinstance(values, list)}
    plain = [name for name in first if name not in lists]
    return {
        "title": title,
        "seeds": [cell["seed"] for cell in cells],
        "figures": [(name, [_diagnostic(cell["diagnostics"].get(name)) for cell in cells]) for name in plain],
        "charts": [
            chart
            for name, values in lists.items()
            for chart in page.chart(
                charts.bars(values), f"{name}, seed {cells[0]['seed']}", f"{name} of {title}: {len(values)} bars."
            )
        ],
    }


def _diagnostic(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return whole(value) if float(value).is_integer() else figure(value)
    return "" if value is None else str(value)


def _best(results: Results, metric: Metric) -> str:
    """The contestant that the differences are taken to: ranked, and without a difference of its own."""
    for row in ordered(results, "contestant"):
        summary = row["summary"][metric["name"]]
        if summary.get("standing") and not summary.get("difference"):
            return str(row["contestant"])
    return "the best"


def _breakable(contestant: str) -> Markup:
    """A contestant that may be broken over lines where its parts end, as in a narrow column."""
    return Markup("<wbr>").join(re.split("(?<=[@:,])", contestant))


def _settings(row: Row) -> str:
    """A row's complete settings in a line."""
    facts = {key: value for key, value in row["settings"].items() if value not in (None, {}, "")}
    return f"{row['contestant']}: {json.dumps(facts, ensure_ascii=False)}"


def _better(metric: Metric) -> str:
    return {"lower": ": lower is better", "higher": ": higher is better"}.get(metric["direction"], "")


def _titles(results: Results, names: list[str]) -> list[str]:
    titles = {metric["name"]: metric["title"] for metric in results["metrics"]}
    return [titles[name] for name in names]
