"""Check the names of contestants and data before anything is loaded. Imports neither torch nor a plugin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zoo.contestant import Contestant
from zoo.data.source import check_name
from zoo.errors import PluginError
from zoo.plugins.registry import PluginRegistry


def check_names(registry: PluginRegistry, contestants: Iterable[Contestant], data: Any = None) -> None:
    """Refuse the names of unknown models, densities and data sets.

    Args:
        registry: where names are looked up.
        contestants: what is to be trained.
        data: the data, if they are given by name.

    Raises:
        PluginError: for models of the catalogue, with the commands that install all of them; or an ambiguous name.
        ConfigError: for any other unknown name.
    """
    if isinstance(data, str):
        check_name(data, registry)
    chosen = list(contestants)
    absent = [each.model for each in chosen if each.model not in registry.names(each.group)]
    missing = dict.fromkeys(entry.name for name in absent if (entry := registry.catalogue.find(name)))
    if missing:
        commands = " && ".join(f"zoo install {name}" for name in missing)
        raise PluginError(
            f"Not installed: {', '.join(missing)}. Install with: {commands}; or choose other models: 'zoo list' shows "
            "what is installed."
        )
    for contestant in chosen:
        registry.find(contestant.model, contestant.group)
        if contestant.density:
            registry.find(contestant.density, "zoo.densities")
