"""Discovery, states and verification of plugins: from an entry point's metadata to a caller for its hooks.

A `Candidate` is one entry point, found in the metadata of an installed distribution and not imported. Loading it
imports the plugin, checks it against `zoo.hookspecs`, and returns a `Plugin` with a small pluggy manager of its own,
so that nothing can answer for another plugin. This module imports neither torch nor pydantic.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import pluggy

from zoo.errors import PluginError, ZooError, did_you_mean
from zoo.hookspecs import GROUPS, PROJECT

State = Literal["discovered", "blocked", "incompatible", "broken", "loaded"]

CORE = "genzoo"


class Plugin:
    """A loaded and verified plugin: its card, where it comes from, and its hooks, called through pluggy.

    Attributes:
        card: what it says of itself.
        hooks: pluggy's relay; call with keywords: `plugin.hooks.sample(model=…, n=…, …)`.
        distribution: name of the distribution it came with; "" if it was registered in this process.
        version: that distribution's version.
    """

    def __init__(self, instance: object, group: str, distribution: str = "", version: str = "") -> None:
        self.instance = instance
        self.group = group
        self.distribution = distribution
        self.version = version
        self.card: Any = _verified_card(instance, group)
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(GROUPS[group])
        for name in _verified_hooks(instance, group):
            _verified_signature(instance, group, name)
        self._manager.register(instance, name=self.card.name)
        self.hooks: Any = self._manager.hook

    def implements(self, hook: str) -> bool:
        """Whether the plugin has this hook."""
        return bool(getattr(self.hooks, hook).get_hookimpls())

    def names(self, hook: str, argument: str) -> bool:
        """Whether the plugin's own hook asks for this argument."""
        return any(argument in impl.argnames for impl in getattr(self.hooks, hook).get_hookimpls())

    @property
    def qualified(self) -> str:
        """`distribution/name`, or the bare name of a plugin registered in this process."""
        return f"{self.distribution}/{self.card.name}" if self.distribution else str(self.card.name)

    @property
    def source(self) -> str:
        """Name, distribution and version, for messages."""
        origin = f"{self.distribution} {self.version}" if self.distribution else "registered in this process"
        return f"{self.card.name!r} ({origin})"


@dataclass
class Candidate:
    """One entry point of an installed distribution, known from metadata alone.

    Attributes:
        state: `discovered` until somebody asks for it; then `loaded` or `broken`; or `blocked`, `incompatible`.
        reason: why it is blocked, incompatible or broken, in a sentence.
        traceback: of the import that failed, for `zoo doctor`.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str
    summary: str = ""
    state: State = "discovered"
    reason: str = ""
    traceback: str = field(default="", repr=False)
    _plugin: Plugin | None = field(default=None, repr=False)

    @property
    def qualified(self) -> str:
        """`distribution/name`, which is always unambiguous."""
        return f"{self.distribution}/{self.name}"

    def load(self) -> Plugin:
        """Import, verify and return the plugin; the same object on every call.

        Raises:
            PluginError: if it is blocked, incompatible or broken, with the reason and the way out.
        """
        if self.state == "discovered":
            try:
                self._plugin = self._import()
            except Exception as error:
                self.state, self.reason = "broken", _reason(error)
                self.traceback = "" if isinstance(error, ZooError) else traceback.format_exc()
            except SystemExit as error:
                self.state, self.reason = "broken", f"it called sys.exit({error.code!r}) while it was imported"
                self.traceback = traceback.format_exc()
            else:
                self.state = "loaded"
        if self._plugin is None:
            raise PluginError(
                f"The plugin {self.name!r} of {self.distribution} {self.version} is {self.state}: {self.reason}. "
                f"{_WAY_OUT[self.state].format(distribution=self.distribution)}"
            )
        return self._plugin

    def _import(self) -> Plugin:
        path, _, attribute = self.value.partition("[")[0].replace(" ", "").partition(":")
        if not attribute:
            raise PluginError(f"its entry point {self.value!r} names no plugin; write '{path}:NAME'")
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
                f"its entry point is named {self.name!r} and its card {plugin.card.name!r}; make them equal"
            )
        return plugin


_WAY_OUT = {
    "broken": "'zoo doctor' shows the traceback; update it, or remove it with 'pip uninstall {distribution}'.",
    "incompatible": "Install a version of {distribution} that fits, or another zoo.",
    "blocked": "Unblock it to use it.",
}


def discover(group: str) -> list[Candidate]:
    """Every entry point of a group in the installed distributions, by reading metadata only."""
    return [_candidate(group, entry) for entry in importlib.metadata.entry_points(group=group)]


def _candidate(group: str, entry: importlib.metadata.EntryPoint) -> Candidate:
    headers = _headers(entry)
    name, version = _first(headers, "Name", "an unnamed distribution"), _first(headers, "Version", "without a version")
    candidate = Candidate(group, entry.name, entry.value, name, version, _first(headers, "Summary", ""))
    if name != CORE and (mismatch := _core_mismatch(value for key, value in headers if key == "Requires-Dist")):
        candidate.state, candidate.reason = "incompatible", mismatch
    return candidate


def _headers(entry: importlib.metadata.EntryPoint) -> list[tuple[str, str]]:
    """The headers of the distribution's METADATA, without the cost of a full e-mail parser."""
    text = (entry.dist.read_text("METADATA") or entry.dist.read_text("PKG-INFO") or "") if entry.dist else ""
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
    """Why this core does not meet a plugin's `Requires-Dist: genzoo`, or "" if it does."""
    for line in requirements:
        if not re.match(rf"{CORE}\s*($|[^\w.-])", line, re.IGNORECASE):
            continue
        from packaging.requirements import InvalidRequirement, Requirement

        from zoo import __version__

        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            return f"its requirement {line!r} cannot be read"
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            return f"it needs {CORE}{requirement.specifier}, and this is {CORE} {__version__}"
    return ""


