"""What a `--data` value means, a registered name or a path, told apart without importing torch."""

from __future__ import annotations

import re
from pathlib import Path

_PATH = re.compile(r"(?P<path>.+?)(?::(?P<settings>\w+=.*))?", re.DOTALL)


def split_path(text: str) -> tuple[str, str]:
    """The path and the settings of `PATH:KEY=VALUE,…`."""
    match = _PATH.fullmatch(text)
    return (match["path"], match["settings"] or "") if match else (text, "")


def looks_like_a_path(text: str) -> bool:
    """Whether a value means a file or folder: it has a slash, a leading dot, or an ending (`table.csv`)."""
    path = split_path(text)[0]
    return "/" in path or path.startswith(".") or bool(Path(path).suffix)
