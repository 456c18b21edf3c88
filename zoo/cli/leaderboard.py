"""`zoo leaderboard DIR`: one page of the results of many comparisons."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from zoo.cli.output import as_json, print_json


@click.command("leaderboard")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="HTML file to write.  [default: DIR/leaderboard.html]",
)
@as_json
def command(folder: Path, output: Path | None, as_json: bool) -> None:
    """Write all results below DIR, such as a git repository of comparisons, as one page to sort and filter.

    Rows are grouped by how they were measured. The page is a single file and loads nothing from elsewhere.

    Example: zoo leaderboard results
    """
    from zoo.exchange.leaderboard import write_leaderboard

    board = write_leaderboard(folder, output or folder / "leaderboard.html")
    if as_json:
        print_json(dataclasses.asdict(board))
        return
    for name, reason in board.skipped.items():
        click.echo(f"Skipped {name}: {reason}.", err=True)
    click.echo(f"Wrote {len(board.comparisons)} comparisons to {board.path}.")
