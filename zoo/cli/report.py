"""`zoo report DIR`: rebuild the files derived from a comparison's results."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.names import RUN
from zoo.cli.output import as_json, print_comparison, print_comparisons


@click.command("report")
@click.argument("folder", type=RUN)
@as_json
def command(folder: Path, as_json: bool) -> None:
    """Rebuild the report, the tables (results.csv, .md, .tex, .bib) and samples.png of a comparison.

    Only its results.json is read. Models are neither trained nor measured again.

    Example: zoo report runs/compare-digits-1
    """
    from zoo.api import default
    from zoo.comparison.plan import SUMMARY
    from zoo.comparison.result import Comparison
    from zoo.comparison.runs import check_path

    check_path(folder, default)
    if (folder / SUMMARY).is_file():
        from zoo.comparison.several import Comparisons

        comparisons = Comparisons.open(folder)
        comparisons.write()
        print_comparisons(comparisons, as_json=as_json)
        return
    comparison = Comparison.open(folder)
    comparison.write()
    print_comparison(comparison, as_json=as_json)
