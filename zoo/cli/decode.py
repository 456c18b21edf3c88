"""`zoo decode RUN CODES`: decode codes with a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.files import check_output, free_output, output_option, write_array
from zoo.cli.names import RUN, device_option, options_option, parse_options
from zoo.cli.output import as_json, print_json

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.models.model import Model


@click.command("decode")
@click.argument("run", type=RUN)
@click.argument("codes", type=click.Path(path_type=Path))
@output_option
@click.option("--label", type=click.IntRange(min=0), help="Class of the examples, for a conditional model.")
@options_option
@device_option
@as_json
def command(
    run: Path,
    codes: Path,
    output: Path | None,
    label: int | None,
    settings: tuple[str, ...],
    device: str,
    as_json: bool,
) -> None:
    """Decode CODES with the model of RUN, a run folder or a .safetensors file.

    CODES is a .npy, .npz or .csv file with one row per code, as 'zoo encode' writes it.

    Example: zoo decode runs/vae-digits-1 z.npy -o x.png
    """
    check_output(output)
    options = parse_options(settings)
    from zoo.api import default
    from zoo.comparison.runs import check_path

    check_path(run, default)

    model = default.load(run, device=device)
    x = model.decode(_codes(codes, model), label, **options)
    output = output or free_output("decoded", model.spec.shape, model.table)
    write_array(output, x, "decoded", model.columns, table=model.table)
    if as_json:
        print_json({"output": str(output), "model": model.name, "shape": list(x.shape)})
    else:
        click.echo(f"Wrote {len(x)} decoded examples to {output}.")


def _codes(path: Path, model: Model) -> Tensor:
    """Return the codes of a file, shape (N, *latent), as the model encodes them."""
    import torch

    from zoo.data.files import read_codes
    from zoo.errors import DataError

    one = model.encode(torch.zeros(1, *model.spec.shape), 0 if model.is_conditional else None)
    z, latent = read_codes(str(path)), one.shape[1:]
    if z.shape[1:] != latent and z.shape[1:].numel() == latent.numel() and path.suffix.lower() == ".csv":
        z = z.reshape(-1, *latent)  # each row of the table is a flattened code
    if z.shape[1:] != latent:
        shape = ", ".join(map(str, ("N", *latent)))
        raise DataError(f"{path} must contain codes of shape ({shape}), got {tuple(z.shape)}.")
    return z
