"""`zoo report DIR`: rebuild the files derived from a comparison's results."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.output import as_json, print_comparison, print_json


@click.command("report")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@as_json
def command(folder: Path, as_json: bool) -> None:
    """Rebuild report.html, results.csv, results.md and samples.png of a comparison from its results.json.

    Nothing is measured again. Example: zoo report runs/compare-digits-1
    """
    from zoo.comparison.result import Comparison

    comparison = Comparison.open(folder)
    comparison.write()
    if as_json:
        print_json({"path": str(folder), **comparison.results})
    else:
        print_comparison(comparison)
