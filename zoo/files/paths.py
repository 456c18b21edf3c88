"""Paths as users type them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, DataError


def as_path(given: Any, name: str) -> Path:
    """Return an argument of a function as a path.

    Args:
        given: by a user.
        name: of the argument, for the message.

    Raises:
        ConfigError: for anything but text and path objects.
    """
    if isinstance(given, str | os.PathLike):
        return Path(given)
    is_model = type(given).__name__ == "Model"  # `zoo.Model`, which imports this file
    way_out = (
        "save the model with model.save(folder), and pass the folder" if is_model else "pass text or a pathlib.Path"
    )
    raise ConfigError(f"{name} must be a path, got {given!r:.80}; {way_out}.")


def existing(name: str) -> Path:
    """Return the path of a file or folder that exists.

    Raises:
        DataError: for a path that does not exist, is neither a file nor a folder, or cannot be looked at.
    """
    try:
        path = Path(name).expanduser()
        if path.is_dir() or path.is_file():
            return path
        there = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # missing permission, name too long, unknown home folder
        raise DataError(f"Cannot read {name}: {getattr(error, 'strerror', None) or str(error).rstrip('.')}.") from None
    raise DataError(f"{name} must be a file or a folder." if there else f"{name} does not exist.")
