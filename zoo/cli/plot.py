"""`zoo plot PATH [KIND …]`: plots of a run or comparison as PNG or SVG."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.names import DATA, RUN
from zoo.cli.output import as_json, print_json
from zoo.errors import Unsupported

KINDS = ("curves", "samples", "reconstructions", "interpolation", "path", "codes")


@click.command("plot")
@click.argument("path", type=RUN)
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS), metavar="[KIND]...")
@click.option("--svg", is_flag=True, help="Write SVG instead of PNG.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the files.  [default: PATH/plots]")
@click.option("--data", type=DATA, help="Data set of a model.  [default: the one it was trained on]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed of the samples.")
@as_json
def command(
    path: Path, kinds: tuple[str, ...], svg: bool, out: Path | None, data: str | None, seed: int, as_json: bool
) -> None:
    """Draw PATH, a run, model file or comparison: all KINDs that it has, or those that are named.

    KIND is curves, samples, reconstructions, interpolation, path (from noise) or codes.

    Example: zoo plot runs/vae-digits-1 curves samples
    """
    from zoo.api import default
    from zoo.comparison.plotting import available
    from zoo.comparison.runs import check_path
    from zoo.files.storage import writing
    from zoo.report.plots import RARE

    check_path(path, default)
    folder = out or (path if path.is_dir() else path.parent) / "plots"
    written, missing = [], []
    for kind in kinds or available(path):
        try:
            picture = default.plot(path, kind, data, seed=seed)
        except Unsupported as error:
            if kinds:
                raise
            if kind not in RARE:
                missing.append(str(error))
            continue
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        written.append(picture.save(folder / f"{kind}.{'svg' if svg else 'png'}"))
    if as_json:
        print_json({"files": [str(file) for file in written], "missing": missing})
        return
    for line in (*map(str, written), *missing):
        click.echo(line)
