"""`zoo plugins`: all plugins of all groups with their state, from metadata only."""

from __future__ import annotations

import click

from zoo.cli.output import as_json, print_json, print_table
from zoo.errors import ConfigError
from zoo.plugins.blocking import read_disabled, write_disabled


@click.group("plugins", invoke_without_command=True)
@as_json
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List all plugins with their state: models, densities, data sets, metrics, controls and extensions.

    Plugins are not imported; to test whether they load, run 'zoo doctor'.

    Example: zoo plugins disable vae
    """
    if ctx.invoked_subcommand is None:
        _show(as_json)


@command.command("disable", short_help="Disable a plugin, so that it is never imported.")
@click.argument("name")
def disable(name: str) -> None:
    """Disable a plugin, so that it is never imported.

    NAME is the plugin's name, DISTRIBUTION/NAME, or a DISTRIBUTION to disable all of its plugins.

    Example: zoo plugins disable vae
    """
    write_disabled([*read_disabled(), name])
    click.echo(f"Disabled {name}; undo with 'zoo plugins enable {name}'.")


@command.command("enable", short_help="Enable a disabled plugin.")
@click.argument("name")
def enable(name: str) -> None:
    """Enable a plugin that was disabled with 'zoo plugins disable NAME'.

    Example: zoo plugins enable vae
    """
    disabled = read_disabled()
    if name not in disabled:
        raise ConfigError(f"{name!r} is not disabled. Disabled: {', '.join(disabled) or 'none'}.")
    write_disabled([each for each in disabled if each != name])
    click.echo(f"Enabled {name}.")


def _show(as_json: bool) -> None:
    from zoo.api import default
    from zoo.contract.hookspecs import GROUPS

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
    print_table(("plugin", "group", "state", "from", "entry point or problem"), cells)
