"""`zoo list`: the models that are installed or to be had; reads metadata and the catalogue only."""

from __future__ import annotations

from dataclasses import asdict

import click

from zoo.cli.output import as_json, print_json, print_table


@click.command("list")
@as_json
def command(as_json: bool) -> None:
    """Show the models that are installed, and those to be had.

    Example: zoo list --json
    """
    from zoo.api import default

    listings = default.list_models()
    if as_json:
        print_json([asdict(listing) for listing in listings])
        return
    rows = [
        (each.name, each.status, f"{each.distribution} {each.version}".strip(), each.reason or each.summary)
        for each in listings
    ]
    print_table(("model", "status", "from", "what it is"), rows)
