"""Resolution of requests: the catalogue gives the source of a plugin and its compatible releases."""

from __future__ import annotations

import platform
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from zoo.errors import ConfigError, PluginError
from zoo.installation.request import Request, parse_request
from zoo.plugins.catalogue import Catalogue, Entry, Release
from zoo.plugins.plugin import CORE
from zoo.version import __version__


def resolve_request(text: str, catalogue: Catalogue, *, offline: bool = False) -> Request:
    """Return what to install for NAME | REQUIREMENT | PATH | URL.

    Args:
        text: a plugin or package of the catalogue, optionally with versions, or anything that `parse_request` accepts.
        catalogue: the catalogue of known plugins.
        offline: whether packages come from the user's folder of wheels instead of from the catalogue's sources.

    Raises:
        ConfigError: if the text is not a valid request, or names a part of genzoo.
        PluginError: if the plugin is superseded, yanked, not published, or needs another version of genzoo or Python.
    """
    request = parse_request(text)
    if request.kind != "index":
        return request
    requirement = Requirement(request.argument)
    if canonicalize_name(requirement.name) == CORE:
        raise ConfigError(f"{CORE} is the zoo itself; update it with pip.")
    entry = _find(requirement.name, catalogue)
    return request if entry is None else _from_catalogue(entry, requirement, catalogue, offline=offline)


def check_fits(what: str, requires_core: str, requires_python: str) -> None:
    """Refuse a distribution that needs another version of genzoo or Python.

    Raises:
        PluginError: with the needed and the present version.
    """
    for name, needed, present in (
        (CORE, requires_core, __version__),
        ("Python", requires_python, platform.python_version()),
    ):
        if not SpecifierSet(needed).contains(present, prereleases=True):
            raise PluginError(f"{what} needs {name} {needed}, but this is {name} {present}; choose another version.")


def unpublished(catalogue: Catalogue) -> set[str]:
    """Return packages of the catalogue that are not on the index, where another project could use their names."""
    return {canonicalize_name(entry.package) for entry in catalogue.entries if not entry.published}


def _find(name: str, catalogue: Catalogue) -> Entry | None:
    """Return the entry with this name, or with a package of this name."""
    named = sorted((entry for entry in catalogue.entries if entry.name == name), key=lambda each: each.package == CORE)
    packaged = (entry for entry in catalogue.entries if canonicalize_name(entry.package) == canonicalize_name(name))
    return named[0] if named else next(packaged, None)


def _from_catalogue(entry: Entry, requirement: Requirement, catalogue: Catalogue, *, offline: bool) -> Request:
    if entry.package == CORE:
        raise ConfigError(f"{entry.name!r} is part of genzoo; there is nothing to install.")
    if entry.superseded_by:
        raise PluginError(f"{entry.name!r} is superseded; install {entry.superseded_by!r} instead.")
    check_fits(repr(entry.name), entry.requires_core, entry.requires_python)
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    if offline and not entry.releases:
        return Request("index", f"{entry.package}{extras}{requirement.specifier}", entry.package)
    release = _choose(entry, requirement.specifier)
    request = Request(
        "index",
        f"{entry.package}{extras}=={release.version}",
        entry.package,
        sha256=release.sha256,
        official=entry.tier == "official" and release.sha256 != "",
        ours=True,
    )
    if offline or release.source == "index":
        return request
    if release.source.startswith("https://"):
        found = parse_request(f"{release.source}#sha256={release.sha256}")
        return replace(request, kind=found.kind, argument=found.argument)
    folder = (catalogue.folder / release.source).resolve()
    if not folder.is_relative_to(catalogue.folder):
        raise PluginError(f"{release.source!r} of {entry.name!r} is outside the catalogue's folder.")
    if not (folder / "pyproject.toml").is_file():
        raise _not_published(entry)
    return replace(request, kind="source", argument=str(folder))


def _choose(entry: Entry, wanted: SpecifierSet) -> Release:
    """Return the newest of these versions that is not yanked."""
    if not entry.releases:
        raise _not_published(entry)
    matching = [release for release in entry.releases if wanted.contains(release.version, prereleases=True)]
    if not matching:
        versions = ", ".join(release.version for release in entry.releases)
        raise PluginError(f"{entry.name!r} has no version {wanted}. The catalogue has: {versions}.")
    matching.sort(key=lambda release: Version(release.version))
    whole = [release for release in matching if not release.yanked]
    if not whole:
        worst = matching[-1]
        raise PluginError(f"{entry.name!r} {worst.version} was yanked: {worst.yanked}. Choose another version.")
    return whole[-1]


def _not_published(entry: Entry) -> PluginError:
    return PluginError(
        f"{entry.name!r} is not published, and a package {entry.package!r} on the index may be another project. "
        "Give its source folder, or a folder of wheels with --offline."
    )
