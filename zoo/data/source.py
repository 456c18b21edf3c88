"""Where data are found again: a name, or an absolute path with its options. Does not import torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data.formats import format_of
from zoo.data.paths import looks_like_a_path, parse_options, split_path, unquoted, with_options
from zoo.errors import ConfigError, ZooError

if TYPE_CHECKING:
    from zoo.plugins.registry import PluginRegistry

_FILES = ("valid", "test")  # options that name files


def check_name(text: str, registry: PluginRegistry) -> None:
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
        options = f":{argument}" if argument else ""
        raise ConfigError(f"No data set named {name!r} is installed; the {kind} of this name is ./{name}{options}.")
    registry.find(name, "zoo.datasets")


def source_of(data: Any) -> str | None:
    """Return the name, or the absolute path with its options, that reloads the data; None for an array.

    Options that name files become absolute, too.
    """
    text = str(data) if isinstance(data, Path) else data
    if not isinstance(text, str) or not (isinstance(data, Path) or looks_like_a_path(text)):
        return text if isinstance(text, str) else None
    path, source = split_path(text)
    place = Path(path).expanduser().absolute()
    options = parse_options(source, path)
    for key, value in options.items():
        if key in _FILES or (key == "labels" and _names_a_file(value, place)):
            options[key] = str(Path(unquoted(value)).expanduser().absolute())
    return with_options(str(place), options)


def _names_a_file(labels: str, path: Path) -> bool:
    """Whether labels are in a file of their own: those of a table are in a column of that name, if it has one."""
    try:
        return format_of(path).labels == "file" and Path(unquoted(labels)).expanduser().is_file()
    except (ZooError, OSError, EOFError):  # whatever is wrong with the file is said when it is read
        return False
