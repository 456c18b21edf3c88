"""`zoo uninstall`: remove a plugin and dependencies that nothing else needs; no plugin is imported."""

from __future__ import annotations

import sys

import click

from zoo.cli.consent import ask
from zoo.cli.install import yes_option
from zoo.cli.output import as_json, print_json
from zoo.errors import PluginError


@click.command("uninstall")
@click.argument("plugin")
@yes_option
@as_json
def command(plugin: str, yes: bool, as_json: bool) -> None:
    """Remove a plugin, and dependencies that nothing else needs. A broken plugin can be removed, too.

    PLUGIN is the plugin's name, DISTRIBUTION/NAME, or the name of its distribution.

    Example: zoo uninstall my-plugin
    """
    from zoo.api import default
    from zoo.installation.lock import forget
    from zoo.installation.pip import check_environment
    from zoo.installation.plan import installed_version
    from zoo.installation.removal import find_distribution, removed_with
    from zoo.installation.transaction import uninstall

    check_environment()
    distribution = find_distribution(plugin, default)
    removed = removed_with(distribution)
    ask(f"Remove {', '.join(removed)}?", yes=yes)
    uninstall(removed)
    if installed_version(distribution):
        raise PluginError(
            f"{distribution} is still installed, outside this environment ({sys.prefix}); remove it there with pip."
        )
    forget(removed)
    if as_json:
        print_json({"removed": removed})
    else:
        click.echo(f"Removed {', '.join(removed)}.")
