"""`zoo install`: plan, confirm, install, test-load, and roll back if the plugin does not work."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.consent import ask, show_files
from zoo.cli.output import as_json, print_json, print_table

if TYPE_CHECKING:
    from zoo.installation.pip import Pip
    from zoo.installation.plan import InstallPlan
    from zoo.installation.request import Request
    from zoo.installation.transaction import TrialVerdict
    from zoo.installation.wheel import Wheel

offline_option = click.option(
    "--offline",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    metavar="FOLDER",
    help="Install from a folder of wheels, without the network.",
)
yes_option = click.option("--yes", is_flag=True, help="Confirm in advance; required without a terminal.")


@click.command("install")
@click.argument("plugin")
@click.option("--dry-run", is_flag=True, help="Show what would be installed, without installing.")
@yes_option
@offline_option
@as_json
def command(plugin: str, dry_run: bool, yes: bool, offline: Path | None, as_json: bool) -> None:
    """Install a plugin: a NAME from the catalogue, a requirement, a folder or wheel, or an https or git+https URL.

    genzoo and its dependencies are never changed: a plugin that needs another version of torch is refused. Source code
    is built into a wheel first, which runs its code; with --offline, the build uses the installed build tools.

    Example: zoo install ./my-plugin --dry-run
    """
    from zoo.api import default
    from zoo.installation.pip import Pip, check_environment
    from zoo.installation.plan import make_plan
    from zoo.installation.resolution import resolve_request, unpublished

    check_environment()
    pip = Pip(offline)
    asked = resolve_request(plugin, default.catalogue, offline=offline is not None)
    with tempfile.TemporaryDirectory(prefix="zoo-install-") as name:
        request = built(asked, pip, Path(name), yes=yes)
        plan = make_plan(request, pip, unpublished(default.catalogue))
        facts = [step.facts() for step in plan.steps]
        if not as_json:
            _print_plan(plan)
            _warn_of_publications(plan)
        if dry_run or not plan.steps:
            verdicts: list[TrialVerdict] = []
        else:
            verdicts = _carry_out(plan, asked, pip, Path(name), yes=yes)
    if as_json:
        print_json({"plan": facts, "plugins": [asdict(each) for each in verdicts]})
    elif verdicts:
        step, names = plan.plugin, ", ".join(each.name for each in verdicts)
        replaced = f" in place of {step.replaces}" if step.replaces else ""
        click.echo(f"Installed {step.name} {step.version}{replaced}: {names}.")


def built(request: Request, pip: Pip, folder: Path, *, yes: bool) -> Request:
    """Return the request with a local wheel, unless it is on the index; ask before source code is built."""
    from zoo.installation.transaction import bring

    if request.kind == "index":
        return request
    if request.kind == "source":
        path = Path(request.argument)
        files = [str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()]
        show_files(request.argument, "", sorted(files, key=lambda file: (file.startswith("."), file)))
        ask(f"Building {request.argument} runs its code. Build and install it?", yes=yes)
    wheel = bring(request, pip, folder)
    return replace(
        request, kind="wheel", argument=str(wheel.path), sha256=request.sha256 if request.kind == "wheel" else ""
    )


def _carry_out(plan: InstallPlan, request: Request, pip: Pip, folder: Path, *, yes: bool) -> list[TrialVerdict]:
    """Download, confirm (unless done before building), install, test-load and record."""
    from zoo.installation.lock import record
    from zoo.installation.transaction import fetch, install

    wheel = fetch(plan, pip, folder / "wheels")
    _warn_of_doubles(wheel)
    if not request.official and request.kind != "source":
        show_files(source_of(plan, request), f"{wheel.name} {wheel.version}", wheel.files)
        ask(f"Install {wheel.name} {wheel.version}?", yes=yes)
    verdicts = install(plan, folder, lambda faults: _keep_broken(faults, yes=yes))
    record(plan, folder / "wheels", source_of(plan, request), pip)
    return verdicts


def _warn_of_doubles(wheel: Wheel) -> None:
    """Warn about plugins that share a name with another distribution's; both then need their qualified names."""
    from packaging.utils import canonicalize_name

    from zoo.api import default

    for group, name in wheel.plugins:
        for other in default.candidates(group):
            if other.name == name and canonicalize_name(other.distribution) != wheel.name:
                names = f"{wheel.name}/{name} or {other.qualified}"
                click.echo(
                    f"Note: {other.distribution} also has a plugin {name!r}; qualify the name: {names}.", err=True
                )


def _warn_of_publications(plan: InstallPlan) -> None:
    """Warn about young releases, and about releases by another publisher than that of the locked version."""
    from zoo.installation.lock import read_lock
    from zoo.installation.publication import Publication, warnings

    locked = read_lock()
    for step in plan.steps:
        before = locked[step.name].publisher if step.name in locked else ""
        for line in warnings(f"{step.name} {step.version}", Publication(step.published, step.publisher), before):
            click.echo(f"Warning: {line}", err=True)


def source_of(plan: InstallPlan, request: Request) -> str:
    """Return where a plugin comes from: the request, and the URL of a wheel on an index."""
    from zoo.files.addresses import redacted

    return redacted(plan.plugin.url) if request.kind == "index" else request.argument


def _keep_broken(faults: list[TrialVerdict], *, yes: bool) -> bool:
    """Return whether the user at the terminal keeps a plugin that does not work."""
    for each in faults:
        click.echo(f"{each.name} is {each.state}: {each.reason}.", err=True)
    return not yes and sys.stdin.isatty() and not click.confirm("Uninstall it?", default=True, err=True)


def _print_plan(plan: InstallPlan) -> None:
    from zoo.files.addresses import redacted

    if not plan.steps:
        click.echo("This version is already installed; nothing to do.")
        return
    rows = [
        (
            step.name,
            step.version,
            step.replaces or "-",
            step.published or "unknown",
            step.publisher or "unknown",
            step.sha256[:12],
            redacted(step.url),
        )
        for step in plan.steps
    ]
    print_table(("distribution", "version", "replaces", "published", "publisher", "sha256", "source"), rows)
