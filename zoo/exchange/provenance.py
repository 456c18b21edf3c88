"""What a published file says of a training: its protocol without the folders of the machine it was trained on."""

from __future__ import annotations

from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from zoo.models.model import FILE


def without_folders(facts: Any) -> Any:
    """Return nested plain values with each absolute path cut to what `short_path` keeps of it."""
    if isinstance(facts, dict):
        return {key: without_folders(each) for key, each in facts.items()}
    if isinstance(facts, list | tuple):
        return [without_folders(each) for each in facts]
    return short_path(facts) if isinstance(facts, str) else facts


def short_path(text: str) -> str:
    """Return the last name of an absolute path, or `RUN/model.safetensors`; any other text as it is."""
    kinds: tuple[type[PurePath], ...] = (PurePosixPath, PureWindowsPath)
    for path in (kind(text) for kind in kinds):
        if path.is_absolute():
            return "/".join(path.parts[1:][-2 if path.name == FILE else -1 :])
    return text
