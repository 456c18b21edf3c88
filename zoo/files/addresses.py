"""Redaction of credentials in addresses, before they are shown or recorded."""

from __future__ import annotations

import re


def redacted(text: str) -> str:
    """Return the text with the passwords and tokens of its addresses masked."""
    text = re.sub(r"://[^\s/@'\"]+(:[^\s@]*)?@", "://****@", text)
    return re.sub(r"(://[^\s?#'\"]*)\?[^\s#'\"]*", r"\1?****", text)
