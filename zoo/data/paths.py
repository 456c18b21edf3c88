"""Parse `--data` values: a registered name or a path with settings. Does not import torch."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.plugins.registry import PluginRegistry

_PATH = re.compile(r"(?P<path>.+?)(?::(?P<settings>\w+=.*))?", re.DOTALL)


def split_path(text: str) -> tuple[str, str]:
    """Split `PATH:KEY=VALUE,…` into the path and the settings."""
    match = _PATH.fullmatch(text)
    return (match["path"], match["settings"] or "") if match else (text, "")


def looks_like_a_path(text: str) -> bool:
    """Whether a value is a path: up to the first colon it has a slash, a leading dot, or an extension (`table.csv`).

    `genzoo/digits`, the qualified name of an installed data set, is not a path.
    """
    head = text.partition(":")[0]
    if "/" in head:
        return head not in _qualified_names()
    return head.startswith(".") or bool(Path(head).suffix)


def check_data_name(text: str, registry: PluginRegistry) -> None:
    """Refuse a value that is neither a path nor the name of an installed data set, without importing any.

    Raises:
        ConfigError: with the nearest name; or how to write the path, if there is a file or folder of this name.
        PluginError: if two data sets have the name.
    """
    if looks_like_a_path(text):
        return
    name, _, argument = text.partition(":")
    if name not in registry.names("zoo.datasets") and name and Path(name).exists():
        kind = "folder" if Path(name).is_dir() else "file"
        settings = f":{argument}" if argument else ""
        raise ConfigError(f"No data set named {name!r} is installed; the {kind} of this name is ./{name}{settings}.")
    registry.find(name, "zoo.datasets")


def source_of(data: Any) -> str | None:
    """Return the name, or the absolute path with its settings, that reloads the data; None for an array."""
    text = str(data) if isinstance(data, Path) else data
    if not isinstance(text, str) or not (isinstance(data, Path) or looks_like_a_path(text)):
        return text if isinstance(text, str) else None
    path, settings = split_path(text)
    return f"{Path(path).absolute()}:{settings}" if settings else str(Path(path).absolute())


def _qualified_names() -> set[str]:
    entries = importlib.metadata.entry_points(group="zoo.datasets")
    return {f"{entry.dist.name}/{entry.name}" for entry in entries if entry.dist}
