"""Installation as a transaction: install exactly the plan, test it in a fresh process, and roll back on failure.

All wheels are fetched and their hashes verified before the first file is installed, so a network failure cannot leave
a partial installation. Files that are replaced are copied first, because they may not be available for download again.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from zoo.errors import PluginError
from zoo.files.addresses import redacted
from zoo.installation.pip import Pip
from zoo.installation.plan import InstallPlan, InstallStep, core_versions, installed_version
from zoo.installation.request import Request
from zoo.installation.resolution import check_fits
from zoo.installation.wheel import Wheel, read_wheel

#: time limit for loading a plugin, in seconds
TRIAL_SECONDS = 120


@dataclass(frozen=True)
class TrialVerdict:
    """The result of loading one plugin of a distribution: `loaded`, or another state with its reason."""

    name: str
    group: str
    state: str
    reason: str = ""


def bring(request: Request, pip: Pip, folder: Path) -> Wheel:
    """Return the checked wheel of a path, URL or commit; source code is built, which executes it.

    A folder is copied before the build, so that the build leaves no files in it.

    Raises:
        PluginError: if the wheel cannot be fetched or built, or is not compatible.
    """
    argument, brought = request.argument, folder / "brought"
    if request.kind == "wheel" and Path(argument).is_absolute():
        return check_plugin(read_wheel(Path(argument)))
    if Path(argument).is_dir():
        copy = folder / "source" / Path(argument).name
        shutil.copytree(argument, copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        argument = str(copy)
    if request.kind == "wheel":
        pip.run("download", ["--no-deps", "--dest", str(brought)], [argument], what=request.argument)
    else:
        isolation = ["--no-build-isolation"] if pip.offline is not None else []
        options = ["--no-deps", "--wheel-dir", str(brought), *isolation]
        pip.run("wheel", options, [argument], what=request.argument)
    return check_plugin(read_wheel(next(brought.glob("*.whl"))))


def check_plugin(wheel: Wheel) -> Wheel:
    """Refuse a wheel without plugins, with URL dependencies, or for another version of genzoo or Python.

    Returns:
        The wheel.

    Raises:
        PluginError: with the reason.
    """
    what = f"{wheel.name} {wheel.version}"
    if not wheel.plugins:
        raise PluginError(f"{what} must be a zoo plugin; it has no entry point in a group such as zoo.models.")
    if wheel.addresses:
        raise PluginError(
            f"{what} must not require packages by URL, because that could run their code before you confirm: "
            f"{redacted('; '.join(wheel.addresses))}. Install them first, and require them by name."
        )
    check_fits(what, wheel.requires_core, wheel.requires_python)
    return wheel


def fetch(plan: InstallPlan, pip: Pip, folder: Path) -> Wheel:
    """Fetch every wheel of the plan into `folder`, and return the plugin's wheel.

    Raises:
        PluginError: if a wheel cannot be fetched, is not the planned one, or would write into the core's packages.
    """
    folder.mkdir()
    remote = [step for step in plan.steps if urlsplit(step.url).scheme != "file"]
    for step in plan.steps:
        if step not in remote:
            source = Path(url2pathname(urlsplit(step.url).path))
            shutil.copy(source, folder / source.name)
    if remote:
        list_ = _requirements(remote, folder.with_name("remote.txt"))
        options = ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), "--require-hashes"]
        pip.run("download", [*options, "--requirement", str(list_)], what=plan.plugin.name)
    wheels = {wheel.sha256: wheel for wheel in map(read_wheel, folder.glob("*.whl"))}
    for step in plan.steps:
        if step.sha256 not in wheels:
            raise PluginError(f"{step.name} {step.version} changed after the plan was made; nothing was installed.")
        _check_files(wheels[step.sha256])
    return check_plugin(wheels[plan.plugin.sha256])


def _check_files(wheel: Wheel) -> None:
    """Refuse a wheel with files in a package of the core, which pip would overwrite silently."""
    taken = {"zoo"}
    for name in core_versions():
        record = importlib.metadata.distribution(name).read_text("RECORD") or ""
        taken.update(re.findall(r"^(?!\.\.|__pycache__)[^/,]+", record, re.MULTILINE))
    for file in wheel.files:
        place = re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", file)
        if place.partition("/")[0] in taken:
            raise PluginError(f"{wheel.name} {wheel.version} must not write {file}, which belongs to the core.")


def install(plan: InstallPlan, folder: Path, keep: Callable[[list[TrialVerdict]], bool]) -> list[TrialVerdict]:
    """Install the fetched wheels of a plan and load the plugin; any failure or interruption is rolled back.

    Args:
        plan: the plan.
        folder: folder with the `wheels` that `fetch` wrote.
        keep: decides whether a plugin that does not work stays installed.

    Raises:
        PluginError: if pip fails, or the plugin does not work and is not kept.
    """
    step, backup = plan.plugin, _Backup(plan, folder / "backup")
    list_ = _requirements(plan.steps, folder / "plan.txt")
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-warn-script-location"]
    options.append("--force-reinstall")  # pip would leave an editable install of the same version as it is
    try:
        Pip(folder / "wheels").run("install", [*options, "--requirement", str(list_)], what=step.name)
        importlib.invalidate_caches()
        verdicts = try_plugins(step.name)
        faults = [each for each in verdicts if each.state != "loaded"]
        if faults and not keep(faults):
            reasons = "; ".join(f"{each.name} is {each.state}: {each.reason}" for each in faults)
            raise PluginError(f"{step.name} {step.version} does not work, and its installation was undone: {reasons}.")
    except BaseException:
        _take_back(plan, backup)
        raise
    return verdicts


class _Backup:
    """Copies of the files that a plan replaces."""

    def __init__(self, plan: InstallPlan, folder: Path) -> None:
        folder.mkdir()
        self._copies: list[tuple[Path, Path]] = []
        for step in plan.steps:
            files = importlib.metadata.files(step.name) if step.replaces else None
            for file in files or []:
                original, copy = Path(str(file.locate())), folder / str(len(self._copies))
                with contextlib.suppress(FileNotFoundError):  # bytecode that was never written
                    shutil.copy2(original, copy)
                    self._copies.append((copy, original))

    def restore(self) -> None:
        for copy, original in self._copies:
            original.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(copy, original)


def _take_back(plan: InstallPlan, backup: _Backup) -> None:
    """Remove what a plan installed, and restore what it replaced."""
    importlib.invalidate_caches()
    uninstall(step.name for step in plan.steps if installed_version(step.name))
    backup.restore()
    importlib.invalidate_caches()


def uninstall(names: Iterable[str]) -> None:
    """Remove distributions, whether or not their plugins can be imported.

    Raises:
        PluginError: if pip fails.
    """
    if packages := list(names):
        Pip().run("uninstall", ["--yes"], packages, what=", ".join(packages))
        importlib.invalidate_caches()


def try_plugins(distribution: str, *, seconds: float = TRIAL_SECONDS) -> list[TrialVerdict]:
    """Load every plugin of a distribution in a fresh process, and return the verdicts."""
    command = [sys.executable, "-P", "-m", "zoo.installation.trial", distribution]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds)
        rows = json.loads(done.stdout.strip().rpartition("\n")[2])
    except subprocess.TimeoutExpired:
        return [TrialVerdict(distribution, "", "broken", f"loading it took longer than {seconds:g} s")]
    except ValueError:
        return [TrialVerdict(distribution, "", "broken", f"loading it ended the process with code {done.returncode}")]
    return [TrialVerdict(**row) for row in rows] or [
        TrialVerdict(distribution, "", "broken", "its entry points were not found")
    ]


def _requirements(steps: Iterable[InstallStep], file: Path) -> Path:
    """Write a requirements file that pins each version and hash, and return its path."""
    lines = [f"{step.name}=={step.version} --hash=sha256:{step.sha256}\n" for step in steps]
    file.write_text("".join(lines), encoding="utf-8")
    return file
