"""The summary of a comparison on several data sets: mean ranks and wins, as text, Markdown and a page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.report.critical_difference import diagram_svg
from zoo.report.table_view import ARROWS
from zoo.results.ranks import FEWEST, ColumnRanks
from zoo.results.schema import Results

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 1000px; padding: 0 20px 60px; font: 16px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px; border-bottom: 1px solid #8886; text-align: right; }
th:first-child { text-align: left; } figure { margin: 1em 0; overflow-x: auto; }
figure svg { background: #fff; max-width: 100%; height: auto; } p, li { max-width: 90ch; overflow-wrap: anywhere; }
"""


@dataclass(frozen=True)
class Summary:
    """What a comparison on several data sets found.

    Attributes:
        results: by the name of the data set.
        failed: why there are none on other data sets.
        columns: mean ranks and wins in each column; none in a column whose order is open.
    """

    results: Mapping[str, Results]
    failed: Mapping[str, str]
    columns: Sequence[ColumnRanks]

    @property
    def heading(self) -> str:
        """What the table shows."""
        return f"Mean rank (and wins) on {len(self.results)} data sets: {', '.join(self.results)}"

    @property
    def ranked(self) -> list[ColumnRanks]:
        """The columns that rank contestants."""
        return [each for each in self.columns if each.ranks]

    @property
    def table(self) -> tuple[list[str], list[list[str]]]:
        """The headings, and a row of texts for each contestant, in the order of the first column."""
        arrows = {m.name: ARROWS[m.direction] for each in self.results.values() for m in each.metrics}
        headings = ["contestant", *(f"{each.title} {arrows[each.metric]}" for each in self.ranked)]
        names = list(dict.fromkeys(name for each in self.ranked for name in each.ranks))
        return headings, [[name, *(_cell(each, name) for each in self.ranked)] for name in names]

    @property
    def notes(self) -> list[str]:
        """Sentences below the table."""
        notes = []
        if not self.ranked:
            notes.append("No column ranks two contestants on every data set.")
        for each in self.columns:
            if each.ranks and len(each.data) < len(self.results):
                notes.append(f"{each.title}: on {', '.join(each.data)} only.")
            if each.open:
                notes.append(
                    f"{each.title}: no ranks or wins from {', '.join(each.open)}, where a bound leaves the order of "
                    "contestants open."
                )
            for name, data in each.left_out.items():
                notes.append(f"{each.title}: {name} is left out, as it has no rank on {', '.join(data)}.")
            for name, data in each.declared.items():
                notes.append(
                    f"{each.title}: {name} has a declared noise, which training did not use, on {', '.join(data)}."
                )
            if each.critical_difference is not None:
                notes.append(_claim(each))
        if self.ranked and all(each.critical_difference is None for each in self.ranked):
            notes.append(f"Whether mean ranks differ is tested from {FEWEST} data sets on.")
        notes += [f"{name} failed: {reason}" for name, reason in self.failed.items()]
        return notes


def summary_markdown(summary: Summary) -> str:
    """Return the summary in Markdown."""
    headings, rows = summary.table
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    table = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
    notes = "\n".join(f"- {note}" for note in summary.notes)
    return "\n\n".join(filter(None, [f"**{summary.heading}**", table if summary.ranked else "", notes])) + "\n"


def summary_text(summary: Summary) -> str:
    """Return the summary as aligned plain text."""
    headings, rows = summary.table
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(n) for cell, n in zip(row[1:], widths[1:], strict=True))])
        for row in (headings, *rows)
    ]
    return "\n".join([summary.heading, *(lines if summary.ranked else []), *summary.notes])


def summary_html(summary: Summary, links: Mapping[str, str]) -> str:
    """Return the summary as a page that loads nothing.

    Args:
        summary: of all data sets.
        links: address of the report of each data set.
    """
    headings, rows = ([html.escape(each) for each in summary.table[0]], summary.table[1])
    head = "".join(f'<th scope="col">{each}</th>' for each in headings)
    cells = [(html.escape(name), "".join(f"<td>{html.escape(each)}</td>" for each in row)) for name, *row in rows]
    body = "".join(f'<tr><th scope="row">{name}</th>{row}</tr>' for name, row in cells)
    diagrams = "".join(
        f"<figure><figcaption>{html.escape(each.title)}</figcaption>{diagram_svg(each)}</figure>"
        for each in summary.columns
        if each.critical_difference is not None
    )
    reports = "".join(f'<li><a href="{html.escape(link)}">{html.escape(name)}</a></li>' for name, link in links.items())
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in summary.notes)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Comparison on several data sets</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(summary.heading)}</h1>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><ul>{notes}</ul>{diagrams}"
        f"<h2>Reports</h2><ul>{reports}</ul></body></html>\n"
    )


def _cell(column: ColumnRanks, name: str) -> str:
    return f"{column.ranks[name]:.2f} ({column.wins[name]})" if name in column.ranks else "n/a"


def _claim(column: ColumnRanks) -> str:
    """Return what the tests say of a column."""
    alike = "; ".join(", ".join(group) for group in column.groups)
    friedman = "" if column.friedman is None else f"Friedman's test p = {column.friedman:.2g}; "
    return (
        f"{column.title}: {friedman}mean ranks that differ by at least {column.critical_difference:.2f} are "
        f"significantly different (Nemenyi, 95 %, {len(column.data)} data sets). "
        + (f"Not told apart: {alike}." if alike else "All are told apart.")
    )
