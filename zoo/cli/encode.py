"""`zoo encode RUN`: encode a data set with a trained model."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.files import check_output, free_output, output_option, write_array
from zoo.cli.names import DATA, RUN, device_option, options_option, parse_options
from zoo.cli.output import as_json, print_json


@click.command("encode")
@click.argument("run", type=RUN)
@click.option(
    "--data", type=DATA, default="digits", show_default=True, help="Data set: NAME or NAME:ARGUMENT, or a path."
)
@click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    default="test",
    show_default=True,
    help="Split to encode.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), show_default="mean codes", help="Draw the codes at random with this seed."
)
@output_option
@options_option
@device_option
@as_json
def command(
    run: Path,
    data: str,
    split: str,
    seed: int | None,
    output: Path | None,
    settings: tuple[str, ...],
    device: str,
    as_json: bool,
) -> None:
    """Encode a data set with the model of RUN, a run folder or a .safetensors file.

    The output has one row per example. A conditional model is given the labels of the data.

    Example: zoo encode runs/vae-digits-1 --data digits -o z.npy
    """
    check_output(output)
    options = parse_options(settings)
    from zoo.api import default
    from zoo.comparison.runs import check_path

    check_path(run, default)
    from zoo.data.paths import check_data_name

    check_data_name(data, default)
    from zoo.data.load import load_data
    from zoo.errors import DataError

    model = default.load(run, device=device)
    loaded = load_data(data, default)
    if loaded.spec.shape != model.spec.shape:
        raise DataError(
            f"{model.name} was trained on examples of shape {model.spec.shape}, but {data} has {loaded.spec.shape}; "
            "choose other data with --data."
        )
    y = getattr(loaded, f"{split}_labels") if model.is_conditional else None
    if model.is_conditional and y is None:
        raise DataError(f"{model.name} is conditional, and {data} has no labels; choose other data with --data.")
    codes = model.encode(getattr(loaded, split), y, seed=seed, **options)
    output = output or free_output("codes")
    write_array(output, codes, "codes")
    if as_json:
        print_json({"output": str(output), "model": model.name, "shape": list(codes.shape)})
    else:
        click.echo(f"Wrote {len(codes)} codes of shape {tuple(codes.shape[1:])} to {output}.")
