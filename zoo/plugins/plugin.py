"""Discovery and loading of plugins: from an entry point's metadata to a verified plugin whose hooks can be called.

A `Candidate` is an entry point, found in the metadata of an installed distribution and not imported. Loading it imports
the plugin, checks it against the contract, and returns a `Plugin`. Each `Plugin` has its own pluggy manager, so no
plugin can answer calls to another. This module does not import torch or pydantic.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import inspect
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import pluggy

from zoo.contract.hookspecs import GROUPS, PROJECT
from zoo.errors import PluginError, ZooError
from zoo.plugins.blocking import NOTHING, Blocklist
from zoo.plugins.verification import verify
from zoo.runtime import tracing

PluginState = Literal["discovered", "blocked", "incompatible", "broken", "loaded"]

CORE = "genzoo"


class Plugin:
    """A loaded and verified plugin.

    Attributes:
        instance: the plugin object.
        group: its entry-point group.
        card: its card, of the type that its group requires.
        hooks: pluggy's relay; hooks are called with keywords: `plugin.hooks.sample(model=…, n=…, …)`.
        distribution: name of the distribution that provides it; "" if it is registered in this process.
        version: version of that distribution.
        extensions: the extensions that wrap its hooks.
    """

    def __init__(self, instance: object, group: str, distribution: str = "", version: str = "") -> None:
        self.instance = instance
        self.group = group
        self.distribution = distribution
        self.version = version
        self.card: Any = verify(instance, group)
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(GROUPS[group])
        self._manager.register(instance, name=self.card.name)
        self.hooks: Any = self._manager.hook
        if tracing.asked_for():
            tracing.trace(self._manager, self.qualified)
        self.extensions: list[Plugin] = []

    def extend(self, extension: Plugin) -> None:
        """Wrap this plugin's hooks with those of an extension."""
        self._manager.register(extension.instance, name=f"extension {extension.qualified}")
        self.extensions.append(extension)

    def renewed(self) -> Plugin:
        """Return this plugin with a new object of its class, which shares no state with the old one."""
        return Plugin(instantiate(type(self.instance)), self.group, self.distribution, self.version)

    def implements(self, hook: str) -> bool:
        """Return whether the plugin implements a hook."""
        return any(impl.plugin is self.instance for impl in getattr(self.hooks, hook).get_hookimpls())

    def names(self, hook: str, argument: str) -> bool:
        """Return whether the plugin's implementation of a hook names an argument; extensions do not count."""
        implementations = getattr(self.hooks, hook).get_hookimpls()
        return any(argument in impl.argnames for impl in implementations if impl.plugin is self.instance)

    @property
    def qualified(self) -> str:
        """Return `distribution/name`, or only the name of a plugin registered in this process."""
        return f"{self.distribution}/{self.card.name}" if self.distribution else str(self.card.name)

    @property
    def source(self) -> str:
        """Return name, distribution and version, for messages."""
        origin = f"{self.distribution} {self.version}" if self.distribution else "registered in this process"
        return f"{self.card.name!r} ({origin})"


@dataclass
class Candidate:
    """An entry point of an installed distribution, known from metadata only.

    Attributes:
        value: the entry point, `module:attribute`.
        state: `discovered`, and `loaded` or `broken` once it has been loaded; or `blocked` or `incompatible`.
        reason: why it is blocked, incompatible or broken, as a clause.
        traceback: of a failed import, for `zoo doctor`.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str
    summary: str = ""
    state: PluginState = "discovered"
    reason: str = ""
    traceback: str = field(default="", repr=False)
    _plugin: Plugin | None = field(default=None, repr=False)

    @property
    def plugin(self) -> Plugin | None:
        """The plugin if it is loaded, otherwise None."""
        return self._plugin

    @property
    def qualified(self) -> str:
        """Return `distribution/name`, which is unambiguous."""
        return f"{self.distribution}/{self.name}"

    def load(self) -> Plugin:
        """Import, verify and return the plugin; every call returns the same object.

        Raises:
            PluginError: if the plugin is blocked, incompatible or broken, with the reason and the way out.
        """
        if self.state == "discovered":
            try:
                self._plugin = self._import()
            except KeyboardInterrupt:  # the user's
                raise
            except BaseException as error:  # a plugin may raise anything while it is imported
                self.state, self.reason = "broken", _reason(error)
                self.traceback = "" if isinstance(error, ZooError) else traceback.format_exc()
            else:
                self.state = "loaded"
        if self._plugin is None:
            raise PluginError(
                f"The plugin {self.name!r} of {self.distribution} {self.version} is {self.state}: {self.reason}. "
                f"{_WAY_OUT[self.state].format(distribution=self.distribution)}"
            )
        return self._plugin

    def _import(self) -> Plugin:
        """Import the entry point's target and verify it."""
        path, _, attribute = self.value.partition("[")[0].replace(" ", "").partition(":")
        if not attribute:
            raise PluginError(f"its entry point {self.value!r} does not name an attribute; write '{path}:NAME'")
        with contextlib.redirect_stdout(sys.stderr):  # what a plugin prints must not end up in a command's output
            target: Any = importlib.import_module(path)
        for part in attribute.split("."):
            if not hasattr(target, part):
                raise PluginError(f"its entry point {self.value!r} names {part!r}, which {path} does not have")
            target, path = getattr(target, part), f"{path}.{part}"
        if inspect.isclass(target):
            target = instantiate(target)
        plugin = Plugin(target, self.group, self.distribution, self.version)
        if plugin.card.name != self.name:
            raise PluginError(
                f"its entry point is named {self.name!r}, but its card {plugin.card.name!r}; make them equal"
            )
        return plugin


