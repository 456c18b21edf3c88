"""`zoo evaluate RUN`: measure a finished run, or samples made elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.names import DATA, FINITE, device_option
from zoo.cli.output import as_json, print_comparison, print_json


@click.command("evaluate")
@click.argument("source", metavar="RUN")
@click.option(
    "--data", type=DATA, help="Data set: NAME or NAME:ARGUMENT, or a path.  [default: the run's training data]"
)
@click.option("--full", is_flag=True, help="All metrics, and control rows.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Parent of the result's new folder.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Number of parallel processes.  [default: one per core]")
@click.option("--timeout", type=FINITE, help="Time limit of a job in seconds; it is retried twice at most.")
@device_option
@as_json
def command(
    source: str,
    data: str | None,
    full: bool,
    out: Path,
    jobs: int | None,
    timeout: float | None,
    device: str,
    as_json: bool,
) -> int:
    """Measure how well RUN generates: a run folder, a model file, or samples:FILE.

    RUN:sample.KEY=VALUE,... changes options of sampling and likelihood. Only the controls of --full are trained.

    Example: zoo evaluate runs/vae-digits-1:sample.k=5000
    """
    from zoo.api import default

    comparison = default.evaluate(
        source,
        data,
        full=full,
        device=device,
        out=out,
        jobs=jobs,
        timeout=timeout,
        progress=True,
    )
    if as_json:
        print_json({"path": str(comparison.path), **comparison.results})
    else:
        print_comparison(comparison)
    return 1 if comparison.failed else 0
