"""`zoo train CONTESTANT`: train one model and write a run folder."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.names import CONTESTANT, DATA, budget_options
from zoo.cli.output import as_json, print_json


@click.command("train")
@click.argument("contestant", type=CONTESTANT)
@click.option("--data", type=DATA, default="digits", show_default=True, help="Data set: NAME or NAME:ARGUMENT.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@budget_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where the run folder is made.",
)
@as_json
def command(
    contestant: str,
    data: str,
    seed: int,
    epochs: float | None,
    steps: int | None,
    seconds: float | None,
    out: Path,
    as_json: bool,
) -> None:
    """Train CONTESTANT = NAME[@DENSITY][:KEY=VALUE,...] and write a run folder.

    Example: zoo train vae@gmm:latent_dim=8,train.learning_rate=0.002 --data digits --epochs 50
    """
    from zoo.amount import Amount
    from zoo.api import default
    from zoo.cli.progress import ShownProgress
    from zoo.comparison.names import slug
    from zoo.contestant import parse_contestant
    from zoo.data import load_data
    from zoo.storage import new_folder
    from zoo.training import resolve

    Amount.choose(epochs=epochs, steps=steps, seconds=seconds)
    resolved = resolve(default, parse_contestant(contestant))
    loaded = load_data(data, registry=default)  # everything that can be wrong is found before a folder is made
    name = resolved.plugin.card.name + (f"@{resolved.density.card.name}" if resolved.density else "")
    folder = new_folder(out, slug(f"{name}-{Path(loaded.name).stem}"))
    with ShownProgress() as progress:
        model = default.train(
            contestant,
            loaded,
            seed=seed,
            epochs=epochs,
            steps=steps,
            seconds=seconds,
            folder=folder,
            progress=progress.report,
        )
    if as_json:
        print_json(
            {"run": str(folder), "contestant": contestant, "parameters": model.parameters, "losses": progress.losses}
        )
        return
    click.echo(f"Trained {model.name} with {model.parameters:,} parameters: {folder}")
    click.echo(f"Next: zoo sample {folder} -n 64 -o samples.png")
