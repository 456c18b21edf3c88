"""`zoo push RUN DEST`: write a trained model to a hub, a folder or an address."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.output import as_json, print_json


@click.command("push")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("destination", metavar="DEST")
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Comparison or evaluation whose figures of RUN the model card shows.  [default: the one that RUN is part of]",
)
@as_json
def command(run: Path, destination: str, results: Path | None, as_json: bool) -> None:
    """Write the model of RUN, a run folder or a .safetensors file, with a model card to DEST.

    DEST is hub:USER/NAME (a Hugging Face hub, with the credentials of its own tools), a folder, or an address of
    fsspec, such as s3://bucket/folder; the first and the last need genzoo[hub].

    Example: zoo push runs/vae-digits-1 hub:USER/vae-digits
    """
    from zoo.api import default

    address = default.push(run, destination, results)
    if as_json:
        print_json({"address": address})
    else:
        click.echo(f'Pushed. Load it with: zoo.load("{address}")')
