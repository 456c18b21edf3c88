"""`zoo tune CONTESTANT`: choose settings on the validation split."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from zoo.cli.advice import ContestantCommand
from zoo.cli.names import (
    CONTESTANT,
    DATA,
    FINITE,
    MEASURE_HELP,
    budget_options,
    device_option,
    features_option,
)
from zoo.cli.output import as_json, print_json
from zoo.comparison.measures import MEASURES


@click.command("tune", cls=ContestantCommand)
@click.argument("contestants", nargs=-1, type=CONTESTANT)
@click.option("--data", type=DATA, help="Data set: NAME or NAME:ARGUMENT, or a path.  [default: digits]")
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Trials per contestant.")
@click.option("--measure", type=click.Choice(MEASURES), default="kernel", show_default=True, help=MEASURE_HELP)
@budget_options
@click.option("--out", type=click.Path(path_type=Path), help="Parent of the new folder.  [default: runs]")
@click.option("--jobs", type=click.IntRange(min=1), show_default="one per core", help="Number of parallel processes.")
@click.option(
    "--executor",
    metavar="ADDRESS",
    help="Run the trials on a Dask cluster: dask://HOST:PORT of a scheduler, or dask-local:N for N local workers.",
)
@click.option("--timeout", type=FINITE, help="Time limit per trial in seconds.")
@click.option("--resume", type=click.Path(path_type=Path), help="Resume the tuning in this folder.")
@click.option("--allow-changes", is_flag=True, help="Resume even if versions or settings have changed.")
@device_option
@features_option
@as_json
def command(
    contestants: tuple[str, ...],
    data: str | None,
    trials: int,
    measure: str,
    epochs: float | None,
    steps: int | None,
    seconds: float | None,
    out: Path | None,
    jobs: int | None,
    executor: str | None,
    timeout: float | None,
    resume: Path | None,
    allow_changes: bool,
    device: str,
    features: str,
    as_json: bool,
) -> None:
    """Choose settings of CONTESTANTS = NAME[@DENSITY][:KEY=VALUE,...] on the validation split.

    Each contestant gets the same number of trials of the same budget. Trial 0 has the defaults; the others draw the
    settings that 'zoo info NAME' lists as tuned, except those that the contestant sets. No trial sees the test split.

    After a kill, --resume repeats only the trials that were running. 'zoo compare --resume' continues with a table of
    the defaults and the choice.

    Example: zoo tune vae@gmm --trials 50 --data digits
    """
    from zoo.api import default

    found = default.tune(
        contestants,
        data,
        trials=trials,
        measure=measure,
        epochs=epochs,
        steps=steps,
        seconds=seconds,
        device=device,
        features=features,
        out=out or Path("runs"),
        jobs=jobs,
        executor=executor,
        timeout=timeout,
        resume=resume,
        allow_changes=allow_changes,
        progress=True,
    )
    if as_json:
        print_json({"path": str(found.path), "best": found.best, **found.typed.model_dump(mode="json")})
        return
    click.echo(str(found))
    click.echo(f"Compare on the test split: zoo compare --resume {shlex.quote(str(found.path))}")
