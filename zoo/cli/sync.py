"""`zoo sync`: reinstall the plugins in the lock file that are missing, in exactly the locked versions."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.install import offline_option
from zoo.cli.output import as_json, print_json, print_table
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.installation.lock import Locked
    from zoo.installation.pip import Pip


@click.command("sync")
@offline_option
@as_json
def command(offline: Path | None, as_json: bool) -> int:
    """Reinstall plugins missing after an upgrade of Python or genzoo.

    Plugins installed with 'zoo install' are restored with the same versions and hashes. If one cannot be restored,
    the others still are.

    Exits with 3 if a plugin cannot be restored.

    Example: zoo sync
    """
    from zoo.installation.lock import read_lock, wheels_folder
    from zoo.installation.pip import Pip, check_environment

    check_environment()
    pip, locked = Pip(offline, wheels_folder()), read_lock()
    rows = [_restore(each, locked, pip) for each in locked.values() if each.source]
    if as_json:
        print_json(rows)
    elif rows:
        cells = [(row["name"], row["version"], row["state"], row["reason"]) for row in rows]
        print_table(("distribution", "version", "state", "problem"), cells)
    else:
        click.echo("The lock file is empty: nothing was installed with 'zoo install'.")
    return 3 if any(row["state"] == "failed" for row in rows) else 0


def _restore(plugin: Locked, locked: dict[str, Locked], pip: Pip) -> dict[str, str]:
    """Restore one distribution and return its row: `present`, `restored` or `failed`."""
    from zoo.installation.plan import installed_version

    row = {"name": plugin.name, "version": plugin.version, "state": "present", "reason": ""}
    if installed_version(plugin.name) == plugin.version:
        return row
    try:
        _install(plugin, locked, pip)
    except ZooError as error:
        return row | {"state": "failed", "reason": str(error)}
    return row | {"state": "restored"}


def _install(plugin: Locked, locked: dict[str, Locked], pip: Pip) -> None:
    """Install a locked plugin; it was confirmed when it was recorded, and its hashes show that it is unchanged."""
    from zoo.api import default
    from zoo.installation.lock import check_unchanged, record
    from zoo.installation.plan import make_plan
    from zoo.installation.resolution import unpublished
    from zoo.installation.transaction import fetch, install

    with tempfile.TemporaryDirectory(prefix="zoo-sync-") as name:
        folder = Path(name)
        plan = make_plan(plugin.request(), pip, unpublished(default.catalogue) - locked.keys(), plugin.dependencies)
        check_unchanged(plan, locked)
        fetch(plan, pip, folder / "wheels")
        install(plan, folder, lambda _: False)
        record(plan, folder / "wheels", plugin.source, pip)
