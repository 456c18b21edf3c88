"""Files of a comparison, by the paths that its results give: never one outside of its folder."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import CheckpointError


def path_inside(folder: Path, name: str) -> Path:
    """The path of a file in a comparison's folder.

    Raises:
        CheckpointError: if it leads out of the folder, by itself or through a link.
    """
    path = folder / name
    try:
        path.exists()  # or the system says why it cannot be looked for
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    except (OSError, RuntimeError, ValueError):  # a name too long, links in a circle, a zero byte
        pass
    raise CheckpointError(f"The results in {folder} name {name!r}, which is not inside this folder; copy it there.")
