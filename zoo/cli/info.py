"""`zoo info NAME`: the card of a model with every setting, of any other plugin, or of a run."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.names import MODEL
from zoo.cli.output import as_json, print_json, print_table

_TITLES = {"search": "tuned"}  # other facts are named as in JSON


@click.command("info")
@click.argument("name", type=MODEL)
@as_json
def command(name: str, as_json: bool) -> None:
    """Show the card of a model with all its settings, of any other plugin, or of a run.

    NAME is the name of a model, density, data set, metric or other plugin, or the path of a run or comparison.

    Example: zoo info vae
    """
    from zoo.api import default

    facts = default.info(name)
    if as_json:
        print_json(facts)
        return
    tables = {key: facts.pop(key) for key in ("config", "training", "options") if key in facts}
    limits = facts.pop("limits", [])
    width = max(map(len, facts))
    for key, value in facts.items():
        click.echo(f"{_TITLES.get(key, key.replace('_', ' ')):{width}}  {_text(value)}")
    for limit in limits:
        click.echo(f"{'limit':{width}}  {limit}")
    titles = {
        "config": f"{name}:KEY=VALUE",
        "training": f"{name}:train.KEY=VALUE",
        "options": f"{name}:sample.KEY=VALUE",
    }
    for key, rows in tables.items():
        if rows:
            click.echo()
            cells = [(row["name"], _toml(row["default"]), _rule(row), row["description"]) for row in rows]
            print_table((titles[key], "default", "values", "description"), cells)


def _text(value: Any) -> str:
    """Return a fact as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{key} ({each})" for key, each in value.items()) or "none"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)


def _toml(value: Any) -> str:
    """Return a value as typed on the command line."""
    if isinstance(value, tuple):
        return f"[{','.join(map(_toml, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rule(row: dict[str, str]) -> str:
    return f"{row['type']} {row['bounds']}".strip()
