"""`zoo runs [FOLDER]`: the runs and comparisons in a folder, from their files alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from zoo.cli.output import as_json, print_json, print_table


@click.command("runs")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@as_json
def command(folder: Path, as_json: bool) -> None:
    """List the runs and comparisons in FOLDER, runs by default, with data, budget, result and time.

    Example: zoo runs
    """
    from zoo.comparison.runs import find_runs
    from zoo.report.figures import figure

    found = find_runs(folder)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    if not found:
        click.echo(f"No runs or comparisons in {folder}. Next: zoo train vae, or zoo compare")
        return
    rows = [
        (
            str(each.path),
            each.data,
            each.budget,
            each.seeds,
            each.result,
            "" if each.seconds is None else f"{figure(each.seconds)} s",
            each.contestants,
        )
        for each in found
    ]
    print_table(("run", "data", "budget", "seeds", "result", "time", "contestants"), rows)
