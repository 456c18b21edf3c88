"""`zoo new NAME`: create the distribution of a new, working model plugin."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.output import as_json, print_json
from zoo.errors import ConfigError


@click.command("new")
@click.argument("name")
@click.option("--minimal", is_flag=True, help="Create the smallest plugin: two files, a model without codes.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Parent of the new folder NAME.  [default: the current folder]",
)
@as_json
def command(name: str, minimal: bool, out: Path, as_json: bool) -> None:
    """Create the folder NAME with a working model plugin, which trains and passes every check.

    Example: zoo new my-model
    """
    from zoo.api import default
    from zoo.scaffold.new import scaffold

    if name in default.names():
        raise ConfigError(f"A model named {name!r} is installed; choose another name.")
    files = scaffold(name, out, minimal=minimal)
    folder = out / name
    if as_json:
        print_json({"folder": str(folder), "files": [str(path.relative_to(folder)) for path in files]})
        return
    for path in files:
        click.echo(path)
    click.echo(f"Next: pip install -e {folder}, then zoo check {name}")
