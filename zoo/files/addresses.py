"""Addresses: which texts are addresses of remote files, and redaction of their credentials."""

from __future__ import annotations

import re

HUB = "hub:"  # of a Hugging Face hub, hub:USER/NAME@COMMIT


def redacted(text: str) -> str:
    """Return the text with the passwords and tokens of its addresses masked."""
    text = re.sub(r"://[^\s/@'\"]+(:[^\s@]*)?@", "://****@", text)
    return re.sub(r"(://[^\s?#'\"]*)\?[^\s#'\"]*", r"\1?****", text)


def without_credentials(url: str) -> str:
    """Return a URL without its user, password, query and fragment."""
    return re.sub(r"[?#].*", "", re.sub(r"://[^/@]*@", "://", url))


def is_remote(text: str) -> bool:
    """Return whether a text is the address of a hub or PROTOCOL://PATH, rather than a path."""
    return text.startswith(HUB) or "://" in text
