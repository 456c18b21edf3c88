"""`zoo sync`: install the plugins that are missing, in the versions of the lock file or of a comparison's plan."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.consent import ask, show_files
from zoo.cli.install import built, offline_option, source_of, yes_option
from zoo.cli.output import as_json, print_json, print_table
from zoo.errors import ConfigError, PluginError, ZooError

if TYPE_CHECKING:
    from zoo.installation.lock import Locked
    from zoo.installation.pip import Pip
    from zoo.plugins.fingerprint import Fingerprint


@click.command("sync")
@click.option(
    "--from",
    "plan",
    type=click.Path(exists=True, path_type=Path),
    metavar="PLAN",
    help="Install what the cells of a comparison need on a worker: its plan.json, or its folder.",
)
@yes_option
@offline_option
@as_json
def command(plan: Path | None, yes: bool, offline: Path | None, as_json: bool) -> int:
    """Reinstall plugins missing after an upgrade of Python or genzoo.

    Plugins installed with 'zoo install' are restored with the same versions and hashes. If one cannot be restored,
    the others still are.

    With --from, the plugins of a comparison on a Dask cluster are installed instead, with the same version and the same
    files as where it was started. genzoo and torch are compared, and never changed.

    Exits with 3 if a plugin cannot be restored or installed.

    Example: zoo sync
    """
    from zoo.installation.lock import read_lock, wheels_folder
    from zoo.installation.pip import Pip, check_environment

    check_environment()
    pip = Pip(offline, wheels_folder())
    if plan is None:
        locked = read_lock()
        rows = [_restore(each, locked, pip) for each in locked.values() if each.source]
        empty = "The lock file is empty: nothing was installed with 'zoo install'."
    else:
        rows = [_match(name, wanted, pip, yes=yes) for name, wanted in _planned(plan).items()]
        empty = "The plan names no distributions: its cells do not run on a cluster."
    if as_json:
        print_json(rows)
    elif rows:
        cells = [(row["name"], row["version"], row["state"], row["reason"]) for row in rows]
        print_table(("distribution", "version", "state", "problem"), cells)
    else:
        click.echo(empty)
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


def _planned(path: Path) -> dict[str, Fingerprint]:
    """Return the distributions that a plan names, by name."""
    from zoo.comparison.plan import FILE, Plan

    if path.is_file() and path.name != FILE:
        raise ConfigError(f"{path} is not a plan; give the {FILE} of a comparison, or its folder.")
    return dict(Plan.read(path if path.is_dir() else path.parent).distributions)


def _match(name: str, wanted: Fingerprint, pip: Pip, *, yes: bool) -> dict[str, str]:
    """Install one distribution as it is where the plan was made; return its row: `present`, `installed` or `failed`."""
    from zoo.plugins.fingerprint import CORE, mismatch

    row = {"name": name, "version": wanted.version, "state": "present", "reason": ""}
    difference = mismatch({name: wanted})
    if not difference:
        return row
    if name in CORE:
        return row | {"state": "failed", "reason": f"{difference}; install it with pip, zoo changes plugins only"}
    try:
        _install_planned(name, wanted, pip, yes=yes)
    except PluginError as error:
        return row | {"state": "failed", "reason": str(error)}
    return row | {"state": "installed"}


def _install_planned(name: str, wanted: Fingerprint, pip: Pip, *, yes: bool) -> None:
    """Install the version of a distribution whose files are the planned ones, after confirmation.

    Raises:
        PluginError: if it cannot be had, or has other files.
    """
    from zoo.api import default
    from zoo.installation.lock import record
    from zoo.installation.plan import make_plan
    from zoo.installation.resolution import resolve_request, unpublished
    from zoo.installation.transaction import fetch, install
    from zoo.plugins.fingerprint import wheel_fingerprint

    what = f"{name} {wanted.version}"
    with tempfile.TemporaryDirectory(prefix="zoo-sync-") as scratch:
        folder = Path(scratch)
        asked = resolve_request(f"{name}=={wanted.version}", default.catalogue, offline=pip.offline is not None)
        plan = make_plan(built(asked, pip, folder, yes=yes), pip, unpublished(default.catalogue))
        if not plan.steps:
            raise PluginError(
                f"{what} is installed with other files; remove it, 'zoo uninstall {name}', and try again."
            )
        wheel = fetch(plan, pip, folder / "wheels")
        found = wheel_fingerprint(wheel.path)
        if found != wanted:
            raise PluginError(f"{what} has other files there (sha256 {found.sha256[:12]}, not {wanted.sha256[:12]}).")
        source = source_of(plan, asked)
        show_files(source, what, wheel.files)
        ask(f"Install {what}?", yes=yes)
        install(plan, folder, lambda _: False)
        record(plan, folder / "wheels", source, pip)
