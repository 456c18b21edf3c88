"""`PluginRegistry`: the available plugins, and their lookup by name. Does not import torch or any plugin."""

from __future__ import annotations

import contextlib
import importlib
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from zoo.contract.hookspecs import GROUPS, MODELS
from zoo.errors import ConfigError, PluginError, did_you_mean
from zoo.plugins.blocking import Blocklist
from zoo.plugins.catalogue import SHIPPED, Catalogue, Entry, read_catalogue
from zoo.plugins.plugin import Candidate, Plugin, discover, instantiate
from zoo.runtime.threads import alone

_KIND = {
    "zoo.models": "model",
    "zoo.densities": "latent density",
    "zoo.datasets": "data set",
    "zoo.features": "feature space",
    "zoo.metrics": "metric",
    "zoo.extensions": "extension",
    "zoo.controls": "control",
    "zoo.trackers": "tracker",
}
#: what the name of a plugin of each group is for
_USES = {
    "zoo.models": "train it with 'zoo train {name}'",
    "zoo.densities": "attach it to a model: MODEL@{name}",
    "zoo.datasets": "train a model on it: zoo train MODEL --data {name}",
    "zoo.features": "choose it for a comparison: zoo compare --features {name}",
    "zoo.metrics": "'zoo info {name}' describes it",
    "zoo.extensions": "it wraps every model by itself",
    "zoo.controls": "it is a row of 'zoo compare --full'",
    "zoo.trackers": "log a training with it: zoo train MODEL --track {name}",
}
_UNKNOWN = "?"
#: the values that `list_models` filters by
FILTERS: dict[str, tuple[str | bool, ...]] = {
    "trains_on": ("grey", "bits", "real"),
    "latent": ("real", "bits", "index", "none"),
    "likelihood": (True, False),
}


@dataclass(frozen=True)
class Listing:
    """A line of `zoo list`: the facts of a model that are known without importing it.

    Attributes:
        status: `installed`, `registered` (in this process), `available` (in the catalogue only), `blocked`,
            `incompatible`, `broken`, or `ambiguous` (two distributions have a model of this name; the qualified name
            is needed).
        trains_on, latent, likelihood: from the card of a loaded model, or from the catalogue; otherwise `?`.
            `likelihood` is `yes`, `no`, or `declared` (if the user has to declare a noise model first); `latent` is
            `none` for a model without a code.
    """

    name: str
    status: str
    distribution: str
    version: str
    summary: str
    reason: str = ""
    trains_on: str = _UNKNOWN
    latent: str = _UNKNOWN
    likelihood: str = _UNKNOWN


