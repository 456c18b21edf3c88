"""`zoo data`: installed data sets, their contents, and their files on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.names import DATA
from zoo.cli.output import as_json, print_json, print_table

if TYPE_CHECKING:
    from zoo.data.dataset import Data

_ROWS, _COLUMNS = 3, 8  # of a table's first examples
_SHOWN = 12  # items of a long list


@click.group("data")
def command() -> None:
    """List data sets, show one, or download its files. Each subcommand takes --json.

    Example: zoo data fetch mnist
    """


@command.command("list")
@as_json
def list_data(as_json: bool) -> None:
    """List the installed data sets with their contents, without importing them.

    Example: zoo data list --json
    """
    from zoo.api import default
    from zoo.plugins.source import PluginSource

    candidates = default.candidates("zoo.datasets")
    keys = ("name", "state", "distribution", "version", "reason")
    rows = [
        {key: getattr(each, key) for key in keys} | {"summary": PluginSource.of(each).summary} for each in candidates
    ]
    if as_json:
        print_json(rows)
        return
    cells = [(row["name"], row["reason"] or row["summary"], f"{row['distribution']} {row['version']}") for row in rows]
    print_table(("data set", "contents", "from"), cells)
    click.echo("Next: zoo data info NAME. Your own files: zoo train MODEL --data PATH")


@command.command("info")
@click.argument("name", type=DATA)
@as_json
def info(name: str, as_json: bool) -> None:
    """Load a data set and show how it was understood.

    NAME may also be a path, FILE or FILE:KEY=VALUE,... Shows the splits, shape, support, classes and SHA-256; of a file
    also its format, what its columns hold, its first training examples, and the options that it takes; of a registered
    data set the license.

    Example: zoo data info digits
    """
    from zoo.api import default
    from zoo.data.paths import looks_like_a_path
    from zoo.data.source import check_name

    check_name(name, default)
    from zoo.data.load import load_data

    if looks_like_a_path(name):
        facts = _of_file(name)
    else:
        facts = _facts(load_data(name, registry=default))
        card = default.plugin(name.partition(":")[0], "zoo.datasets").card
        facts |= {"summary": card.summary, "argument": card.argument, "licence": card.licence}
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        click.echo(f"{key:{width}}  {_text(value, ' ' * (width + 2))}")


@command.command("fetch")
@click.argument("name", type=DATA)
@as_json
def fetch(name: str, as_json: bool) -> None:
    """Download the files of a data set and print their paths.

    Files in the folder ZOO_DATA are used if they are valid; missing files are downloaded once, verified and cached.
    ZOO_MIRROR selects another server.

    Example: zoo data fetch mnist
    """
    from zoo.api import default

    plugin = default.plugin(name, "zoo.datasets")
    from zoo.data.fetch import Fetched

    folder = os.environ.get("ZOO_DATA")
    paths = plugin.instance.fetch(Path(folder) if folder else None) if isinstance(plugin.instance, Fetched) else []
    if as_json:
        print_json({"name": name, "files": [str(path) for path in paths]})
    else:
        click.echo("\n".join(map(str, paths)) or f"{name} needs no files.")


def _facts(data: Data) -> dict[str, Any]:
    """Return a data set's facts as plain values."""
    labels = [each for each in (data.train_labels, data.valid_labels, data.test_labels) if each is not None]
    return {
        "name": data.name,
        "train": len(data.train),
        "valid": len(data.valid),
        "test": len(data.test),
        "shape": list(data.spec.shape),
        "support": data.spec.support,
        "classes": len({label for each in labels for label in each.tolist()}),
        "columns": list(data.columns),
        "epochs": data.epochs,
        "sha256": data.sha256,
    }


def _of_file(text: str) -> dict[str, Any]:
    """Return a file's facts as it was understood, as plain values."""
    from zoo.data.columns import kinds, notes
    from zoo.data.files import describe_file
    from zoo.data.options import EVERYWHERE

    found = describe_file(text)
    data = found.data
    facts = _facts(data) | {"format": found.format.name, "options": [*found.format.takes, *EVERYWHERE]}
    if data.class_names:
        facts["class names"] = list(data.class_names)
    if data.table:
        facts["first examples"] = [row[:_COLUMNS] for row in data.table.rows(data.train[:_ROWS])]
    elif len(data.spec.shape) == 1:
        facts["first examples"] = data.train[:_ROWS, :_COLUMNS].tolist()
    if of_columns := kinds(data):
        facts["columns hold"] = of_columns
    if said := [*found.contents.notes, *notes(data)]:
        facts["notes"] = said
    return facts


def _text(value: Any, indent: str = "") -> str:
    if isinstance(value, dict):
        lines = [f"{key}: {each}" for key, each in value.items()]
        more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN + 1 else []
        return f"\n{indent}".join([*lines[: None if not more else _SHOWN], *more])
    if isinstance(value, list) and value and isinstance(value[0], list):
        rows = ([f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in row] for row in value)
        return f"\n{indent}".join(map("  ".join, rows))
    if isinstance(value, list):
        separator = f"\n{indent}" if any(" " in str(each) for each in value) else ", "
        shown = value if len(value) <= 4 * _SHOWN else [*value[:_SHOWN], "…", value[-1]]
        return separator.join(map(str, shown)) or "none"
    return f"{value:,}" if isinstance(value, int) else value or "none"
