"""Names of a comparison's files."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 120  # bytes: a file system takes 255, endings and numbers included


def slug(contestant: str) -> str:
    """A contestant or a data set as a file name; what is too long for one ends in its hash."""
    name = re.sub(r"[^\w@.=,-]+", "_", contestant).strip(".") or "_"
    if len(name.encode()) <= _LONGEST:
        return name
    digest = hashlib.sha256(contestant.encode(errors="replace")).hexdigest()
    return f"{name.encode()[:_LONGEST].decode(errors='ignore')}-{digest[:12]}"