class PluginRegistry:
    """An isolated registry of the plugins of installed distributions and of those registered in this process.

    Args:
        catalogue: path of a `registry.toml`; by default the one that comes with the zoo.
        entry_points: whether installed distributions are searched for plugins.
        blocklist: plugins that are never imported; None reads the environment and the configuration.
        extensions: whether installed extensions wrap the models' hooks; None means yes, unless `ZOO_NO_EXTENSIONS` is
            set.
    """

    def __init__(
        self,
        *,
        catalogue: Path = SHIPPED,
        entry_points: bool = True,
        blocklist: Blocklist | None = None,
        extensions: bool | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._entry_points = entry_points
        self._blocklist = blocklist
        self._extensions = extensions
        self._registered: dict[tuple[str, str], Plugin] = {}
        self._found: dict[str, list[Candidate]] = {}

    @cached_property
    def catalogue(self) -> Catalogue:
        """The catalogue, read on first use."""
        return read_catalogue(self._catalogue)

    def refresh(self) -> None:
        """Search the installed distributions again, after an install or uninstall in this process."""
        importlib.invalidate_caches()
        self._found.clear()

    def register(self, plugin: object, group: str = "zoo.models") -> Plugin:
        """Add a plugin object, or its class, to this registry only; a plugin of the same name is replaced.

        Raises:
            ConfigError: if the group does not exist.
            PluginError: if the plugin violates the contract, or an installed plugin has its name.
        """
        _check_group(group)
        cls = plugin if isinstance(plugin, type) else type(plugin)
        try:
            loaded = Plugin(instantiate(cls) if plugin is cls else plugin, group)
        except PluginError as error:
            raise PluginError(f"Cannot register {cls.__name__}: {error}.") from None
        name = loaded.card.name
        if installed := self._named(name, group):
            raise PluginError(
                f"A {_KIND[group]} named {name!r} is installed ({installed[0].qualified}); choose another name."
            )
        self._registered[group, name] = loaded
        return loaded

    def registered(self, group: str = "zoo.models") -> list[Plugin]:
        """Return the plugins registered in this process."""
        return [plugin for (of, _), plugin in sorted(self._registered.items()) if of == group]

    def is_registered(self, name: str, group: str = "zoo.models") -> bool:
        """Return whether a plugin of this name is registered in this process."""
        return (group, name) in self._registered

    def candidates(self, group: str = "zoo.models") -> list[Candidate]:
        """Return the installed plugins of a group, sorted by name."""
        _check_group(group)
        with alone():
            if group not in self._found:
                blocklist = Blocklist.read() if self._blocklist is None else self._blocklist
                found = discover(blocklist) if self._entry_points else {group: []}
                for of, its in found.items():
                    self._found[of] = sorted(its, key=lambda candidate: (candidate.name, candidate.distribution))
            return self._found[group]

    def plugin(self, name: str, group: str = "zoo.models") -> Plugin:
        """Load a plugin by its name or by `distribution/name`.

        Raises:
            ConfigError: for an unknown name; with the nearest name and what the catalogue offers.
            PluginError: if the plugin is blocked, incompatible or broken, or two distributions have one of this name.
        """
        with alone():
            found = self.find(name, group)
            plugin = found.load() if isinstance(found, Candidate) else found
            if group in MODELS:
                for extension in self.active_extensions():
                    if extension not in plugin.extensions:
                        plugin.extend(extension)
        return plugin

    def active_extensions(self) -> list[Plugin]:
        """Return the extensions that wrap every model's hooks; `zoo doctor` shows those that cannot be loaded."""
        wanted = not os.environ.get("ZOO_NO_EXTENSIONS") if self._extensions is None else self._extensions
        if not wanted:
            return []
        active = self.registered("zoo.extensions")
        for candidate in self.candidates("zoo.extensions"):
            with contextlib.suppress(PluginError):
                active.append(candidate.load())
        return active

    def verify(self) -> None:
        """Load every installed plugin; with `ZOO_STRICT=1`, all commands but the diagnostic ones do so first.

        Raises:
            PluginError: naming every incompatible or broken plugin, and every name that two distributions have.
        """
        faults = []
        for group in GROUPS:
            for candidate in self.candidates(group):
                if candidate.state == "blocked":
                    continue
                try:
                    candidate.load()
                    self.find(candidate.name, group)
                except PluginError as error:
                    faults.append(str(error))
        if faults:
            raise PluginError(f"ZOO_STRICT is set. {' '.join(dict.fromkeys(faults))}")

    def find(self, name: str, group: str = "zoo.models") -> Plugin | Candidate:
        """Return the plugin of this name without importing it; raise as `plugin` for an unknown or ambiguous name."""
        if registered := self._registered.get((group, name)):
            return registered
        named = self._named(name, group)
        if not named:
            raise ConfigError(self._unknown(name, group))
        if len(named) > 1:
            both = " or ".join(candidate.qualified for candidate in named)
            raise PluginError(f"Two distributions have a {_KIND[group]} named {name!r}; say which: {both}.")
        return named[0]

    def names(self, group: str = "zoo.models") -> list[str]:
        """Return the names of all installed and registered plugins of a group."""
        installed = {candidate.name for candidate in self.candidates(group)}
        return sorted(installed | {plugin.card.name for plugin in self.registered(group)})

    def list_models(
        self,
        pattern: str = "*",
        *,
        trains_on: str | None = None,
        latent: str | None = None,
        likelihood: bool | None = None,
    ) -> list[Listing]:
        """Return every model that is installed, registered, or in the catalogue; none is imported.

        Args:
            pattern: shell glob that the names match ("v*").
            trains_on, latent, likelihood: leave out models that are known to differ. A model that is neither loaded
                nor in the catalogue stays, with `?`. `trains_on` is `grey`, `bits` or `real`; `latent` is `real`,
                `bits`, `index` or `none`; `likelihood` is True or False.

        Raises:
            ConfigError: for another value of a filter.
        """
        filters = {"trains_on": trains_on, "latent": latent, "likelihood": likelihood}
        for key, value in filters.items():
            if value is not None and value not in FILTERS[key]:
                choices = ", ".join(map(repr, FILTERS[key]))
                raise ConfigError(f"{key} must be one of {choices}, or None for every model, got {value!r}.")
        listings = [_registered_listing(plugin) for plugin in self.registered()]
        candidates = self.candidates()
        names = [candidate.name for candidate in candidates]
        for candidate in candidates:
            listings.append(self._installed_listing(candidate, ambiguous=names.count(candidate.name) > 1))
        for entry in self.catalogue.entries:
            if entry.group == "zoo.models" and entry.name not in names:
                listings.append(
                    Listing(entry.name, "available", entry.package, "", entry.summary, **_catalogued_traits(entry))
                )
        wanted: dict[str, tuple[str, ...]] = {}
        if trains_on is not None:
            wanted["trains_on"] = (trains_on,)
        if latent is not None:
            wanted["latent"] = (latent,)
        if likelihood is not None:
            wanted["likelihood"] = ("yes", "declared") if likelihood else ("no",)
        shown = [
            listing
            for listing in listings
            if fnmatchcase(listing.name, pattern)
            and all(getattr(listing, key) in (*values, _UNKNOWN) for key, values in wanted.items())
        ]
        return sorted(shown, key=lambda listing: (listing.name, listing.distribution))

    def _named(self, name: str, group: str) -> list[Candidate]:
        """Return the installed plugins with this name or qualified name."""
        return [candidate for candidate in self.candidates(group) if name in (candidate.name, candidate.qualified)]

    def _unknown(self, name: str, group: str) -> str:
        """Return the error message for an unknown name: what the name is elsewhere, or what may be meant."""
        for other in GROUPS:
            if other != group and (self._named(name, other) or self.is_registered(name, other)):
                return f"{name!r} is a {_KIND[other]}, not a {_KIND[group]}; {_USES[other].format(name=name)}."
        known = self.names(group)
        catalogued = [entry for entry in self.catalogue.entries if entry.group == group and entry.name not in known]
        names = [*known, *(entry.name for entry in catalogued)]
        sentence = f"No {_KIND[group]} named {name!r} is installed."
        if any(entry.name == name for entry in catalogued):
            return f"{sentence} It is in the catalogue: zoo install {name}."
        sentence += did_you_mean(name, names)
        if known:
            sentence += f" Installed: {', '.join(known)}."
        if catalogued:
            sentence += f" In the catalogue: {', '.join(entry.name for entry in catalogued)} (zoo install NAME)."
        return sentence

    def _installed_listing(self, candidate: Candidate, *, ambiguous: bool) -> Listing:
        """Return the listing of an installed model."""
        status = {"discovered": "installed", "loaded": "installed"}.get(candidate.state, candidate.state)
        entry = self.catalogue.find(candidate.name)
        official = entry is not None and entry.package == candidate.distribution
        return Listing(
            candidate.name,
            "ambiguous" if ambiguous and status == "installed" else status,
            candidate.distribution,
            candidate.version,
            entry.summary if entry and official else candidate.summary,
            f"use {candidate.qualified}" if ambiguous else candidate.reason,
            **(_catalogued_traits(entry) if entry and official else _traits(candidate.plugin)),
        )


def _check_group(group: str) -> None:
    """Raise `ConfigError` for an unknown group."""
    if group not in GROUPS:
        raise ConfigError(f"No plugin group {group!r}.{did_you_mean(group, GROUPS)} Groups: {', '.join(GROUPS)}.")


def _registered_listing(plugin: Plugin) -> Listing:
    """Return the listing of a model registered in this process."""
    return Listing(plugin.card.name, "registered", "", "", plugin.card.summary, **_traits(plugin))


def _traits(plugin: Plugin | None) -> dict[str, str]:
    """Return the traits that `zoo list` filters by; empty for a plugin that is not loaded."""
    if plugin is None:
        return {}
    card = plugin.card
    return {
        "trains_on": card.trains_on_with(card.config()),
        "latent": card.latent or "none",
        "likelihood": _yes(plugin.implements("log_prob")),
    }


def _catalogued_traits(entry: Entry) -> dict[str, str]:
    """Return the same traits from the catalogue."""
    return {"trains_on": entry.trains_on, "latent": entry.latent, "likelihood": entry.likelihood}


def _yes(value: bool) -> str:
    return "yes" if value else "no"
