"""`zoo encode RUN`: encode a data set with a trained model."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.files import array_output, check_output, free_output, output_option
from zoo.cli.names import RUN, device_option, options_option, parse_options
from zoo.cli.output import as_json, print_json
from zoo.cli.rows import data_option, rows_for, say_notes, split_option


@click.command("encode")
@click.argument("run", type=RUN)
@data_option
@split_option
@click.option(
    "--seed", type=click.IntRange(min=0), show_default="mean codes", help="Draw the codes at random with this seed."
)
@output_option
@options_option
@device_option
@as_json
def command(
    run: Path,
    data: str | None,
    split: str | None,
    seed: int | None,
    output: Path | None,
    settings: tuple[str, ...],
    device: str,
    as_json: bool,
) -> None:
    """Encode data with the model of RUN, a run folder or a .safetensors file.

    The output has one row per example, in the order of the file; columns of tables are matched by name. A conditional
    model is given the labels of the data. Text tables, Parquet and .npy files may be larger than the memory if the
    output is a .npy or .csv.

    Example: zoo encode runs/vae-digits-1 --data digits -o z.npy
    """
    check_output(output)
    options = parse_options(settings)
    from zoo.api import default
    from zoo.comparison.runs import check_path

    check_path(run, default)
    from zoo.data.source import check_name

    if data is not None:
        check_name(data, default)
    model = default.load(run, device=device)
    output = output or free_output("codes")
    count, shape = 0, tuple[int, ...]()
    with array_output(output, "codes") as add:
        for number, rows in enumerate(rows_for(model, run, data, split)):
            say_notes(rows)
            codes = model.encode(rows.x, rows.labels, seed=_block_seed(seed, number), **options)
            add(codes)
            count, shape = count + len(codes), tuple(codes.shape[1:])
    if as_json:
        print_json({"output": str(output), "model": model.name, "shape": [count, *shape]})
    else:
        click.echo(f"Wrote {count} codes of shape {shape} to {output}.")


def _block_seed(seed: int | None, number: int) -> int | None:
    """Return the seed of a block of rows: that of the command for the first one, another for each of the others."""
    from zoo.runtime.seeds import derive_seed

    return derive_seed(seed, f"block {number}") if seed is not None and number else seed
