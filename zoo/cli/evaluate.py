"""`zoo evaluate RUN`: measure a finished run, or samples from outside."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.names import DATA, FINITE, device_option
from zoo.cli.output import as_json, print_comparison, print_json


@click.command("evaluate")
@click.argument("source", metavar="RUN")
@click.option(
    "--data", type=DATA, help="Data set: NAME or NAME:ARGUMENT, or a path.  [default: what it was trained on]"
)
@click.option("--full", is_flag=True, help="Every metric, and control rows beside it.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where the folder of the result is made.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes at once (default: one per core).")
@click.option("--timeout", type=FINITE, help="Stop a process after so many seconds, and try it again, twice at most.")
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
    """Measure how RUN generates: a run folder, a model file, or samples:FILE.

    Sampling and likelihood can be asked for otherwise than the run has them: RUN:sample.KEY=VALUE,...
    Nothing is trained but the controls of --full.

    Example: zoo evaluate runs/vae-digits-1:sample.k=5000
    """
    from zoo.api import default
    from zoo.cli.progress import ShownProgress

    with ShownProgress() as progress:
        comparison = default.evaluate(
            source,
            data,
            full=full,
            device=device,
            out=out,
            jobs=jobs,
            timeout=timeout,
            on_event=progress.on_event,
        )
    if as_json:
        print_json({"path": str(comparison.path), **comparison.results})
    else:
        print_comparison(comparison)
    return 1 if comparison.failed else 0
