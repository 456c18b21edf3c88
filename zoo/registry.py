"""`Registry`: which plugins there are, and how a name becomes one. Imports neither torch nor any plugin."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.blocking import Blocklist
from zoo.catalogue import SHIPPED, Catalogue, Entry, read_catalogue
from zoo.contestant import Contestant, parse_contestant
from zoo.errors import ConfigError, PluginError, did_you_mean
from zoo.hookspecs import GROUPS
from zoo.plugins import Candidate, Plugin, discover, instantiate

if TYPE_CHECKING:
    from zoo.comparison import Comparison
    from zoo.model import Model
    from zoo.training import Progress

_KIND = {
    "zoo.models": "model",
    "zoo.densities": "latent density",
    "zoo.datasets": "data set",
    "zoo.metrics": "metric",
    "zoo.extensions": "extension",
}
_UNKNOWN = "?"


@dataclass(frozen=True)
class Listing:
    """One line of `zoo list`: what is known of a plugin without importing it.

    Attributes:
        status: `installed`, `registered` (in this process), `available` (in the catalogue only), `blocked`,
            `incompatible`, `broken`, or `ambiguous` (two distributions have this name: use the qualified one).
        trains_on, latent, likelihood: from its card if it is loaded, or from the catalogue; otherwise `?`. `likelihood`
            is `yes` or `no`; a model without a code has the latent `none`.
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


