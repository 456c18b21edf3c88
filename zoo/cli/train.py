"""`zoo train CONTESTANT`: train one model and write a run folder, or resume one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.advice import WORDS, ContestantCommand
from zoo.cli.names import CONTESTANT, DATA, DEVICE, DEVICE_HELP, budget_options, track_option
from zoo.cli.output import as_json, print_json
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.models.model import Model
    from zoo.training.job import TrainingJob


@click.command("train", cls=ContestantCommand)
@click.argument("contestant", type=CONTESTANT, required=False)
@click.option("--data", type=DATA, help="Data set: NAME or NAME:ARGUMENT, or a path.  [default: digits]")
@click.option("--seed", type=click.IntRange(min=0), show_default="0", help="Random seed.")
@budget_options
@click.option("--out", type=click.Path(path_type=Path), help="Parent of the new run folder.  [default: runs]")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Start with the weights of this run or model file, of the same model; its objective may differ.",
)
@click.option("--save-every", type=float, default=30.0, show_default=True, help="Seconds between checkpoints.")
@click.option("--keep", type=int, default=2, show_default=True, help="Number of checkpoints to keep.")
@click.option(
    "--resume", type=click.Path(path_type=Path), help="Resume the run in this folder, or from this checkpoint."
)
@click.option("--allow-changes", is_flag=True, help="Resume even if data, settings or versions have changed.")
@click.option("--device", type=DEVICE, help=f"{DEVICE_HELP}  [default: cpu, or the run's]")
@click.option(
    "--threads", type=click.IntRange(min=1), help="Number of threads to train with.  [default: 1, or the run's]"
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that train the model together, each on its part of every batch.",
)
@track_option
@as_json
@click.pass_context
def command(
    ctx: click.Context,
    contestant: str | None,
    data: str | None,
    seed: int | None,
    epochs: float | None,
    steps: int | None,
    seconds: float | None,
    out: Path | None,
    weights: Path | None,
    save_every: float,
    keep: int,
    resume: Path | None,
    allow_changes: bool,
    device: str | None,
    threads: int | None,
    processes: int,
    track: tuple[str, ...],
    as_json: bool,
) -> int:
    """Train CONTESTANT = NAME[@DENSITY][:KEY=VALUE,...] and write a run folder.

    DENSITY is a latent density. KEY is a setting of the model, train.KEY a setting of training; 'zoo info NAME' lists
    them. For a model with several players, train.KEY is for all of them, and train.PLAYER.KEY for one.

    --weights starts with the weights of a finished run, for example to go on with another learning rate or objective.

    Ctrl-C saves a checkpoint; --resume continues from it, bit-identical to an uninterrupted run.

    With --processes N, or under torchrun, N processes train the model; the batch size is that of all together.

    Example: zoo train vae@gmm:latent_dim=8,train.batch_size=64 --epochs 50
    """
    from zoo.api import default
    from zoo.contestant import parse_contestant
    from zoo.runtime.threads import wait_passively
    from zoo.training.names import check_names

    wait_passively()

    parsed = None if contestant is None else parse_contestant(contestant)
    check_names(default, [parsed] if parsed else [], data)
    from zoo.data.columns import notes
    from zoo.data.source import source_of
    from zoo.report.progress import ShownProgress
    from zoo.runtime.interruption import Interrupted
    from zoo.runtime.ranks import LostRankError, Ranks, joined
    from zoo.tracking.trackers import find_trackers
    from zoo.tracking.training import train_tracked
    from zoo.training.budget import TrainingBudget
    from zoo.training.checkpoints import CheckpointPolicy
    from zoo.training.record import cost_in_words
    from zoo.training.resume import RunRecord, plan_resumed
    from zoo.training.train import plan, train

    trackers = find_trackers(default, track)
    budget = TrainingBudget.choose(epochs=epochs, steps=steps, seconds=seconds)
    checkpoints = CheckpointPolicy(save_every, keep, allow_changes=allow_changes)
    if processes > 1 and (started := _started_by_torchrun()) != processes:
        if started:
            raise ConfigError(f"torchrun has started {started} processes, got --processes {processes}; leave it out.")
        from zoo.engine.torchrun import launch

        assert ctx.parent
        debug = ["--debug"] if ctx.parent.params["debug"] else []
        return launch(processes, [*debug, "train", *ctx.meta[WORDS]])

    def planned(ranks: Ranks) -> TrainingJob:
        if resume is None:
            if parsed is None:
                raise click.UsageError("Missing argument 'CONTESTANT'; name one, or resume a run with --resume RUN.")
            return plan(
                default,
                parsed,
                data or "digits",
                seed=seed or 0,
                budget=budget,
                out=out or Path("runs"),
                checkpoints=checkpoints,
                device=device or "cpu",
                source=source_of(data or "digits"),
                weights=weights,
                threads=threads or 1,
                ranks=ranks,
            )
        if seed is not None or out is not None:
            raise ConfigError("A resumed run keeps its seed and folder; remove --seed and --out.")
        if weights is not None:
            raise ConfigError("A resumed run keeps the weights that it was started with; remove --weights.")
        run = RunRecord.read(resume)
        job = plan_resumed(
            default,
            run,
            contestant=parsed,
            data=data,
            budget=budget,
            checkpoints=checkpoints,
            device=device,
            threads=threads,
            ranks=ranks,
        )
        where = f"resumes from {run.state}" if run.state else "has no checkpoint and starts at its first step"
        if ranks.is_first:
            click.echo(f"{run.folder} {'is finished' if job.finished else where}.", err=True)
        return job

    with joined() as ranks:
        try:
            job = ranks.in_turn(lambda: planned(ranks))
            if not ranks.is_first:
                if job.ranks is ranks:
                    train(job)
                return 0
            if job.ranks is not ranks:
                click.echo(
                    f"Note: {job.resolved.plugin.card.name} has its own fit, which runs in one process.", err=True
                )
            for note in notes(job.data):
                click.echo(f"Note: {note}.", err=True)
            with ShownProgress() as shown:
                model = train_tracked(trackers, job, shown.report)
        except (LostRankError, Interrupted) as error:
            if ranks.is_first:
                raise
            return error.exit_code
    contestant = contestant or job.about["contestant"]["text"]
    files = _report(job, model)
    if as_json:
        print_json(
            {"run": str(job.folder), "contestant": contestant, "parameters": model.n_parameters, "losses": shown.losses}
            | {"files": [str(file) for file in files]}
        )
        return 0
    click.echo(f"Trained {model.name} with {model.n_parameters:,} parameters: {job.folder}")
    if job.folder and (cost := cost_in_words(job.folder)):
        click.echo(f"Cost: {cost}")
    for file in files:
        click.echo(f"Wrote {file}")
    click.echo(f"Next: zoo evaluate {job.folder}, zoo sample {job.folder}")
    return 0


def _started_by_torchrun() -> int:
    """Return the number of processes that torchrun has started, of which this is one; 0 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", 0)) if "TORCHELASTIC_RUN_ID" in os.environ else 0


def _report(job: TrainingJob, model: Model) -> list[Path]:
    """Write the report and the picture of samples of a run, and return their paths."""
    from zoo.comparison.plotting import model_pictures
    from zoo.report.run_html import write_run_report
    from zoo.training.record import FILE as RECORD

    if job.folder is None:
        return []
    record = json.loads((job.folder / RECORD).read_bytes())
    arrays = model_pictures(model, None, 0) | model_pictures(model, job.data, 0)
    return write_run_report(job.folder, model.name, record, model.n_parameters, arrays)
