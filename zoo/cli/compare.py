"""`zoo compare`: train contestants with several seeds and print how well each generates."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.names import CONTESTANT, DATA, FINITE, budget_options, device_option
from zoo.cli.output import as_json, print_comparison, print_json
from zoo.errors import ConfigError


@click.command("compare")
@click.argument("contestants", nargs=-1, type=CONTESTANT)
@click.option("--data", type=DATA, help="Data set: NAME or NAME:ARGUMENT, or a path.  [default: digits]")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Number of training seeds.  [default: 3]")
@click.option("--full", is_flag=True, help="All metrics, control rows, at least 5 seeds, sensitivity; takes longer.")
@budget_options
@click.option("--out", type=click.Path(path_type=Path), help="Parent of the comparison's new folder.  [default: runs]")
@click.option("--jobs", type=click.IntRange(min=1), help="Number of parallel processes.  [default: one per core]")
@click.option("--timeout", type=FINITE, help="Time limit of a cell in seconds; it is retried twice at most.")
@click.option("--save-every", type=float, default=30.0, show_default=True, help="Seconds between checkpoints.")
@click.option("--resume", type=click.Path(path_type=Path), help="Resume the comparison in this folder.")
@click.option("--allow-changes", is_flag=True, help="Resume even if versions or settings have changed.")
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
    """Train CONTESTANTS = NAME[@DENSITY][:KEY=VALUE,...] with several seeds and compare how well each generates.

    A finished run (runs/vae-digits-1) and samples made elsewhere (samples:mine.npy) are only measured. Without
    CONTESTANTS, the catalogue's default comparison is run.

    Exits with 1 if some cells failed; --resume runs these again, and whatever an interruption left undone.

    Example: zoo compare rbm ae@gmm vae --data digits --seeds 5
    """
    from zoo.api import default

    if resume is not None and out is not None:
        raise ConfigError("A resumed comparison keeps its folder; remove --out.")
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
        progress=True,
    )
    if as_json:
        print_json({"path": str(comparison.path), **comparison.results})
    else:
        print_comparison(comparison)
    return 1 if comparison.failed else 0
