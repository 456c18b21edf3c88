"""`zoo export RUN`: write a trained model as programs that run without genzoo."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from zoo.cli.names import options_option, parse_options
from zoo.cli.output import as_json, print_json


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--onnx",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write ONNX graphs, for onnxruntime and others; needs genzoo[onnx].",
)
@click.option(
    "--torch",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write programs for torch.export.load.",
)
@options_option
@as_json
def command(run: Path, onnx: Path | None, torch: Path | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Write encode, decode and sample of RUN, a run folder or a .safetensors file, as programs without genzoo.

    'sample' takes its noise as inputs, standard normal and uniform, so that the caller draws it. Each program is
    compared with the model on 100 inputs before it is written. What cannot be exported is listed with the reason.

    Example: zoo export runs/vae-digits-1 --onnx exported
    """
    if not onnx and not torch:
        raise click.UsageError("Give --onnx DIR or --torch DIR.")
    options = parse_options(settings)
    from zoo.api import default

    model = default.load(run).with_options(options)
    exports = [default.export(model, onnx, "onnx")] if onnx else []
    exports += [default.export(model, torch, "torch")] if torch else []
    if as_json:
        print_json([dataclasses.asdict(each) for each in exports])
        return
    for export in exports:
        for program in export.programs.values():
            inputs = ", ".join(f"{name} {('B', *shape)}" for name, shape in program.inputs.items()).replace("'", "")
            click.echo(
                f"Wrote {export.folder / program.file}: {inputs}; differs from the model by at most "
                f"{program.difference:.1g}."
            )
        for name, reason in export.refused.items():
            click.echo(f"{name} is not exported: {reason}.")