class Registry:
    """An isolated registry: the plugins of the installed distributions, and those registered in this process.

    Args:
        catalogue: a `registry.toml`; the shipped one by default.
        entry_points: whether to look at installed distributions at all.
        blocklist: plugins that are never imported; None reads the environment and the configuration.
        extensions: whether installed extensions wrap the models' hooks; None asks `ZOO_NO_EXTENSIONS`.
    """

    def __init__(
        self,
        *,
        catalogue: Path = SHIPPED,
        entry_points: bool = True,
        blocklist: Blocklist | None = None,
        extensions: bool | None = None,
    ) -> None:
        self.catalogue: Catalogue = read_catalogue(catalogue)
        self._entry_points = entry_points
        self._blocklist = blocklist
        self._extensions = extensions
        self._registered: dict[tuple[str, str], Plugin] = {}
        self._found: dict[str, list[Candidate]] = {}

    def refresh(self) -> None:
        """Look again at what is installed: after an install or uninstall in this process."""
        importlib.invalidate_caches()
        self._found.clear()

    def register(self, plugin: object, group: str = "zoo.models") -> Plugin:
        """Add a plugin object (or its class) to this registry only; registering its name again replaces it.

        Raises:
            ConfigError: if there is no such group.
            PluginError: if it breaks the contract, or an installed plugin has its name.
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
        """The plugins registered in this process."""
        return [plugin for (of, _), plugin in sorted(self._registered.items()) if of == group]

    def candidates(self, group: str = "zoo.models") -> list[Candidate]:
        """The installed plugins of a group, each with its state, sorted by name."""
        _check_group(group)
        if group not in self._found:
            blocklist = Blocklist.read() if self._blocklist is None else self._blocklist
            found = discover(group, blocklist) if self._entry_points else []
            self._found[group] = sorted(found, key=lambda candidate: (candidate.name, candidate.distribution))
        return self._found[group]

    def plugin(self, name: str, group: str = "zoo.models") -> Plugin:
        """Load a plugin by its name, or by `distribution/name`.

        Raises:
            ConfigError: if nothing has this name; with the nearest one, and what the catalogue offers.
            PluginError: if it is blocked, incompatible or broken, or two distributions have this name.
        """
        found = self.find(name, group)
        plugin = found.load() if isinstance(found, Candidate) else found
        if group == "zoo.models":
            for extension in self.active_extensions():
                if extension not in plugin.extensions:
                    plugin.extend(extension)
        return plugin

    def active_extensions(self) -> list[Plugin]:
        """The extensions that wrap every model's hooks; `zoo doctor` shows those that cannot be loaded."""
        wanted = not os.environ.get("ZOO_NO_EXTENSIONS") if self._extensions is None else self._extensions
        if not wanted:
            return []
        active = self.registered("zoo.extensions")
        for candidate in self.candidates("zoo.extensions"):
            with contextlib.suppress(PluginError):
                active.append(candidate.load())
        return active

    def verify(self) -> None:
        """Load every installed plugin, as `ZOO_STRICT=1` asks for at the start of a command.

        Raises:
            PluginError: naming every plugin that is incompatible or broken, and every name that two distributions have.
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
        """The one plugin of this name, not imported; raises as `plugin` does for an unknown or ambiguous name."""
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
        """Every name that `plugin` takes in this group."""
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
        """Every model that is installed, registered, or in the catalogue, without importing one.

        Args:
            pattern: of the names, as a shell has it ("v*").
            trains_on, latent, likelihood: leave out models of which it is known that they differ; those of which it is
                not known, for they are neither loaded nor in the catalogue, stay and show `?`.
        """
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
        wanted = {
            "trains_on": trains_on,
            "latent": latent,
            "likelihood": None if likelihood is None else _yes(likelihood),
        }
        shown = [
            listing
            for listing in listings
            if fnmatchcase(listing.name, pattern)
            and all(value is None or getattr(listing, key) in (value, _UNKNOWN) for key, value in wanted.items())
        ]
        return sorted(shown, key=lambda listing: (listing.name, listing.distribution))

    def info(self, name: str) -> dict[str, Any]:
        """What is known of a model as plain values; it is imported if it is installed."""
        installed = (("zoo.models", name) in self._registered) or self._named(name, "zoo.models")
        if not installed and (entry := self.catalogue.find(name)):
            return _catalogue_info(entry)
        plugin = self.plugin(name)
        from zoo.describe import describe_model

        return describe_model(plugin, self.catalogue.find(plugin.card.name))

    def create(self, contestant: str, data: Any = "digits", *, seed: int = 0, **config: Any) -> Model:
        """Build an untrained model for some data.

        Args:
            contestant: `vae` or `vae:latent_dim=8`; a density (`@gmm`) needs a trained model.
            data: a name, array, tensor or `zoo.Data`, as for `zoo.load_data`; or a `zoo.DataSpec`.
            seed: of the initial weights.
            **config: further settings of the model.
        """
        from zoo.data import DataSpec, load_data
        from zoo.training import create

        parsed = _contestant(contestant, config)
        spec = data if isinstance(data, DataSpec) else load_data(data, registry=self).spec
        return create(self, parsed, spec, seed)

    def train(
        self,
        contestant: str,
        data: Any = "digits",
        *,
        seed: int = 0,
        epochs: float | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        folder: str | Path | None = None,
        save_every: float = 30.0,
        keep: int = 2,
        device: str = "cpu",
        progress: Progress | None = None,
        **config: Any,
    ) -> Model:
        """Train a model, fit its latent density if it has one, and return it.

        Args:
            contestant: `NAME[@DENSITY][:KEY=VALUE,…]`.
            data: a name, array, tensor or `zoo.Data`.
            seed: of everything random in the training.
            epochs, steps, seconds: the budget, one of them; by default the data set's number of epochs.
            folder: a run folder to write (`model.safetensors`, `metrics.jsonl`, `run.json`, and `state.safetensors`,
                from which `resume` goes on); None writes nothing.
            save_every: seconds from one state to the next.
            keep: how many of the last states stay in the folder.
            device: where it is trained and stays: `cpu`, `cuda`, or `cuda:1` for the second GPU.
            progress: called with the `zoo.training.Report` of each epoch.
            **config: further settings of the model.

        Raises:
            DivergedError: if a loss or a weight is not finite.
            KeyboardInterrupt: after Ctrl-C or SIGTERM; with a folder, once the state is saved.
        """
        from zoo.training import Amount, Saving, train

        amount = Amount.choose(epochs=epochs, steps=steps, seconds=seconds)
        parsed, run = _contestant(contestant, config), None if folder is None else Path(folder)
        saving = Saving(save_every, keep)
        return train(
            self, parsed, data, seed=seed, amount=amount, folder=run, progress=progress, saving=saving, device=device
        )

    def resume(
        self,
        run: str | Path,
        *,
        contestant: str | None = None,
        data: Any = None,
        epochs: float | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        save_every: float = 30.0,
        keep: int = 2,
        allow_changes: bool = False,
        device: str | None = None,
        progress: Progress | None = None,
    ) -> Model:
        """Go on with a training from its run folder, bit for bit as if it had not been stopped, and return its model.

        A run whose state was never saved begins again at its first step, and so does a model with a `fit` of its own.

        Args:
            run: its folder, or one of the state files in it.
            contestant, data, epochs, steps, seconds, device: what takes the place of what the run was begun with.
            save_every, keep, progress: as for `train`.
            allow_changes: go on although data, settings, versions or threads are not those of the state.

        Raises:
            CheckpointError: if there is no run, its state is damaged, or changes would have to be allowed.
        """
        from zoo.training import Amount, Begun, Saving, resume

        return resume(
            self,
            Begun.read(Path(run)),
            contestant=None if contestant is None else parse_contestant(contestant),
            data=data,
            amount=Amount.choose(epochs=epochs, steps=steps, seconds=seconds),
            progress=progress,
            saving=Saving(save_every, keep, allow_changes=allow_changes),
            device=device,
        )

    def load(self, path: str | Path, *, device: str = "cpu") -> Model:
        """Load a trained model from a run folder or a `.safetensors` file, onto a device (`cpu`, `cuda`, `cuda:1`).

        Raises:
            CheckpointError: if it is missing, damaged or does not fit its plugin.
            ConfigError: if there is no such device.
        """
        from zoo.checkpoint import load_model

        return load_model(Path(path), self, device)

    def compare(self, contestants: Iterable[str] = (), data: Any = None, **settings: Any) -> Comparison:
        """Train contestants over seeds and compare how each one generates; see `zoo.comparison.compare`."""
        from zoo.comparison import compare

        return compare(self, list(contestants), data, **settings)

    def evaluate(self, source: str | Path, data: Any = None, **settings: Any) -> Comparison:
        """Measure a finished run, or samples from outside, without training; see `zoo.comparison.evaluate`."""
        from zoo.comparison import evaluate

        return evaluate(self, source, data, **settings)

    def _named(self, name: str, group: str) -> list[Candidate]:
        return [candidate for candidate in self.candidates(group) if name in (candidate.name, candidate.qualified)]

    def _unknown(self, name: str, group: str) -> str:
        known = self.names(group)
        catalogued = [entry for entry in self.catalogue.entries if entry.group == group and entry.name not in known]
        names = [*known, *(entry.name for entry in catalogued)]
        near = did_you_mean(name, [each for each in names if each != name])
        sentence = f"No {_KIND[group]} named {name!r} is installed.{near}"
        if known:
            sentence += f" Installed: {', '.join(known)}."
        if catalogued:
            offers = (f"{entry.name} (zoo install {entry.name})" for entry in catalogued)
            sentence += f" In the catalogue: {', '.join(offers)}."
        return sentence

    def _installed_listing(self, candidate: Candidate, *, ambiguous: bool) -> Listing:
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
    if group not in GROUPS:
        raise ConfigError(f"No plugin group {group!r}.{did_you_mean(group, GROUPS)} Groups: {', '.join(GROUPS)}.")


def _contestant(text: str, config: Mapping[str, Any]) -> Contestant:
    """The parsed contestant with further settings of the model, which win over those in the text."""
    parsed = parse_contestant(text)
    parsed.config.update(config)
    return parsed


def _registered_listing(plugin: Plugin) -> Listing:
    return Listing(plugin.card.name, "registered", "", "", plugin.card.summary, **_traits(plugin))


def _traits(plugin: Plugin | None) -> dict[str, str]:
    """What filters look at, of a loaded plugin; nothing of another, for it is not known."""
    if plugin is None:
        return {}
    card = plugin.card
    return {
        "trains_on": card.shown(card.config()),
        "latent": card.latent or "none",
        "likelihood": _yes(plugin.implements("log_prob")),
    }


def _catalogued_traits(entry: Entry) -> dict[str, str]:
    """The same from the catalogue."""
    return {"trains_on": entry.trains_on, "latent": entry.latent, "likelihood": _yes(entry.likelihood)}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _catalogue_info(entry: Entry) -> dict[str, Any]:
    hidden = ("group", "entry_point", "releases")
    facts = {
        key: ", ".join(value) if isinstance(value, list) else value
        for key, value in vars(entry).items()
        if key not in hidden
    }
    return facts | {"status": "available", "install": f"zoo install {entry.name}"}