_WAY_OUT = {
    "broken": "'zoo doctor' shows the traceback; update it, or remove it with 'pip uninstall {distribution}'.",
    "incompatible": "Install a version of {distribution} that fits this zoo, or another version of the zoo.",
    "blocked": "Unblock it to use it.",
}


def discover(blocklist: Blocklist = NOTHING) -> dict[str, list[Candidate]]:
    """Return the entry points of each group in the installed distributions; each file of metadata is read once."""
    entries, headers = importlib.metadata.entry_points(), functools.cache(_headers)
    return {
        group: [_candidate(entry, headers(entry.dist), blocklist) for entry in entries.select(group=group)]
        for group in GROUPS
    }


def _candidate(entry: importlib.metadata.EntryPoint, headers: list[tuple[str, str]], blocklist: Blocklist) -> Candidate:
    """Return the candidate of an entry point; the core's own plugins are never blocked or incompatible."""
    name, version = _first(headers, "Name", "an unnamed distribution"), _first(headers, "Version", "without a version")
    candidate = Candidate(entry.group, entry.name, entry.value, name, version, _first(headers, "Summary", ""))
    if name != CORE and (reason := blocklist.reason(entry.name, name)):
        candidate.state, candidate.reason = "blocked", reason
    elif name != CORE and (mismatch := _core_mismatch(value for key, value in headers if key == "Requires-Dist")):
        candidate.state, candidate.reason = "incompatible", mismatch
    return candidate


def _headers(distribution: importlib.metadata.Distribution | None) -> list[tuple[str, str]]:
    """Return the headers of a distribution's METADATA without the cost of a full e-mail parser."""
    text = (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "") if distribution else ""
    headers = []
    for line in text.splitlines():
        if not line:
            break
        key, colon, value = line.partition(": ")
        if colon:
            headers.append((key, value.strip()))
    return headers


def _first(headers: list[tuple[str, str]], key: str, default: str) -> str:
    return next((value for name, value in headers if name == key), default)


def _core_mismatch(requirements: Iterable[str]) -> str:
    """Return why this core does not meet a plugin's `Requires-Dist: genzoo`, or "" if it does."""
    for line in requirements:
        if not re.match(rf"{CORE}\s*($|[^\w.-])", line, re.IGNORECASE) or _plainly_met(line):
            continue
        from packaging.requirements import InvalidRequirement, Requirement

        from zoo.version import __version__

        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            return f"its requirement {line!r} is invalid"
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            return f"it needs {CORE}{requirement.specifier}, and this is {CORE} {__version__}"
    return ""


def _plainly_met(line: str) -> bool:
    """Return whether a requirement has only `>=` and `<` clauses of plain numbers, and this core meets them.

    This saves `zoo list` the import of packaging, which decides all other cases.
    """
    from zoo.version import __version__

    core = _numbers(__version__)
    clauses = re.findall(r"(>=|<)\s*([\d.]+)", line)
    plain = re.fullmatch(rf"{CORE}\s*\(?(\s*,?\s*(>=|<)\s*[\d.]+)*\s*\)?", line, re.IGNORECASE)
    if core is None or plain is None:
        return False
    limits = [(sign, _numbers(version)) for sign, version in clauses]
    return all(limit is not None and ((core >= limit) if sign == ">=" else (core < limit)) for sign, limit in limits)


def _numbers(version: str) -> tuple[int, ...] | None:
    """Return 1.2 as (1, 2, 0, 0); None for a version that is not one to four numbers."""
    parts = version.split(".")
    if len(parts) > 4 or not all(part.isdecimal() for part in parts):
        return None
    return tuple(map(int, parts)) + (0,) * (4 - len(parts))


def instantiate(cls: type) -> object:
    """Create the plugin object of a class.

    Raises:
        PluginError: if the constructor requires arguments.
    """
    try:
        inspect.signature(cls).bind()
    except TypeError:
        raise PluginError(
            f"its class {cls.__name__} requires constructor arguments; a plugin class takes none"
        ) from None
    return cls()


def _reason(error: BaseException) -> str:
    """Return the reason of a failed load as a clause."""
    text = str(error).strip().rstrip(".")
    if isinstance(error, ZooError):
        return text
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r}) while it was imported"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
