"""A comparison's tables for terminals, plain text, Markdown, CSV and notebooks."""

from __future__ import annotations

import csv
import html
import io
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from zoo.report.figures import figure
from zoo.report.table_view import TableCell, TableRow, TableView, all_failures, incidents, legend, scope, sheets
from zoo.report.tuning import tuning_lines
from zoo.results.schema import Figure, Missing, Results
from zoo.results.trained import in_brief, in_full

__all__ = ["CSV_COLUMNS", "as_text", "comparison_table", "csv_lines", "figure", "to_csv", "to_html", "to_markdown"]

CSV_COLUMNS = [
    *("contestant", "role", "metric", "mean", "half_width", "n", "kind", "lower", "upper", "stderr"),
    *("standing", "difference", "difference_half_width", "unsupported", "note"),
    *("seed_stderr", "test_stderr", "difference_p", "visible", "seeds_needed", "p_value", "warning"),
]
_NAME = 30  # greatest width of a contestant's name, which is broken between its parts only
_HEADING = 9  # least width to which a heading is wrapped
_STYLES = {"*": "bold green", "~": "green", "?": "yellow"}


@dataclass(frozen=True)
class ComparisonTable:
    """A comparison's tables as a rich renderable; a table that is too wide is continued in another one."""

    results: Results

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        shown = sheets(self.results)
        yield Text(_heading(self.results), style="bold")
        for sheet in shown:
            for part in _parts(sheet, options.max_width):
                yield from ("", _rich_table(part))
            yield from (Padding(Text(note), (0, 0, 0, 2)) for note in _notes(sheet, first=sheet is shown[0]))
        yield ""
        yield from (Text(line) for line in _foot(self.results, shown))


def comparison_table(results: Results) -> ComparisonTable:
    """Return the tables: headline, details and costs, and the metrics that only a full comparison measures."""
    return ComparisonTable(results)


def as_text(table: RenderableType, width: int = 120) -> str:
    """Render a table as plain text, without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, force_jupyter=False)
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def headline(results: Results, width: int = 120) -> str:
    """Return the headline table alone as plain text, without notes."""
    parts = _parts(sheets(results)[0], width)
    return "\n".join([_heading(results), *(as_text(_rich_table(part), width).rstrip("\n") for part in parts)])


def to_csv(results: Results) -> str:
    """Return a CSV line per contestant and metric, with unknowns empty; `lower` and `upper` are a bracket's ends."""
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(csv_lines(results))
    return file.getvalue()


def csv_lines(results: Results) -> list[dict[str, Any]]:
    """Return the lines of `results.csv` as dictionaries by column; columns without a value are None or absent."""
    return [
        {"contestant": row.contestant, "role": row.role, "metric": metric.name} | _facts(row.summary[metric.name])
        for row in results.rows
        for metric in results.metrics
    ]


def to_markdown(results: Results) -> str:
    """Return the tables in Markdown, with their notes and the legend."""
    shown = sheets(results)
    parts = [f"**{_markdown(_heading(results))}**"]
    for sheet in shown:
        parts += [f"**{sheet.title}**", "\n".join(_markdown_lines(sheet))]
        notes = [*sheet.notes, *sheet.remarks]
        parts += ["\n".join(f"- {_markdown(note)}" for note in notes)] if notes else []
    return "\n\n".join([*parts, *map(_markdown, _foot(results, shown))]) + "\n"


def to_html(results: Results) -> str:
    """Return the headline table as HTML with inline styles, in the notebook's own colours."""
    sheet = sheets(results)[0]
    head = "".join(f'<th scope="col" style="text-align:right">{html.escape(c.heading)}</th>' for c in sheet.columns)
    body = "".join(_html_line(line) for line in sheet.lines)
    foot = "<br>".join(html.escape(note) for note in [*_notes(sheet, first=True), *_foot(results, [sheet])])
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
        f'<caption style="text-align:left;font-weight:bold;color:inherit">{html.escape(_heading(results))}</caption>'
        f'<thead><tr><th scope="col" style="text-align:left">contestant</th>{head}</tr></thead>'
        f'<tbody>{body}</tbody></table><p style="font-size:smaller">{foot}</p></div>'
    )


def _notes(sheet: TableView, *, first: bool) -> list[str]:
    """Return the lines below a table; remarks only below the headline, since the report has them all."""
    return [*sheet.notes, *(sheet.remarks if first else [])]


def _heading(results: Results) -> str:
    how = in_brief(results)
    return f"{results.protocol.data.name}: {how}{', ' if how else ''}mean ± 95 % interval"


def _foot(results: Results, shown: list[TableView]) -> list[str]:
    """Return failed seeds, incidents, the legend, the trainings, and the protocol in brief."""
    signs = "; ".join(legend(shown))
    shown_signs = [f"{signs}."] if signs else []
    tuning = tuning_lines(results)
    how = [f"{trainings}."] if (trainings := in_full(results)) else []
    about = [*how, scope(results), _protocol(results)]
    return [*all_failures(results), *incidents(results), *tuning, *shown_signs, *about]


def _protocol(results: Results) -> str:
    protocol = results.protocol
    return (
        f"{protocol.samples:,} samples each, compared with {protocol.reference.rstrip('.')}. "
        f"Features: {protocol.features.description}, sha256 {protocol.features.sha256[:12]}; "
        f"data sha256 {protocol.data.sha256[:12]}."
    )


