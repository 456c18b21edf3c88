"""`zoo train CONTESTANT`: train one model and write a run folder; or go on with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.names import CONTESTANT, DATA, DEVICE, DEVICE_HELP, budget_options
from zoo.cli.output import as_json, print_json
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.cli.progress import ShownProgress
    from zoo.models.model import Model
    from zoo.training.budget import TrainingBudget
    from zoo.training.checkpoints import CheckpointPolicy
    from zoo.training.resume import RunRecord


@click.command("train")
@click.argument("contestant", type=CONTESTANT, required=False)
@click.option("--data", type=DATA, help="Data set: NAME or NAME:ARGUMENT, or a path.  [default: digits]")
@click.option("--seed", type=click.IntRange(min=0), help="Of everything random.  [default: 0]")
@budget_options
@click.option("--out", type=click.Path(path_type=Path), help="Where the run folder is made.  [default: runs]")
@click.option("--save-every", type=float, default=30.0, show_default=True, help="Save the state every so many seconds.")
@click.option("--keep", type=int, default=2, show_default=True, help="Keep so many of the last states.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with a run: its folder, or a state file in it.")
@click.option("--allow-changes", is_flag=True, help="Resume although data, settings or versions have changed.")
@click.option("--device", type=DEVICE, help=f"{DEVICE_HELP}  [default: cpu, or the run's]")
@as_json
def command(
    contestant: str | None,
    data: str | None,
    seed: int | None,
    epochs: float | None,
    steps: int | None,
    seconds: float | None,
    out: Path | None,
    save_every: float,
    keep: int,
    resume: Path | None,
    allow_changes: bool,
    device: str | None,
    as_json: bool,
) -> int:
    """Train CONTESTANT = NAME[@DENSITY][:KEY=VALUE,...] and write a run folder.

    Ctrl-C saves the state; --resume goes on from it, bit for bit as if nothing had been.

    Example: zoo train vae@gmm:latent_dim=8,train.learning_rate=0.002 --data digits --epochs 50
    """
    from zoo.cli.progress import ShownProgress
    from zoo.training.budget import TrainingBudget
    from zoo.training.checkpoints import CheckpointPolicy
    from zoo.training.resume import RunRecord

    amount = TrainingBudget.choose(epochs=epochs, steps=steps, seconds=seconds)
    saving = CheckpointPolicy(save_every, keep, allow_changes=allow_changes)
    shown = ShownProgress()
    if resume is None:
        folder, model = _train(
            contestant, data or "digits", seed or 0, amount, out or Path("runs"), saving, device or "cpu", shown
        )
    else:
        if seed is not None or out is not None:
            raise ConfigError("A run goes on with its seed and in its folder; leave out --seed and --out.")
        begun = RunRecord.read(resume)
        folder, model = begun.folder, _resume(begun, contestant, data, amount, saving, device, shown)
        contestant = contestant or begun.contestant.text
    if as_json:
        print_json(
            {"run": str(folder), "contestant": contestant, "parameters": model.parameters, "losses": shown.losses}
        )
        return 0
    click.echo(f"Trained {model.name} with {model.parameters:,} parameters: {folder}")
    click.echo(f"Next: zoo sample {folder} -n 64 -o samples.png")
    return 0


def _train(
    text: str | None,
    data: str,
    seed: int,
    amount: TrainingBudget | None,
    out: Path,
    saving: CheckpointPolicy,
    device: str,
    shown: ShownProgress,
) -> tuple[Path, Model]:
    """Train in a new folder, which is made when nothing else can be wrong."""
    from zoo.api import default
    from zoo.contestant import parse_contestant
    from zoo.data.load import load_data
    from zoo.data.paths import source_of
    from zoo.files.names import slug
    from zoo.files.storage import new_folder
    from zoo.runtime.devices import find_device
    from zoo.training.resolved import resolve
    from zoo.training.train import train

    if text is None:
        raise click.UsageError("Missing argument 'CONTESTANT'; give it, or a run to go on with: --resume RUN.")
    contestant = parse_contestant(text)
    resolved = resolve(default, contestant)
    find_device(device)
    loaded = load_data(data, default)
    name = resolved.plugin.card.name + (f"@{resolved.density.card.name}" if resolved.density else "")
    folder = new_folder(out, slug(f"{name}-{Path(loaded.name).stem}"))
    with shown:
        model = train(
            default,
            contestant,
            loaded,
            seed=seed,
            amount=amount,
            folder=folder,
            progress=shown.report,
            source=source_of(data),
            saving=saving,
            device=device,
        )
    return folder, model


def _resume(
    begun: RunRecord,
    text: str | None,
    data: str | None,
    amount: TrainingBudget | None,
    saving: CheckpointPolicy,
    device: str | None,
    shown: ShownProgress,
) -> Model:
    """Go on with a run, and say from where."""
    from zoo.api import default
    from zoo.contestant import parse_contestant
    from zoo.training.resume import resume

    where = f"goes on from {begun.state}" if begun.state else "has no saved state and begins at its first step"
    click.echo(f"{begun.folder} {where}.", err=True)
    contestant = None if text is None else parse_contestant(text)
    with shown:
        return resume(
            default,
            begun,
            contestant=contestant,
            data=data,
            amount=amount,
            progress=shown.report,
            saving=saving,
            device=device,
        )
