"""`zoo compare`: train contestants with several seeds and print how well each generates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.advice import ContestantCommand
from zoo.cli.names import (
    CONTESTANT,
    DATA,
    EPOCHS,
    FINITE,
    MEASURE_HELP,
    NAMES,
    budget_options,
    device_option,
    features_option,
    n_option,
    track_option,
)
from zoo.cli.output import as_json, print_comparison, print_comparisons
from zoo.comparison.measures import MEASURES
from zoo.errors import ConfigError

_UNASKED: tuple[Any, ...] = (None, False, 0, "", (), "cpu", "kernel")


@click.command("compare", cls=ContestantCommand)
@click.argument("contestants", nargs=-1, type=CONTESTANT)
@click.option(
    "--data",
    type=DATA,
    multiple=True,
    help="Data set: NAME or NAME:ARGUMENT, or a path. NAME,NAME,... or repeated: a table for each, and a summary.  "
    "[default: that of finished runs, or digits]",
)
@click.option("--seeds", type=click.IntRange(1, 1000), show_default="5", help="Number of training seeds.")
@click.option("--full", is_flag=True, help="Add all metrics, control rows and sensitivity; >= 5 seeds; takes longer.")
@click.option("--quick", is_flag=True, help="A first look: one seed and 20 epochs, unless others are given.")
@click.option("--controls", is_flag=True, help="Add control rows: models too simple to be good, and one that copies.")
@n_option
@budget_options
@click.option(
    "--over-epochs", type=EPOCHS, metavar="E,E,...", help="Measure after these epochs, too; the last is the budget."
)
@click.option(
    "--tune",
    type=click.IntRange(min=1),
    metavar="N",
    help="Tune each contestant with N trials on the validation split.",
)
@click.option("--measure", type=click.Choice(MEASURES), default="kernel", help=f"With --tune: {MEASURE_HELP}")
@click.option(
    "--metrics",
    type=NAMES,
    default=(),
    metavar="NAME,NAME,...",
    help="Measure these metrics only.  [default: all that need no --full]",
)
@click.option("--out", type=click.Path(path_type=Path), help="Parent of the comparison's new folder.  [default: runs]")
@click.option("--jobs", type=click.IntRange(min=1), show_default="one per core", help="Number of parallel processes.")
@click.option(
    "--executor",
    metavar="ADDRESS",
    help="Run the cells on a Dask cluster: dask://HOST:PORT of a scheduler, or dask-local:N for N local workers.",
)
@click.option(
    "--timeout",
    type=FINITE,
    help="Time limit per cell (one model, one seed) in seconds; a cell is retried at most twice.",
)
@click.option("--save-every", type=float, default=30.0, show_default=True, help="Seconds between checkpoints.")
@click.option("--resume", type=click.Path(path_type=Path), help="Resume the comparison in this folder.")
@click.option(
    "-f", "--file", "experiment", type=click.Path(path_type=Path), help="Run the experiment in this TOML file."
)
@click.option("--save", type=click.Path(path_type=Path), help="Write the experiment to this TOML file, too, for -f.")
@click.option("--allow-changes", is_flag=True, help="Resume even if versions or settings have changed.")
@device_option
@features_option
@track_option
@as_json
def command(
    contestants: tuple[str, ...],
    data: tuple[str, ...],
    seeds: int | None,
    full: bool,
    quick: bool,
    controls: bool,
    n: int | None,
    epochs: float | None,
    steps: int | None,
    seconds: float | None,
    over_epochs: tuple[int, ...] | None,
    tune: int | None,
    measure: str,
    metrics: tuple[str, ...],
    out: Path | None,
    jobs: int | None,
    executor: str | None,
    timeout: float | None,
    save_every: float,
    resume: Path | None,
    experiment: Path | None,
    save: Path | None,
    allow_changes: bool,
    device: str,
    features: str,
    track: tuple[str, ...],
    as_json: bool,
) -> int:
    """Train CONTESTANTS = NAME[@DENSITY][:KEY=VALUE,...] with several seeds and compare how well each generates.

    KEY=VALUE|VALUE is a contestant for each value, vae:"beta=0.5|1|4" for example. A finished run (runs/vae-digits-1)
    or a file of samples (samples:mine.npy) is measured, not trained. Without CONTESTANTS, the catalogue's default
    comparison runs.

    Exits with 1 if a cell (one model, one seed) failed. --resume reruns failed cells and continues unfinished ones.

    Example: zoo compare rbm ae@gmm vae --data digits --seeds 5
    """
    from zoo.api import default
    from zoo.data.paths import data_sets

    if resume is not None and out is not None:
        raise ConfigError("A resumed comparison keeps its folder; remove --out.")
    named = [each for text in data for each in data_sets(text)]
    asked: dict[str, Any] = {
        "seeds": seeds,
        "epochs": epochs,
        "steps": steps,
        "seconds": seconds,
        "full": full,
        "quick": quick,
        "controls": controls,
        "n": n,
        "device": device,
        "features": features,
        "metrics": metrics,
        "over_epochs": over_epochs,
        "tune": tune or 0,
        "measure": measure,
        "jobs": jobs,
        "timeout": timeout,
    }
    running: dict[str, Any] = {
        "out": out or Path("runs"),
        "executor": executor,
        "save_every": save_every,
        "resume": resume,
        "allow_changes": allow_changes,
        "track": track,
        "progress": True,
    }
    if (several := _several(contestants, named, asked, experiment, resume, save)) is not None:
        comparisons = default.compare_each(several or None, **running)
        print_comparisons(comparisons, as_json=as_json)
        return 1 if comparisons.failed else 0
    comparison = default.compare(
        contestants, named[0] if named else None, **asked, **running, experiment=experiment, save=save
    )
    print_comparison(comparison, as_json=as_json)
    return 1 if comparison.failed else 0


def _several(
    contestants: tuple[str, ...],
    data: list[str],
    asked: dict[str, Any],
    experiment: Path | None,
    resume: Path | None,
    save: Path | None,
) -> dict[str, Any] | None:
    """Return the experiment on several data sets, {} to resume one; None for a comparison on one data set."""
    if resume is not None and experiment is None and not data:
        from zoo.comparison.several import is_several

        return {} if is_several(resume) else None
    if experiment is not None and not (contestants or data or resume):
        from zoo.comparison.experiment import Experiment

        found = Experiment.read(experiment)
        if isinstance(found.data, tuple):
            own = {key: asked[key] for key in ("jobs", "timeout") if asked[key] is not None}
            given = [key for key, value in asked.items() if key not in own and value not in _UNASKED]
            if given or save:
                raise ConfigError(
                    f"{experiment} says what is compared; change it there, and remove {', '.join(given or ['save'])}."
                )
            return found.model_dump(exclude_defaults=True) | own
    if len(data) > 1:
        if resume or experiment:
            raise ConfigError("What is resumed, or read from a file, keeps its data sets; remove --data.")
        from zoo.comparison.experiment import Experiment

        keys = {key: value for key, value in asked.items() if value not in _UNASKED}
        whole = Experiment.parse({"contestants": contestants, "data": tuple(data), **keys}, "the comparison")
        if save is not None:
            whole.write(save)
        return whole.model_dump(exclude_defaults=True)
    return None
