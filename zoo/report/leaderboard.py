"""`zoo leaderboard`: the results of many comparisons as one sortable page, grouped by how they were measured.

Figures are comparable within a protocol: the same data and split, reference images, number of samples and features.
Each protocol is a section with a table of its own. Standings belong to one comparison, so that the page has none;
`zoo merge` computes those of several.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from zoo.report.table_view import Column, figure_cell
from zoo.results.merging import measured_how
from zoo.results.schema import Figure, Metric, Results, Row
from zoo.results.trained import budget_of

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True)
class Cell:
    """A figure as text, and the number that it is sorted by; None without a figure, whose reason is `title`."""

    text: str
    value: float | None = None
    title: str = ""


@dataclass(frozen=True)
class Line:
    """A row of a comparison, with the address of that comparison's report, or ""."""

    contestant: str
    role: str
    comparison: str
    link: str
    budget: str
    seeds: int
    cells: list[Cell]


@dataclass
class Section:
    """What was measured in one way: a short hash of the protocol, a description, columns and rows."""

    id: str
    data: str
    description: str
    columns: list[Column]
    lines: list[Line] = field(default_factory=list)


def leaderboard_html(comparisons: Mapping[str, Results], links: Mapping[str, str], skipped: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        comparisons: results by the name of their comparison.
        links: addresses of reports, relative to the page, by the same names; those without a report are left out.
        skipped: folders whose results were not read, with the reasons.
    """
    found = sections(comparisons, links)
    budgets = sorted({line.budget for section in found for line in section.lines if line.budget})
    html: str = _template().render(sections=found, budgets=budgets, comparisons=comparisons, skipped=skipped)
    return html


def sections(comparisons: Mapping[str, Results], links: Mapping[str, str]) -> list[Section]:
    """Return a section for each protocol, in the order of the data's names; the larger ones first."""
    groups: dict[str, dict[str, Results]] = {}
    for name, results in comparisons.items():
        groups.setdefault(_id(results), {})[name] = results
    found = [_section(id_, group, links) for id_, group in groups.items()]
    return sorted(found, key=lambda section: (section.data, -len(section.lines), section.id))


def _id(results: Results) -> str:
    """Return a short hash of how the figures were measured."""
    return hashlib.sha256(json.dumps(measured_how(results.protocol)).encode()).hexdigest()[:8]


def _section(id_: str, group: Mapping[str, Results], links: Mapping[str, str]) -> Section:
    protocol = next(iter(group.values())).protocol
    metrics: dict[str, Metric] = {}
    for results in group.values():
        metrics |= {each.name: each for each in results.metrics if each.level != "full" and each.name not in metrics}
    text = (
        f"{protocol.samples:,} samples, compared with {protocol.reference.rstrip('.')}. "
        f"Features: {protocol.features.description}, sha256 {protocol.features.sha256[:12]}; "
        f"data sha256 {protocol.data.sha256[:12]}."
    )
    columns = [Column(each.title, each.direction, each.summary) for each in metrics.values()]
    section = Section(id_, protocol.data.name, text, columns)
    for name, results in group.items():
        for row in results.rows:
            cells = [_cell(row, metric) for metric in metrics]
            seeds = len(row.cells) - len(row.failed_cells)
            budget = budget_of(row, results.protocol)
            section.lines.append(Line(row.contestant, row.role, name, links.get(name, ""), budget, seeds, cells))
    return section


def _cell(row: Row, metric: str) -> Cell:
    summary = row.summary.get(metric)
    if not isinstance(summary, Figure):
        return Cell("n/a", title=summary.unsupported if summary else "not measured")
    return Cell(figure_cell(summary).text, float(summary.mean), summary.note)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("zoo.report", package_path="")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("leaderboard.html.j2")
