"""`zoo merge A B -o C`: one table of several comparisons."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.output import as_json, print_comparison

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("merge")
@click.argument("folders", type=_FOLDER, nargs=-1, required=True, metavar="FOLDER...")
@click.option("-o", "--out", type=_FOLDER, required=True, help="New folder for the results and the report.")
@as_json
def command(folders: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Merge comparisons into one table, with standings computed anew.

    They must agree in the data, the reference images, the features, the metrics and the number of samples; other
    differences, such as the budget, are listed in the report. A row that two comparisons have becomes one with the
    seeds of both if its settings agree; otherwise it is named after its folder: vae [theirs].

    Example: zoo merge runs/compare-digits-1 theirs -o merged
    """
    from zoo.api import default

    print_comparison(default.merge(folders, out), as_json=as_json)
