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
    from zoo.installation.lock import read_lock
    from zoo.installation.pip import Pip, check_environment

    check_environment()
    pip = Pip(offline)
    rows = [_restore(locked, pip) for locked in read_lock().values()]
    if as_json:
        print_json(rows)
    elif rows:
        cells = [(row["name"], row["version"], row["state"], row["reason"]) for row in rows]
        print_table(("distribution", "version", "state", "problem"), cells)
    else:
        click.echo("The lock file is empty: nothing was installed with 'zoo install'.")
    return 3 if any(row["state"] == "failed" for row in rows) else 0


def _restore(locked: Locked, pip: Pip) -> dict[str, str]:
    """Restore one distribution and return its row: `present`, `restored` or `failed`."""
    from zoo.installation.plan import installed_version

    row = {"name": locked.name, "version": locked.version, "state": "present", "reason": ""}
    if installed_version(locked.name) == locked.version:
        return row
    try:
        _install(locked, pip)
    except ZooError as error:
        return row | {"state": "failed", "reason": str(error)}
    return row | {"state": "restored"}


def _install(locked: Locked, pip: Pip) -> None:
    """Install a locked distribution; it was confirmed when it was recorded, and its hash shows that it is unchanged."""
    from zoo.installation.plan import make_plan
    from zoo.installation.transaction import fetch, install

    with tempfile.TemporaryDirectory(prefix="zoo-sync-") as name:
        folder = Path(name)
        plan = make_plan(locked.request(), pip, set(), locked.dependencies)
        fetch(plan, pip, folder / "wheels")
        install(plan, folder, lambda _: False)
