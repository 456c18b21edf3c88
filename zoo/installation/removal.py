"""Selection of what uninstalling a plugin removes: its distribution, and dependencies that nothing else needs."""

from __future__ import annotations

import importlib.metadata

from packaging.utils import canonicalize_name

from zoo.contract.hookspecs import GROUPS
from zoo.errors import ConfigError, PluginError, did_you_mean
from zoo.installation.lock import locked_plugins
from zoo.installation.plan import core_versions, installed_version, required_by
from zoo.plugins.plugin import CORE, Candidate
from zoo.plugins.registry import PluginRegistry


def find_distribution(name: str, registry: PluginRegistry) -> str:
    """Return the distribution for NAME, DISTRIBUTION/NAME or the name of a distribution, without importing plugins.

    Raises:
        ConfigError: if the name does not match a plugin that can be removed.
        PluginError: if several distributions have a plugin with this name.
    """
    candidates = [candidate for group in GROUPS for candidate in registry.candidates(group)]
    distributions = {canonicalize_name(each.distribution) for each in candidates if _means(name, each)}
    distributions = distributions - {CORE} or distributions  # a third-party plugin may have the name of a control
    if len(distributions) > 1:
        raise PluginError(
            f"Several distributions have a plugin {name!r}; choose one: {', '.join(sorted(distributions))}."
        )
    third_parties = {canonicalize_name(each.distribution) for each in candidates} - {CORE}
    if distributions == {CORE}:
        raise ConfigError(f"{name!r} is part of genzoo and cannot be removed.")
    if not distributions:
        names = {each.name for each in candidates if each.distribution != CORE} | third_parties
        known = f" Installed: {', '.join(sorted(third_parties))}." if third_parties else ""
        raise ConfigError(f"No plugin named {name!r} is installed.{did_you_mean(name, names)}{known}")
    return distributions.pop()


def removed_with(distribution: str) -> list[str]:
    """Return the distribution, and the distributions that were installed with it and that nothing else needs.

    Raises:
        PluginError: if another distribution needs it.
    """
    if needing := _needing(distribution, {distribution}):
        raise PluginError(f"{needing} needs {distribution}; uninstall {needing} first.")
    locked = locked_plugins()
    brought = set(locked[distribution].brought) if distribution in locked else set()
    removed = {distribution}
    kept = set(core_versions()) | (set(locked) - {distribution})
    while more := {name for name in brought - removed - kept if not _needing(name, removed)}:
        removed |= more
    return [distribution, *sorted(name for name in removed - {distribution} if installed_version(name))]


def _means(name: str, candidate: Candidate) -> bool:
    return name in (candidate.name, candidate.qualified) or canonicalize_name(name) == canonicalize_name(
        candidate.distribution
    )


def _needing(name: str, removed: set[str]) -> str:
    """Return an installed distribution outside `removed` that needs this one, or ""."""
    for each in importlib.metadata.distributions():
        user = canonicalize_name(each.metadata["Name"] or "")
        if user not in removed and name in required_by(each):
            return user
    return ""
