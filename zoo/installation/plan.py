"""What pip would do, before it does it: each distribution with version, source and hash; the core stays as it is."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from zoo.errors import ConfigError, PluginError
from zoo.files.addresses import redacted
from zoo.installation.pip import Pip
from zoo.installation.request import Request
from zoo.plugins.plugin import CORE


@dataclass(frozen=True)
class InstallStep:
    """One distribution to install.

    Attributes:
        url: where its wheel lies.
        sha256: of the wheel.
        replaces: the version that is installed now; "" if none is.
        requested: whether it was asked for, and did not come because another needs it.
    """

    name: str
    version: str
    url: str
    sha256: str
    replaces: str
    requested: bool

    def facts(self) -> dict[str, Any]:
        """As plain values, without what an address may hold of passwords."""
        return {
            "name": self.name,
            "version": self.version,
            "source": redacted(self.url),
            "sha256": self.sha256,
            "replaces": self.replaces,
            "requested": self.requested,
        }


@dataclass(frozen=True)
class InstallPlan:
    """All that one installation does; nothing if it is all there already."""

    steps: tuple[InstallStep, ...]

    @property
    def plugin(self) -> InstallStep:
        """The distribution that was asked for."""
        return next(step for step in self.steps if step.requested)


def make_plan(request: Request, pip: Pip, refused: set[str], pins: dict[str, str] | None = None) -> InstallPlan:
    """Ask pip what it would install, with the core and its dependencies held at their installed versions.

    Only wheels are considered, so that no third-party code runs while planning.

    Args:
        request: a requirement or a wheel.
        pip: with the index or a folder of wheels.
        refused: distributions that must not come from an index, unless the request says where they come from.
        pins: further versions to hold, by distribution.

    Raises:
        PluginError: if it cannot be installed beside the core, or is yanked, refused or not what was asked for.
    """
    held = core_versions()
    constraints = (pins or {}) | held
    with tempfile.TemporaryDirectory() as folder:
        file, report = Path(folder, "constraints.txt"), Path(folder, "report.json")
        file.write_text("".join(f"{name}=={version}\n" for name, version in constraints.items()), encoding="utf-8")
        options = ["--dry-run", "--report", str(report), "--only-binary", ":all:", "--constraint", str(file)]
        said = pip.run("install", options, [request.argument], what=_shown(request))
        if "is a yanked version" in said:
            raise PluginError(f"{_shown(request)} was yanked by its authors; choose another version.")
        unowned = refused if pip.offline is None else set()
        return read_plan(json.loads(report.read_text(encoding="utf-8")), request, held, unowned)


def read_plan(report: dict[str, Any], request: Request, held: dict[str, str], refused: set[str]) -> InstallPlan:
    """The plan in a report of pip's, checked; see `make_plan`."""
    steps = tuple(_step(item) for item in report["install"])
    for item, step in zip(report["install"], steps, strict=True):
        known = step.requested and (request.ours or request.kind == "wheel")
        if fault := _fault(item, step, held, set() if known else refused):
            raise PluginError(f"{step.name} {step.version} {fault}")
        if step.requested:
            _check_identity(step, request)
        if step.replaces and (needs := _broken_by(step, {each.name for each in steps})):
            raise PluginError(f"{step.name} {step.version} must not replace {step.replaces}: {needs}.")
    if steps and not any(step.requested for step in steps):
        missing = ", ".join(step.name for step in steps)
        raise PluginError(f"{_shown(request)} is installed, but not {missing}; uninstall it, and install it again.")
    return InstallPlan(steps)


def _fault(item: dict[str, Any], step: InstallStep, held: dict[str, str], refused: set[str]) -> str:
    """Why a step must not be done, or ""."""
    if item.get("is_yanked"):
        return "was yanked by its authors; choose another version."
    if step.name in held:
        return f"must not replace {held[step.name]}, which the zoo runs with."
    if not re.fullmatch("[0-9a-f]{64}", step.sha256):
        return "comes without a SHA-256, so it could be exchanged; give a wheel or its folder."
    if item["is_direct"] and not step.requested:
        return f"is needed by its address, {redacted(step.url)}; install it first."
    if step.name in refused:
        return (
            "would come from the index, where its authors never published it; "
            "install it from its folder or from a folder of wheels first."
        )
    return ""


def _check_identity(step: InstallStep, request: Request) -> None:
    """Refuse what is not the distribution, or not the file, that was asked for."""
    what = f"{step.name} {step.version}"
    if request.name and step.name != canonicalize_name(request.name):
        raise PluginError(f"{_shown(request)} must be {request.name}, and is {what}.")
    if request.sha256 and step.sha256 != request.sha256:
        raise PluginError(
            f"{what} must have the SHA-256 {request.sha256}, and has {step.sha256}; it is not what was vouched for."
        )


def _broken_by(step: InstallStep, changed: set[str]) -> str:
    """Which installed distribution, that stays as it is, could not live with this version; "" if all can."""
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"] or ""
        if canonicalize_name(name) in changed:
            continue
        for needed in _requirements(distribution):
            if canonicalize_name(needed.name) == step.name and not needed.specifier.contains(
                step.version, prereleases=True
            ):
                return f"{name} {distribution.version} needs {needed}"
    return ""


def core_versions() -> dict[str, str]:
    """The zoo and all that it needs, directly or not, at their installed versions.

    Raises:
        ConfigError: if the zoo is not installed.
    """
    versions = versions_with(CORE)
    if CORE not in versions:
        raise ConfigError("The zoo itself must be installed first: pip install genzoo")
    return versions


def versions_with(name: str) -> dict[str, str]:
    """A distribution and all that it needs here, directly or not, at their installed versions."""
    versions: dict[str, str] = {}
    queue = [name]
    while queue:
        name = queue.pop()
        if name not in versions and (version := installed_version(name)):
            versions[name] = version
            queue += required_by(importlib.metadata.distribution(name))
    return versions


def required_by(distribution: importlib.metadata.Distribution) -> list[str]:
    """The normalised names of what a distribution needs here, without its extras."""
    return [canonicalize_name(each.name) for each in _requirements(distribution)]


def _requirements(distribution: importlib.metadata.Distribution) -> list[Requirement]:
    needed = []
    for line in distribution.requires or []:
        with contextlib.suppress(InvalidRequirement):  # an invalid requirement of an unrelated package
            needed.append(Requirement(line))
    return [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]


def installed_version(name: str) -> str:
    """The installed version of a distribution, "" if it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _step(item: dict[str, Any]) -> InstallStep:
    """One entry of pip's report."""
    download, metadata = item["download_info"], item["metadata"]
    name = canonicalize_name(metadata["name"])
    return InstallStep(
        name,
        metadata["version"],
        download["url"],
        download.get("archive_info", {}).get("hashes", {}).get("sha256", ""),
        installed_version(name),
        bool(item["requested"]),
    )


def _shown(request: Request) -> str:
    """A request in a message: the name of a file, or what was typed."""
    return Path(request.argument).name if request.argument.startswith("/") else request.argument