def _parts(sheet: TableView, width: int) -> Iterator[TableView]:
    """Split a table into parts that are at most `width` characters wide, each with the contestants' names."""
    names = [part for line in sheet.lines for part in _name_lines(line)]
    left = 4 + max(map(len, ["contestant", *names]))  # with the margins of a cell, and the table's edge
    start, used, number = 0, left, len(sheet.columns)
    for column in range(number):
        needed = 3 + _width(sheet, column)
        if used + needed > width and column > start:
            yield _slice(sheet, start, column)
            start, used = column, left
        used += needed
    yield _slice(sheet, start, number)


def _slice(sheet: TableView, start: int, stop: int) -> TableView:
    title = sheet.title if start == 0 else f"{sheet.title}, continued"
    lines = [TableRow(line.contestant, line.role, line.cells[start:stop], line.below) for line in sheet.lines]
    return TableView(title, sheet.columns[start:stop], lines, [])


def _width(sheet: TableView, column: int) -> int:
    """Return the width of a column in characters."""
    return max(map(len, (*_texts(sheet, column), *_heading_lines(sheet, column))))


def _texts(sheet: TableView, column: int) -> list[str]:
    cells = [line.cells[column] for line in sheet.lines]
    return [text for cell in cells for text in (f"{cell.text} {cell.mark}".rstrip(), cell.below)]


def _heading_lines(sheet: TableView, column: int) -> list[str]:
    """Wrap a heading between words to the width of the column's figures."""
    words = sheet.columns[column].heading
    width = max(_HEADING, *map(len, (*_texts(sheet, column), *words.split(" "))))
    return textwrap.wrap(words, width, break_long_words=False)


def _name_lines(line: TableRow) -> list[str]:
    """Break a contestant's name after `@`, `:` and `,` into lines of at most 30 characters, if its parts allow it."""
    lines = [""]
    for part in re.split("(?<=[@:,])", line.contestant):
        if lines[-1] and len(lines[-1]) + len(part) > _NAME:
            lines.append("")
        lines[-1] += part
    return [*lines, *([line.below] if line.below else [])]


def _rich_table(sheet: TableView) -> Table:
    table = Table(title=sheet.title, title_justify="left", title_style="italic", box=box.SIMPLE_HEAD)
    table.add_column("contestant", no_wrap=True)
    for number in range(len(sheet.columns)):
        table.add_column("\n".join(_heading_lines(sheet, number)), justify="right", no_wrap=True)
    for _, lines in sheet.groups:
        table.add_section()
        for line in lines:
            name = Text("\n".join(_name_lines(line)))
            table.add_row(name, *map(_rich_cell, line.cells), style="" if line.role == "contestant" else "dim")
    return table


def _rich_cell(cell: TableCell) -> Text:
    text = Text(f"{cell.text} {cell.mark}".rstrip(), style=_STYLES.get(cell.mark, ""))
    return text.append(f"\n{cell.below}") if cell.below else text


def _facts(summary: Figure | Missing) -> dict[str, Any]:
    """Return the columns of a CSV line that a summary fills; None is left empty."""
    if isinstance(summary, Missing):
        return {"unsupported": summary.unsupported, "note": summary.note}
    lower, upper = summary.bracket or (None, None)
    return {
        "mean": summary.mean,
        "half_width": summary.half_width,
        "n": summary.n,
        "kind": summary.kind,
        "lower": lower,
        "upper": upper,
        "stderr": summary.stderr,
        "standing": summary.standing,
        "difference": summary.difference.mean if summary.difference else None,
        "difference_half_width": summary.difference.half_width if summary.difference else None,
        "note": summary.note,
        "seed_stderr": summary.seed_stderr,
        "test_stderr": summary.test_stderr,
        "difference_p": summary.difference.p_value if summary.difference else None,
        "visible": summary.difference.visible if summary.difference else None,
        "seeds_needed": summary.difference.seeds_needed if summary.difference else None,
        "p_value": summary.p_value,
        "warning": summary.warning,
    }


def _markdown_lines(sheet: TableView) -> Iterator[str]:
    yield f"| contestant | {' | '.join(_markdown(column.heading) for column in sheet.columns)} |"
    yield f"|:--|{'--:|' * len(sheet.columns)}"
    for line in sheet.lines:
        cells = [_markdown_cell(cell) for cell in line.cells]
        yield f"| {' | '.join([_markdown(' '.join(filter(None, [line.contestant, line.below]))), *cells])} |"


def _markdown_cell(cell: TableCell) -> str:
    text = _markdown(cell.text)
    text = f"**{text}** {_markdown(cell.mark)}" if cell.mark == "*" else f"{text} {_markdown(cell.mark)}".rstrip()
    return f"{text} {_markdown(cell.below)}".rstrip()


def _markdown(text: str) -> str:
    """Escape characters with a meaning in Markdown or HTML."""
    for sign in "\\`*_[]<>|~":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", " ")


def _html_line(line: TableRow) -> str:
    cells = "".join(_html_cell(cell) for cell in line.cells)
    name = "<br>".join(html.escape(text) for text in (line.contestant, line.below) if text)
    return f'<tr><th scope="row" style="text-align:left;font-weight:normal">{name}</th>{cells}</tr>'


def _html_cell(cell: TableCell) -> str:
    weight = "bold" if cell.mark == "*" else "normal"
    text = html.escape(f"{cell.text} {cell.mark}".rstrip())
    below = f"<br><small>{html.escape(cell.below)}</small>" if cell.below else ""
    return f'<td style="text-align:right;white-space:nowrap;font-weight:{weight}">{text}{below}</td>'
