"""`zoo sample RUN`: generate examples with a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.files import check_output, output_option, write_array
from zoo.cli.names import device_option
from zoo.cli.output import as_json, print_json


@click.command("sample")
@click.argument("run", type=click.Path(path_type=Path))
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
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Sampling option of the model (see 'zoo info NAME'); repeatable.",
)
@device_option
@as_json
def command(
    run: Path, count: int, output: Path, seed: int, settings: tuple[str, ...], device: str, as_json: bool
) -> None:
    """Generate examples with the model of RUN, a run folder or a .safetensors file.

    Example: zoo sample runs/vae-digits-1 -n 64 -o samples.png
    """
    check_output(output, count)
    options = _options(settings)
    from zoo.api import default

    model = default.load(run, device=device)
    samples = model.sample(count, seed=seed, **options)
    write_array(output, samples, "samples", model.columns)
    if as_json:
        print_json({"output": str(output), "model": model.name, "shape": list(samples.shape), "seed": seed})
    else:
        click.echo(f"Wrote {count} samples of {model.name} to {output}.")


def _options(settings: tuple[str, ...]) -> dict[str, Any]:
    from zoo.contestant import parse_contestant

    return parse_contestant(f"model:{','.join(f'sample.{each}' for each in settings)}").options if settings else {}
