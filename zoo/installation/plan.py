"""Installation plans: each distribution with its version, source and hash; the core never changes."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import re
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from zoo.errors import ConfigError, PluginError
from zoo.files.addresses import redacted
from zoo.installation.pip import Pip
from zoo.installation.publication import publication
from zoo.installation.request import Request
from zoo.plugins.plugin import CORE


@dataclass(frozen=True)
class InstallStep:
    """One distribution to install.

    Attributes:
        url: URL of its wheel.
        sha256: hash of the wheel.
        replaces: the installed version, with its folder if it is editable; "" if it is not installed.
        requested: whether the user requested it; otherwise it is a dependency.
        published, publisher: when and by whom, as the index says; see `publication.Publication`.
    """

    name: str
    version: str
    url: str
    sha256: str
    replaces: str
    requested: bool
    published: str = ""
    publisher: str = ""

    def facts(self) -> dict[str, Any]:
        """Return the step as plain values, without passwords in its URL."""
        return {
            "name": self.name,
            "version": self.version,
            "source": redacted(self.url),
            "sha256": self.sha256,
            "replaces": self.replaces,
            "requested": self.requested,
            "published": self.published,
            "publisher": self.publisher,
        }


@dataclass(frozen=True)
class InstallPlan:
    """The steps of one installation; empty if everything is installed already."""

    steps: tuple[InstallStep, ...]

    @property
    def plugin(self) -> InstallStep:
        """The step of the requested distribution."""
        return next(step for step in self.steps if step.requested)


def make_plan(request: Request, pip: Pip, refused: set[str], pins: dict[str, str] | None = None) -> InstallPlan:
    """Ask pip what it would install, with the core and its dependencies held at their installed versions.

    Only wheels are considered, so that no third-party code runs while planning.

    Args:
        request: a requirement or a wheel.
        pip: pip, with the index or a folder of wheels.
        refused: distributions that must not come from an index, unless the request gives their source.
        pins: further versions to hold, by distribution.

    Raises:
        PluginError: if it is not compatible with the core, or is yanked, refused or not what was requested.
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
        return _with_publications(
            read_plan(json.loads(report.read_text(encoding="utf-8")), request, held, unowned), pip
        )


def locate(versions: dict[str, str], pip: Pip) -> tuple[InstallStep, ...]:
    """Return the wheels of installed versions on the index or in the folder of wheels; none if one is missing there."""
    if not versions:
        return ()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        options = ["--dry-run", "--report", str(report), "--only-binary", ":all:", "--no-deps", "--ignore-installed"]
        try:
            pip.run("install", options, [f"{name}=={version}" for name, version in versions.items()], what="the lock")
        except PluginError:
            return ()
        steps = map(_step, json.loads(report.read_text(encoding="utf-8"))["install"])
        return tuple(step for step in steps if re.fullmatch("[0-9a-f]{64}", step.sha256))


def _with_publications(plan: InstallPlan, pip: Pip) -> InstallPlan:
    """Return the plan with what the index says of each wheel that comes from it."""
    if pip.offline is not None or not any(step.url.startswith("http") for step in plan.steps):
        return plan
    index = pip.index()
    found = [publication(step.name, step.sha256, index) for step in plan.steps]
    return InstallPlan(tuple(replace(step, **asdict(each)) for step, each in zip(plan.steps, found, strict=True)))


def read_plan(report: dict[str, Any], request: Request, held: dict[str, str], refused: set[str]) -> InstallPlan:
    """Return the plan in a report of pip, checked as `make_plan` describes."""
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
        raise PluginError(f"{_shown(request)} is installed without {missing}; uninstall it, then install it again.")
    return InstallPlan(steps)


def _fault(item: dict[str, Any], step: InstallStep, held: dict[str, str], refused: set[str]) -> str:
    """Return why a step is refused, or ""."""
    if item.get("is_yanked"):
        return "was yanked by its authors; choose another version."
    if step.name in held:
        return f"must not replace {held[step.name]}, which genzoo needs."
    if not re.fullmatch("[0-9a-f]{64}", step.sha256):
        return "has no SHA-256, so its content cannot be verified; give a wheel or its folder."
    if item["is_direct"] and not step.requested:
        return f"is required by its URL, {redacted(step.url)}; install it first."
    if step.name in refused:
        return (
            "would come from the index, but its authors have not published it there; "
            "install it from its folder or from a folder of wheels first."
        )
    return ""


def _check_identity(step: InstallStep, request: Request) -> None:
    """Refuse a step that is not the requested distribution or file."""
    what = f"{step.name} {step.version}"
    if request.name and step.name != canonicalize_name(request.name):
        raise PluginError(f"{_shown(request)} must be {request.name}, got {what}.")
    if request.sha256 and step.sha256 != request.sha256:
        raise PluginError(
            f"{what} must have the SHA-256 {request.sha256}, got {step.sha256}; it is not the expected file."
        )


def _broken_by(step: InstallStep, changed: set[str]) -> str:
    """Return which unchanged distribution does not accept this version, with its requirement, or ""."""
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
    """Return the installed versions of genzoo and of its direct and indirect dependencies.

    Raises:
        ConfigError: if genzoo is not installed.
    """
    versions = versions_with(CORE)
    if CORE not in versions:
        raise ConfigError("genzoo itself must be installed first: pip install genzoo")
    return versions


def versions_with(name: str) -> dict[str, str]:
    """Return the installed versions of a distribution and of its direct and indirect dependencies."""
    versions: dict[str, str] = {}
    queue = [name]
    while queue:
        name = queue.pop()
        if name not in versions and (version := installed_version(name)):
            versions[name] = version
            queue += required_by(importlib.metadata.distribution(name))
    return versions


def required_by(distribution: importlib.metadata.Distribution) -> list[str]:
    """Return the normalised names of a distribution's dependencies in this environment, without extras."""
    return [canonicalize_name(each.name) for each in _requirements(distribution)]


def _requirements(distribution: importlib.metadata.Distribution) -> list[Requirement]:
    needed = []
    for line in distribution.requires or []:
        with contextlib.suppress(InvalidRequirement):  # an invalid requirement of an unrelated package
            needed.append(Requirement(line))
    return [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]


def installed_version(name: str) -> str:
    """Return the installed version of a distribution, or "" if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _installed(name: str) -> str:
    """Return what is installed of a distribution, for people: `1.0`, `1.0 (editable, FOLDER)` or ""."""
    if not (version := installed_version(name)):
        return ""
    folder = editable_folder(importlib.metadata.distribution(name))
    return version if folder is None else f"{version} (editable, {folder})"


def editable_folder(distribution: importlib.metadata.Distribution) -> Path | None:
    """Return the folder from which a distribution is installed editable; None if it is not."""
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        return Path(url2pathname(urlsplit(origin["url"]).path)) if origin.get("dir_info", {}).get("editable") else None
    except (ValueError, KeyError):
        return None


def _step(item: dict[str, Any]) -> InstallStep:
    """Return the step for one entry of pip's report."""
    download, metadata = item["download_info"], item["metadata"]
    name = canonicalize_name(metadata["name"])
    return InstallStep(
        name,
        metadata["version"],
        download["url"],
        download.get("archive_info", {}).get("hashes", {}).get("sha256", ""),
        _installed(name),
        bool(item["requested"]),
    )


def _shown(request: Request) -> str:
    """Return a request as shown in messages: the name of a file, or the text as typed."""
    return Path(request.argument).name if Path(request.argument).is_absolute() else request.argument
