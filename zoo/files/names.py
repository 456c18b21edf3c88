"""File names of a comparison."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_LONGEST = 120  # bytes; file systems allow 255, including suffixes and numbers


def slug(contestant: str) -> str:
    """Turn the name of a contestant or data set into a file name; long names are cut and end in a hash."""
    name = re.sub(r"[^\w@.=,-]+", "_", contestant).strip(".") or "_"
    if len(name.encode()) <= _LONGEST:
        return name
    digest = hashlib.sha256(contestant.encode(errors="replace")).hexdigest()
    return f"{name.encode()[:_LONGEST].decode(errors='ignore')}-{digest[:12]}"


def is_state(path: Path) -> bool:
    """Whether a file is a training's checkpoint, not a model."""
    return re.fullmatch(r"state(-\d+)?\.safetensors", path.name) is not None
