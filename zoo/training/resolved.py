"""`Resolved`: a contestant whose plugins are loaded and whose settings are checked, before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.contestant import Contestant
from zoo.contract.card import DensityOptions
from zoo.contract.config import Config
from zoo.contract.training import TRAINING_KEYS_USED_BY_FIT, Phase, Training, completed
from zoo.errors import ConfigError, did_you_mean
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry


@dataclass(frozen=True)
class Resolved:
    """A contestant whose plugins are loaded and whose settings are checked and complete.

    Attributes:
        phases: the phases of the training, with all settings of their players; one phase with one player for a card
            without phases.
    """

    plugin: Plugin
    density: Plugin | None
    config: Config
    phases: tuple[Phase, ...]
    options: Config
    density_options: DensityOptions = field(default_factory=DensityOptions)

    @property
    def needs_labels(self) -> bool:
        """Whether every example needs a class: of a conditional model, or of a density for each class."""
        conditional: bool = self.plugin.card.is_conditional_with(self.config)
        return conditional or self.density_options.per_class

    @property
    def batch_size(self) -> int:
        """Examples per step, the same for all players."""
        return self.phases[0].players[0].settings.batch_size

    def training(self) -> dict[str, Any]:
        """Return the training settings as plain values; with phases, those of each player under its name."""
        players = [player for phase in self.phases for player in phase.players]
        if self.plugin.card.phases == ():
            return _plain(players[0].settings)
        return {player.name: _plain(player.settings) for player in players}


def resolve(registry: PluginRegistry, contestant: Contestant) -> Resolved:
    """Load the plugins of a contestant and check all its settings, before any work.

    Raises:
        ConfigError, PluginError: for an unknown or broken plugin, a wrong setting, or a density of other codes.
    """
    plugin = registry.plugin(contestant.model, contestant.group)
    card = plugin.card
    density = registry.plugin(contestant.density, "zoo.densities") if contestant.density else None
    if density and card.latent not in density.card.accepts:
        codes = f"codes of kind {card.latent!r}" if card.latent else "no codes"
        raise ConfigError(
            f"{contestant.text}: {card.name} has {codes}, and {density.card.name} is a density over "
            f"{' or '.join(map(repr, density.card.accepts))} codes; compare {card.name} without it."
        )
    config = card.config.parse(contestant.config, card.name)
    resolved = Resolved(
        plugin,
        density,
        config,
        resolve_phases(plugin, config, contestant.training, contestant.text),
        card.options.parse(contestant.options, f"the sampling of {card.name}"),
        DensityOptions.parse(contestant.density_options, f"the latent density of {card.name}"),
    )
    if contestant.density_options and not density:
        raise ConfigError(
            f"{contestant.text}: settings after 'density.' are those of a latent density; attach one, for example "
            f"{contestant.model}@gmm."
        )
    unused = [f"train.{key}" for key in contestant.training if key not in TRAINING_KEYS_USED_BY_FIT]
    if unused and plugin.implements("fit"):
        raise ConfigError(
            f"{contestant.text}: {card.name} defines its own fit() and only uses train.batch_size; remove "
            f"{', '.join(unused)}, or use its own settings: zoo info {card.name}."
        )
    return resolved


def resolve_phases(plugin: Plugin, config: Config, given: Mapping[str, Any], text: str = "") -> tuple[Phase, ...]:
    """Return the phases of a training with complete settings: the card's, then those that a contestant gives.

    Args:
        plugin, config: the model.
        given: settings after `train.`: of all players by name, and of single players in a mapping under their names.
        text: the contestant, for messages.

    Raises:
        ConfigError: for an unknown player or a wrong setting.
    """
    card = plugin.card
    own = {name: values for name, values in given.items() if isinstance(values, Mapping)}
    players = card.players(config)
    if unknown := [name for name in own if name not in players]:
        known = (
            f"{did_you_mean(unknown[0], players)} Players: {', '.join(players)}" if players else " It has no players"
        )
        raise ConfigError(
            f"{text}: {card.name} has no player {unknown[0]!r}, so 'train.{unknown[0]}.' is not a prefix.{known}."
        )
    common = {name: value for name, value in given.items() if name not in own}
    return completed(card.phases_with(config), card.training, common, own, f"the training of {card.name}")


def _plain(settings: Training) -> dict[str, Any]:
    """Return settings as plain values; full precision is left out, as in files from before there was another."""
    plain = settings.model_dump(mode="json")
    return {key: value for key, value in plain.items() if (key, value) != ("precision", "float32")}
