"""`zoo plugins`: every plugin of every group with its state, from metadata alone."""

from __future__ import annotations

import click

from zoo.cli.output import as_json, print_json, print_table


@click.command("plugins")
@as_json
def command(as_json: bool) -> None:
    """Show every plugin with its state: models, latent densities, data sets, metrics.

    Example: zoo plugins
    """
    from zoo.api import default
    from zoo.hookspecs import GROUPS

    rows = [
        {
            "name": candidate.name,
            "group": group,
            "state": candidate.state,
            "distribution": candidate.distribution,
            "version": candidate.version,
            "entry_point": candidate.value,
            "reason": candidate.reason,
        }
        for group in GROUPS
        for candidate in default.candidates(group)
    ]
    if as_json:
        print_json(rows)
        return
    cells = [
        (
            row["name"],
            row["group"].removeprefix("zoo."),
            row["state"],
            f"{row['distribution']} {row['version']}",
            row["reason"] or row["entry_point"],
        )
        for row in rows
    ]
    print_table(("plugin", "group", "state", "from", "entry point, or what is wrong"), cells)
