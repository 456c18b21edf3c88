"""The trackers that a user asks for, and how their failures are shown. Imports no torch."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from zoo.contestant import Contestant
from zoo.contract.tracked_run import Setting
from zoo.errors import ConfigError, TrackerWarning
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry


def find_trackers(registry: PluginRegistry, names: str | Iterable[str]) -> list[Plugin]:
    """Load trackers by name, each once.

    Raises:
        ConfigError, PluginError: for a tracker that is not installed or cannot be used.
    """
    if not isinstance(names, Iterable):
        raise ConfigError(f"track must be the name of a tracker or several names, got {names!r:.80}.")
    chosen = [names] if isinstance(names, str) else list(names)
    return [registry.plugin(name, "zoo.trackers") for name in dict.fromkeys(chosen)]


def warn(sentence: str) -> None:
    """Show the failure of a tracker as a `TrackerWarning`."""
    warnings.warn(sentence, TrackerWarning, stacklevel=2)


def settings_of(contestants: Iterable[Contestant]) -> dict[str, Setting]:
    """Return the names of contestants that share a training, and the settings of the first, which they share."""
    chosen = list(contestants)
    found: dict[str, Setting] = {"contestants": ", ".join(each.text for each in chosen)}
    for prefix, values in (("", chosen[0].config), ("train.", chosen[0].training)):
        found |= {
            f"{prefix}{key}": value if isinstance(value, bool | int | float | str) else str(value)
            for key, value in values.items()
        }
    return found
