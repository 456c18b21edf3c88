"""Names of a comparison's files."""

from __future__ import annotations

import re


def slug(contestant: str) -> str:
    """A contestant or a data set as a file name."""
    return re.sub(r"[^\w@.=,-]+", "_", contestant).strip(".") or "_"
