"""Addresses as they may be shown and recorded."""

from __future__ import annotations

import re


def redacted(text: str) -> str:
    """The text without the passwords and tokens of the addresses in it."""
    text = re.sub(r"://[^\s/@'\"]+(:[^\s@]*)?@", "://****@", text)
    return re.sub(r"(://[^\s?#'\"]*)\?[^\s#'\"]*", r"\1?****", text)
