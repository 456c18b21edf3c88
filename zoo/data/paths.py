"""Parse `--data` values: a registered name, or `PATH:KEY=VALUE,…`. Does not import torch.

A value reaches to the next `,KEY=`, so that lists and names with spaces need no quotes: `labels=petal width (cm)`,
`drop=id,name,shape=28x28`. A value in quotes may contain anything but that quote.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from pathlib import Path

from zoo.errors import ConfigError

_PATH = re.compile(r"(?P<path>.+?)(?::(?P<options>\w+=.*))?", re.DOTALL)
_OPTION = re.compile(r"""(?P<key>\w+)=(?P<value>(?:"[^"]*"|'[^']*'|(?!,\s*\w+=).)+)(?:,\s*|$)""", re.DOTALL)
_ITEM = re.compile(r"""(?:"[^"]*"|'[^']*'|[^,])+""")


def split_path(text: str) -> tuple[str, str]:
    """Split `PATH:KEY=VALUE,…` into the path and the options."""
    match = _PATH.fullmatch(text)
    return (match["path"], match["options"] or "") if match else (text, "")


def data_sets(text: str) -> list[str]:
    """Return the data sets of `NAME,NAME,…`; a value with options, or the path of a file, is one."""
    if "=" in text or Path(text).exists():
        return [text]
    return [each.strip() for each in text.split(",") if each.strip()]


def parse_options(source: str, name: str) -> dict[str, str]:
    """Parse `KEY=VALUE,…` into texts, in order.

    Raises:
        ConfigError: if the text does not follow the grammar, or has a key twice.
    """
    found: dict[str, str] = {}
    place = 0
    while place < len(source):
        match = _OPTION.match(source, place)
        if match is None or match["key"] in found:
            example = "PATH:KEY=VALUE,…, for example table.csv:labels=species,support=real"
            raise ConfigError(f"The options {source!r} of {name} cannot be parsed. Write {example}.")
        found[match["key"]] = match["value"]
        place = match.end()
    return found


def items(value: str) -> tuple[str, ...]:
    """Return the items of a list, `a,b` or `[a,b]`, without quotes around them."""
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    return tuple(unquoted(item) for item in _ITEM.findall(inner))


def unquoted(value: str) -> str:
    """Return a value without spaces and one pair of quotes around it."""
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def with_options(text: str, options: Mapping[str, str], source: str = "") -> str:
    """Return a path with options: its own if it has any; otherwise those of `source`, or those given.

    Args:
        text: `PATH` or `PATH:KEY=VALUE,…`.
        options: keys and values.
        source: `KEY=VALUE,…`.
    """
    path, own = split_path(text)
    chosen = own or source or ",".join(f"{key}={value}" for key, value in options.items())
    return f"{path}:{chosen}" if chosen else path


def looks_like_a_path(text: str) -> bool:
    """Whether a value is a path: up to the first colon it has a slash, a leading dot, or an extension (`table.csv`).

    `genzoo/digits`, the qualified name of an installed data set, is not a path.
    """
    head = text.partition(":")[0]
    if "/" in head:
        return head not in _qualified_names()
    return head.startswith(".") or bool(Path(head).suffix)


def _qualified_names() -> set[str]:
    entries = importlib.metadata.entry_points(group="zoo.datasets")
    return {f"{entry.dist.name}/{entry.name}" for entry in entries if entry.dist}
