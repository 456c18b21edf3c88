"""Safe paths of a comparison's files: never outside its folder."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import CheckpointError


def path_inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a comparison's folder.

    Raises:
        CheckpointError: if the path, or a link in it, leads outside the folder.
    """
    path = folder / name
    try:
        path.exists()  # raises if the path is invalid
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    except (OSError, RuntimeError, ValueError):  # name too long, circular links, a null byte
        pass
    raise CheckpointError(f"The results in {folder} refer to {name!r}, which is outside this folder; copy it there.")
