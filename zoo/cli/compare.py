"""`zoo compare`: train contestants over seeds, and print how each one generates."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.names import CONTESTANT, DATA, FINITE, budget_options, device_option
from zoo.cli.output import as_json, print_comparison, print_json
from zoo.errors import ConfigError


@click.command("compare")
@click.argument("contestants", nargs=-1, type=CONTESTANT)
@click.option("--data", type=DATA, help="Data set: NAME or NAME:ARGUMENT, or a path.  [default: digits]")
@click.option("--seeds", type=click.IntRange(1, 1000), help="How many training seeds.  [default: the catalogue's, 3]")
@click.option("--full", is_flag=True, help="Every metric, control rows, 5 seeds at least, sensitivity; takes longer.")
@budget_options
@click.option("--out", type=click.Path(path_type=Path), help="Where the comparison's folder is made.  [default: runs]")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes at once (default: one per core).")
@click.option("--timeout", type=FINITE, help="Stop a cell after so many seconds, and try it again, twice at most.")
@click.option("--save-every", type=float, default=30.0, show_default=True, help="Save trainings every so many seconds.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with a comparison: its folder.")
@click.option("--allow-changes", is_flag=True, help="Resume although versions or settings have changed.")
@device_option
@as_json
def command(
    contestants: tuple[str, ...],
    data: str | None,
    seeds: int | None,
    full: bool,
    epochs: float | None,
    steps: int | None,
    seconds: float | None,
    out: Path | None,
    jobs: int | None,
    timeout: float | None,
    save_every: float,
    resume: Path | None,
    allow_changes: bool,
    device: str,
    as_json: bool,
) -> int:
    """Train CONTESTANTS = NAME[@DENSITY][:KEY=VALUE,...] over seeds, and compare how each one generates.

    A finished run (runs/vae-digits-1) and samples from outside (samples:mine.npy) are measured as they are. Without
    CONTESTANTS: the default comparison of the catalogue.

    Exits with 1 if some cells failed; --resume tries those again, and whatever an interruption left undone.

    Example: zoo compare rbm ae@gmm vae --data digits --seeds 5
    """
    from zoo.api import default
    from zoo.cli.progress import ShownProgress

    if resume is not None and out is not None:
        raise ConfigError("A comparison goes on in its folder; leave out --out.")
    with ShownProgress() as progress:
        comparison = default.compare(
            contestants,
            data,
            seeds=seeds,
            epochs=epochs,
            steps=steps,
            seconds=seconds,
            full=full,
            device=device,
            out=out or Path("runs"),
            jobs=jobs,
            timeout=timeout,
            save_every=save_every,
            resume=resume,
            allow_changes=allow_changes,
            on_event=progress.on_event,
        )
    if as_json:
        print_json({"path": str(comparison.path), **comparison.results})
    else:
        print_comparison(comparison)
    return 1 if comparison.failed else 0
