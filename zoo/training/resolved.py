"""`Resolved`: a contestant whose plugins are loaded and whose settings are checked, before any work."""

from __future__ import annotations

from dataclasses import dataclass, field

from zoo.contestant import Contestant
from zoo.contract.card import TRAINING_KEYS_USED_BY_FIT, DensityOptions, Training
from zoo.contract.config import Config
from zoo.errors import ConfigError
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry


@dataclass(frozen=True)
class Resolved:
    """A contestant whose plugins are loaded and whose settings are checked and complete."""

    plugin: Plugin
    density: Plugin | None
    config: Config
    training: Training
    options: Config
    density_options: DensityOptions = field(default_factory=DensityOptions)

    @property
    def needs_labels(self) -> bool:
        """Whether every example needs a class: of a conditional model, or of a density for each class."""
        conditional: bool = self.plugin.card.is_conditional_with(self.config)
        return conditional or self.density_options.per_class


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
    resolved = Resolved(
        plugin,
        density,
        card.config.parse(contestant.config, card.name),
        Training.parse({**card.training.model_dump(), **contestant.training}, f"the training of {card.name}"),
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
