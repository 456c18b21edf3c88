"""`zoo diff A B`: what differs between two runs or two comparisons."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from zoo.cli.names import RUN
from zoo.cli.output import as_json, print_json, print_table


@click.command("diff")
@click.argument("first", type=RUN)
@click.argument("second", type=RUN)
@as_json
def command(first: Path, second: Path, as_json: bool) -> None:
    """Show which settings and figures of FIRST and SECOND differ: two runs, or two comparisons.

    Example: zoo diff runs/vae-digits-1 runs/vae-digits-2
    """
    from zoo.api import default
    from zoo.comparison.diff import diff
    from zoo.comparison.runs import check_path

    for path in (first, second):
        check_path(path, default)
    settings, figures = diff(first, second)
    if as_json:
        print_json({"settings": list(map(asdict, settings)), "figures": list(map(asdict, figures))})
        return
    for title, found in (("settings", settings), ("figures", figures)):
        if found:
            print_table((title, str(first), str(second)), [(each.what, each.first, each.second) for each in found])
        else:
            click.echo(f"No {title} differ.")
