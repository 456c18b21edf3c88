"""`zoo evaluate RUN`: measure a finished run, or samples made elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.names import DATA, FINITE, device_option, features_option, n_option, track_option
from zoo.cli.output import as_json, print_comparison


@click.command("evaluate")
@click.argument("source", metavar="RUN")
@click.option(
    "--data", type=DATA, help="Data set: NAME or NAME:ARGUMENT, or a path.  [default: the run's training data]"
)
@click.option("--full", is_flag=True, help="Compute all metrics, and add control rows; takes longer.")
@n_option
@features_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Parent of the result's new folder.",
)
@click.option("--jobs", type=click.IntRange(min=1), show_default="one per core", help="Number of parallel processes.")
@click.option("--timeout", type=FINITE, help="Time limit per job in seconds; a job is retried at most twice.")
@device_option
@track_option
@as_json
def command(
    source: str,
    data: str | None,
    full: bool,
    n: int | None,
    features: str,
    out: Path,
    jobs: int | None,
    timeout: float | None,
    device: str,
    track: tuple[str, ...],
    as_json: bool,
) -> int:
    """Measure how well RUN generates: a run folder, a model file, or samples:FILE.

    RUN:sample.KEY=VALUE,... changes the model's options for sampling and likelihood. Only the control rows of
    --full are trained.

    Exits with 1 if a measurement failed.

    Example: zoo evaluate runs/vae-digits-1:sample.k=5000
    """
    from zoo.api import default
    from zoo.comparison.runs import check_path
    from zoo.data.paths import before_colon
    from zoo.data.source import check_name

    if not source.startswith("samples:"):
        check_path(Path(before_colon(source)[0] if "=" in source else source), default)
    if data is not None:
        check_name(data, default)
    comparison = default.evaluate(
        source,
        data,
        full=full,
        n=n,
        features=features,
        device=device,
        out=out,
        jobs=jobs,
        timeout=timeout,
        track=track,
        progress=True,
    )
    print_comparison(comparison, as_json=as_json)
    return 1 if comparison.failed else 0
