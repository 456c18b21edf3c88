"""`zoo decode RUN CODES`: what a trained model makes of codes."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.files import check_output, output_option, read_array, write_array
from zoo.cli.output import as_json, print_json


@click.command("decode")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("codes", type=click.Path(path_type=Path))
@output_option
@as_json
def command(run: Path, codes: Path, output: Path, as_json: bool) -> None:
    """Decode CODES (.npy, .npz or .csv, one row per code) with the model of RUN.

    Example: zoo decode runs/vae-digits-1 z.npy -o x.png
    """
    check_output(output)
    from zoo.api import default

    model = default.load(run)
    x = model.decode(read_array(codes))
    write_array(output, x, "decoded", model.columns)
    if as_json:
        print_json({"output": str(output), "model": model.name, "shape": list(x.shape)})
    else:
        click.echo(f"Wrote {len(x)} decoded examples to {output}.")