def instantiate(cls: type) -> object:
    """The plugin of a class, which takes no arguments.

    Raises:
        PluginError: if it wants some.
    """
    try:
        inspect.signature(cls).bind()
    except TypeError:
        raise PluginError(f"its class {cls.__name__} wants constructor arguments; a plugin class takes none") from None
    return cls()


def _verified_card(instance: object, group: str) -> Any:
    """The plugin's card, after checking that it is one of the right kind."""
    from zoo import card as cards

    kinds = {
        "zoo.models": cards.Card,
        "zoo.densities": cards.DensityCard,
        "zoo.datasets": cards.DatasetCard,
        "zoo.metrics": cards.MetricCard,
    }
    card = inspect.getattr_static(instance, "card", None)
    if not isinstance(card, kinds[group]):
        raise PluginError(f"its 'card' must be a zoo.{kinds[group].__name__}, got {card!r}")
    return card


def _members(instance: object) -> dict[str, Any]:
    """Every attribute as it stands in the class, those of Python itself left out, no property executed."""
    return {name: inspect.getattr_static(instance, name) for name in dir(instance) if not name.startswith("__")}


def _marker(member: Any) -> dict[str, Any] | None:
    function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    options = getattr(function, f"{PROJECT}_impl", None) if inspect.isroutine(function) else None
    return options if isinstance(options, dict) else None


def _verified_hooks(instance: object, group: str) -> list[str]:
    """Names of the plugin's hooks, after refusing what pluggy would accept silently.

    Raises:
        PluginError: for a hook that is misspelt, lost its decorator, uses `specname`, or is missing.
    """
    specification = GROUPS[group]
    known = [name for name in vars(specification) if not name.startswith("_") and name != "required"]
    hooks = []
    for name, member in _members(instance).items():
        options = _marker(member)
        if options is None:
            if name in known and member is not None:  # None takes an inherited hook away
                raise PluginError(
                    f"its {name!r} lacks the decorator @zoo.hookimpl, so it would never be called; add it"
                )
            continue
        if options.get("specname"):
            raise PluginError(f"its {name!r} uses specname; name the method after the hook instead")
        if name not in known:
            raise PluginError(
                f"it implements {name!r}, which is no hook of {group}.{did_you_mean(name, known)} "
                f"Hooks: {', '.join(known)}"
            )
        if options.get("wrapper") or options.get("hookwrapper"):
            raise PluginError(f"its {name!r} is a wrapper; a plugin answers for itself")
        hooks.append(name)
    missing = [name for name in specification.required if name not in hooks]  # type: ignore[attr-defined]
    if group == "zoo.models" and not {"loss", "fit"} & set(hooks):
        missing.append("loss' or 'fit")
    if missing:
        raise PluginError(
            "it lacks the hook " + " and ".join(f"{name!r}" if "'" not in name else f"'{name}'" for name in missing)
        )
    if {"loss", "fit"} <= set(hooks):
        raise PluginError("it has both 'loss' and 'fit'; a model has one way to be trained")
    return hooks


def _verified_signature(instance: object, group: str, name: str) -> None:
    """Refuse a hook that pluggy would call with less than its author believes."""
    function = getattr(instance, name)
    kinds = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    if any(is_kind(function) for is_kind in kinds):
        raise PluginError(f"its {name!r} is a generator or coroutine function; return the value instead")
    offered = [key for key in inspect.signature(getattr(GROUPS[group], name)).parameters if key != "self"]
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PluginError(f"its {name!r} takes {parameter}; name the arguments: {', '.join(offered)}")
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise PluginError(f"its {name!r} has the keyword-only argument {parameter.name!r}; make it an ordinary one")
        if parameter.default is not parameter.empty:
            raise PluginError(
                f"its {name!r} gives {parameter.name!r} a default, so it would never be passed; remove the default"
            )
        if parameter.name not in offered:
            near = did_you_mean(parameter.name, offered)
            raise PluginError(
                f"its {name!r} asks for {parameter.name!r}, which the hook does not offer.{near} "
                f"Offered: {', '.join(offered)}"
            )


def _reason(error: BaseException) -> str:
    """One clause for a failed load."""
    text = str(error).strip().rstrip(".")
    if isinstance(error, ZooError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
