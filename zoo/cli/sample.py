"""`zoo sample RUN`: generate examples with a trained model."""

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


@click.command("sample")
@click.argument("run", type=RUN)
@click.option(
    "-n",
    "--count",
    type=click.IntRange(min=1, max=10_000_000),
    default=64,
    show_default=True,
    help="Number of samples.",
)
@output_option
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Random seed of the samples; those of another -n may all differ.",
)
@click.option(
    "--label",
    type=click.IntRange(min=0),
    show_default="drawn; in a .png, one row per class",
    help="Class of the samples, for a conditional model.",
)
@options_option
@device_option
@as_json
def command(
    run: Path,
    count: int,
    output: Path | None,
    seed: int,
    label: int | None,
    settings: tuple[str, ...],
    device: str,
    as_json: bool,
) -> None:
    """Generate examples with the model of RUN, a run folder or a .safetensors file.

    Samples of a conditional model have the classes of the training split in its shares. An .npz file contains them as
    'labels', and a .png has one row for each class. Samples of a mixed table are valid rows of the file, in a .csv.

    Example: zoo sample runs/vae-digits-1 -n 64 -o samples.png
    """
    check_output(output, count)
    options = parse_options(settings)
    from zoo.api import default
    from zoo.comparison.runs import check_path

    check_path(run, default)

    model = default.load(run, device=device)
    output = output or free_output("samples", model.spec.shape, model.table)
    labels, across = _labels(model, count, label, seed, output)
    samples = model.sample(count if labels is None else len(labels), labels, seed=seed, **options)
    write_array(output, samples, "samples", model.columns, table=model.table, labels=labels, across=across)
    if as_json:
        print_json({"output": str(output), "model": model.name, "shape": list(samples.shape), "seed": seed})
    else:
        click.echo(f"Wrote {len(samples)} samples of {model.name} to {output}.")


def _labels(model: Model, count: int, label: int | None, seed: int, output: Path) -> tuple[Tensor | None, int | None]:
    """Return the classes of the samples, if the model has classes, and the images in a row of a .png, if not square.

    A .png without a given class has one row for each class of the training split, with at least `count` images in all.
    """
    import torch

    if label is not None:
        return torch.full((count,), label), None
    if not model.class_shares:
        return None, None
    if output.suffix.lower() != ".png":
        return model.draw_labels(count, seed=seed), None
    classes = torch.tensor(model.class_shares).nonzero().flatten()
    across = -(-count // len(classes))
    return classes.repeat_interleave(across), across
