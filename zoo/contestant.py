"""Contestants: `NAME[@DENSITY][:KEY=VALUE,…]`, what a user types to say which model, how set, with which density."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from zoo.errors import ConfigError

_GRAMMAR = re.compile(
    r"(?P<model>(?:[\w.-]+/)?[\w-]+)(?:@(?P<density>(?:[\w.-]+/)?[\w-]+))?(?::(?P<settings>.+))?", re.ASCII
)
_QUOTED_OR_BARE = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*"|'[^']*')|(?P<equals>=\s*)(?P<word>[A-Za-z][\w-]*)(?=\s*(?:,|$))""", re.ASCII
)
_LONGEST = 4000
_EXAMPLE = "Write NAME[@DENSITY][:KEY=VALUE,…], for example vae@gmm:latent_dim=8,train.learning_rate=0.002"


@dataclass(frozen=True)
class Contestant:
    """A parsed contestant.

    Attributes:
        text: as it was typed; its label in tables.
        model: name of a model, `distribution/name` where it needs to be said.
        density: name of a latent density, or None.
        config, training, options: settings of the model, of `train.` and of `sample.`.
    """

    text: str
    model: str
    density: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def parse_contestant(text: str) -> Contestant:
    """Parse a contestant; values are TOML, and a bare word is a string (`likelihood=gaussian`).

    Raises:
        ConfigError: if it does not follow the grammar.
    """
    check_text(text)
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} is no contestant. {_EXAMPLE}.")
    settings = parse_settings(match["settings"] or "", text)
    groups = {key: settings.pop(key, {}) for key in ("train", "sample")}
    for key, values in (*groups.items(), ("", settings)):
        nested = (
            [name for name, value in values.items() if isinstance(value, dict)] if isinstance(values, dict) else [key]
        )
        if nested:
            raise ConfigError(f"{nested[0]!r} in {text!r} is no prefix of a setting; there are 'train.' and 'sample.'.")
    return Contestant(text, match["model"], match["density"], settings, groups["train"], groups["sample"])


def check_text(text: str) -> None:
    """Refuse what cannot stand in a table: control characters, escapes of a terminal, bytes that are no text.

    Raises:
        ConfigError: for such a text, and for one that is too long.
    """
    if len(text) > _LONGEST:
        raise ConfigError(f"A contestant must have {_LONGEST:,} characters at most, got {len(text):,}.")
    if not text.isprintable():
        raise ConfigError(f"{text!r} is no contestant. {_EXAMPLE}, in characters that can be printed.")


def parse_settings(source: str, text: str) -> dict[str, Any]:
    """`KEY=VALUE,…` as a dictionary; a dotted key becomes a nested one, and nothing gives {}.

    Args:
        source: the settings.
        text: the whole of what was typed, for messages.

    Raises:
        ConfigError: if they cannot be read.
    """
    quoted = _QUOTED_OR_BARE.sub(_with_quotes, source)
    if mark := re.search(r"[#{}]", _QUOTED_OR_BARE.sub("", quoted)):  # a comment, or the end of the table
        raise ConfigError(f"The settings of {text!r} cannot be read: {mark[0]!r} stands outside quotes. {_EXAMPLE}.")
    try:
        settings: dict[str, Any] = tomllib.loads(f"settings = {{{quoted}}}")["settings"]
    except (ValueError, RecursionError) as error:  # a number of too many digits is a plain ValueError
        raise ConfigError(f"The settings of {text!r} cannot be read: {error}. {_EXAMPLE}.") from None
    if (number := _too_large(settings)) is not None:
        raise ConfigError(f"The settings of {text!r:.80} must hold numbers of 64 bits, got {number:.1e}.")
    return settings


def _too_large(value: Any) -> Decimal | None:
    """The first whole number in it that 64 bits do not hold, or None."""
    if isinstance(value, dict | list):
        found = map(_too_large, value.values() if isinstance(value, dict) else value)
        return next((number for number in found if number is not None), None)
    return Decimal(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else None


def _with_quotes(match: re.Match[str]) -> str:
    """A bare word as a TOML string; what is quoted already, `true` and `false` as they are."""
    if match["quoted"] or match["word"] in ("true", "false"):
        return match[0]
    return f'{match["equals"]}"{match["word"]}"'
