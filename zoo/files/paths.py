"""Paths as users type them."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import DataError


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
