"""Output of results: tables, text or JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zoo.comparison.result import Comparison
    from zoo.comparison.several import Comparisons

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def print_json(value: Any) -> None:
    """Print plain values as JSON; nan and infinity become null."""
    click.echo(json.dumps(_finite(value), indent=2, default=str, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_rich(renderable: Any) -> None:
    """Print a rich renderable to standard output; colors only on a terminal and without NO_COLOR."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 120))
    console.print(renderable)


def print_comparison(comparison: Comparison, *, as_json: bool) -> None:
    """Print the tables of a comparison and the path of its report, or its folder and results as JSON."""
    if as_json:
        print_json({"path": str(comparison.path), **comparison.results})
        return
    print_rich(comparison.table())
    click.echo(f"Report: {comparison.path / 'report.html'}")


def print_comparisons(comparisons: Comparisons, *, as_json: bool) -> None:
    """Print the tables of each data set and the summary, or everything as JSON."""
    if as_json:
        ranks = [dataclasses.asdict(column) for column in comparisons.summary.columns]
        results = {name: each.results for name, each in comparisons.each.items()}
        print_json(
            {"path": str(comparisons.path), "errors": dict(comparisons.errors), "summary": ranks, "results": results}
        )
        return
    for each in comparisons.each.values():
        print_rich(each.table())
        click.echo()
    click.echo(str(comparisons))
    click.echo(f"Reports: {comparisons.path / 'summary.html'}")


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]], title: str | None = None) -> None:
    """Print a table: framed on a terminal, without wrapping its first column; plain aligned columns elsewhere."""
    if not sys.stdout.isatty():
        _print_columns([tuple(columns), *(tuple(row) for row in rows)], title)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    print_rich(table)


def _print_columns(rows: list[tuple[str, ...]], title: str | None) -> None:
    """Print columns two spaces apart, for files and other programs."""
    if title:
        click.echo(title)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
