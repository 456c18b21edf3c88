"""Contestants, `NAME[@DENSITY][:KEY=VALUE,…]`: a model, its latent density and its settings, as typed by users.

A value may be several, `KEY=VALUE|VALUE`: `expand` gives the contestants of such a grid.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from typing import Any

from zoo.errors import ConfigError

_GRAMMAR = re.compile(
    r"(?P<model>(?:[\w.-]+/)?[\w-]+)(?:@(?P<density>(?:[\w.-]+/)?[\w-]+))?(?::(?P<settings>.+))?", re.ASCII
)
_QUOTED_OR_BARE = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*"|'[^']*')|(?P<equals>=\s*)(?P<word>[A-Za-z][\w-]*)(?=\s*(?:,|$))""", re.ASCII
)
_PIECE = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|.)""", re.DOTALL)  # a quoted text, or a character
_LONGEST = 4000
_MOST = 1000  # contestants of a grid
_EXAMPLE = "Write NAME[@DENSITY][:KEY=VALUE,…], for example vae@gmm:latent_dim=8,train.learning_rate=0.002"


@dataclass(frozen=True)
class Contestant:
    """A parsed contestant.

    Attributes:
        text: the contestant as typed; its label in tables.
        model: name of the model, or `distribution/name` if several distributions have it.
        density: name of the latent density, or None.
        config, training, options: settings of the model, those after `train.`, and those after `sample.`; those after
            `train.PLAYER.` are a dictionary under the player's name.
        density_options: settings of the latent density, those after `density.`.
        group: entry-point group of the model: `zoo.models`, or `zoo.controls` for a control row.
    """

    text: str
    model: str
    density: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    density_options: dict[str, Any] = field(default_factory=dict, kw_only=True)
    group: str = "zoo.models"


def parse_contestant(text: str) -> Contestant:
    """Parse a contestant; values are TOML, and a bare word is a string (`likelihood=gaussian`).

    Raises:
        ConfigError: if the text does not follow the grammar.
    """
    check_text(text)
    match = _GRAMMAR.fullmatch(text)
    if match is None and "," in text and ":" not in text:
        names = [each.strip() for each in text.split(",") if each.strip()]
        raise ConfigError(f"{text!r} is not a valid contestant; separate contestants by spaces: {' '.join(names)}.")
    if match is None:
        raise ConfigError(f"{text!r} is not a valid contestant. {_EXAMPLE}.")
    settings = parse_settings(match["settings"] or "", text)
    train, sample = (settings.pop(key, {}) for key in ("train", "sample"))
    density = settings.pop("density") if isinstance(settings.get("density"), dict) else {}
    wrong = [key for key, values in (("train", train), ("sample", sample)) if not isinstance(values, dict)]
    if not wrong:
        of_players = (values for values in train.values() if isinstance(values, dict))
        groups = (*of_players, sample, density, settings)
        wrong = [key for values in groups for key in values if isinstance(values[key], dict)]
    if wrong:
        raise ConfigError(
            f"{wrong[0]!r} in {text!r} is not a prefix; use 'train.', 'train.PLAYER.', 'sample.' or 'density.'."
        )
    return Contestant(text, match["model"], match["density"], settings, train, sample, density_options=density)


def expand(text: str) -> list[str]:
    """Return the contestants of a grid, the last key varying first: `vae:beta=0.5|1,k=1|5` is four.

    A `|` in quotes or brackets is part of a value, and a text without another one is returned as it is.

    Raises:
        ConfigError: if a value is missing, or there are more than 1,000 contestants.
    """
    name, colon, settings = text.partition(":")
    if "|" not in settings or "=" not in settings:
        return [text]
    keys = [key.partition("=") for key in _split(settings, ",")]
    values = [[each.strip() for each in _split(value, "|")] for _, _, value in keys]
    if any(len(each) > 1 and "" in each for each in values):
        raise ConfigError(f"{text!r} must have a value on either side of '|'; write vae:beta=0.5|1|4.")
    number = math.prod(map(len, values))
    if number > _MOST:
        raise ConfigError(f"A grid must have at most {_MOST:,} contestants, got {number:,} in {text!r:.80}.")
    names = ["".join((key, equals)) for key, equals, _ in keys]
    return [f"{name}{colon}{','.join(map(''.join, zip(names, chosen, strict=True)))}" for chosen in product(*values)]


def _split(text: str, mark: str) -> list[str]:
    """Split a text at a mark that is neither in quotes nor in brackets."""
    parts, depth = [""], 0
    for piece in _PIECE.findall(text):
        depth += (piece == "[") - (piece == "]")
        if piece == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def as_texts(contestants: Any) -> list[str]:
    """Return one contestant, or several, as a list of texts.

    Raises:
        ConfigError: for anything but text and iterables of text.
    """
    several = isinstance(contestants, Iterable) and not isinstance(contestants, str)
    given = list(contestants) if several else [contestants]
    for each in given:
        _check_type(each)
    return given


def _check_type(text: Any) -> None:
    if not isinstance(text, str):
        raise ConfigError(
            f"A contestant must be text, got {text!r:.80}. {_EXAMPLE}; a trained model is compared by its path: save "
            "it with model.save(folder)."
        )


def check_text(text: str) -> None:
    """Refuse a text that a table cannot show: with control characters, terminal escapes or undecodable bytes.

    Raises:
        ConfigError: if it is not a text, has such characters or is too long.
    """
    _check_type(text)
    if len(text) > _LONGEST:
        raise ConfigError(f"A contestant must have at most {_LONGEST:,} characters, got {len(text):,}.")
    if not text.isprintable():
        raise ConfigError(f"{text!r} is not a valid contestant. {_EXAMPLE}, in printable characters.")


def parse_settings(source: str, text: str) -> dict[str, Any]:
    """Parse `KEY=VALUE,…` into a dictionary; dotted keys become nested dictionaries, and an empty text gives {}.

    Args:
        source: the settings.
        text: the whole contestant, for messages.

    Raises:
        ConfigError: if the settings are not valid.
    """
    quoted = _QUOTED_OR_BARE.sub(_with_quotes, source)
    if mark := re.search(r"[#{}]", _QUOTED_OR_BARE.sub("", quoted)):  # a comment, or the end of the table
        raise ConfigError(f"The settings of {text!r} cannot be read: {mark[0]!r} is outside quotes. {_EXAMPLE}.")
    try:
        settings: dict[str, Any] = tomllib.loads(f"settings = {{{quoted}}}")["settings"]
    except (ValueError, RecursionError) as error:  # a number with too many digits raises a plain ValueError
        raise ConfigError(f"The settings of {text!r} cannot be read: {error}. {_EXAMPLE}.") from None
    if (number := _too_large(settings)) is not None:
        raise ConfigError(f"The settings of {text!r:.80} must be numbers of at most 64 bits, got {number:.1e}.")
    return settings


def _too_large(value: Any) -> Decimal | None:
    """Return the first integer that does not fit into 64 bits, or None."""
    if isinstance(value, dict | list):
        found = map(_too_large, value.values() if isinstance(value, dict) else value)
        return next((number for number in found if number is not None), None)
    return Decimal(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else None


def _with_quotes(match: re.Match[str]) -> str:
    """Quote a bare word as a TOML string; quoted text, `true` and `false` are kept."""
    if match["quoted"] or match["word"] in ("true", "false"):
        return match[0]
    return f'{match["equals"]}"{match["word"]}"'


def with_setting(contestant: Contestant, key: str, value: Any) -> Contestant:
    """Return a contestant with one more setting, `train.learning_rate` for example, which its text says too."""
    mark = "," if ":" in contestant.text else ":"
    text = f"{contestant.text}{mark}{key}={json.dumps(value)}"
    group, player, name = _place(key)
    settings = getattr(contestant, group)
    changed = {player: settings.get(player, {}) | {name: value}} if player else {name: value}
    changes: dict[str, Any] = {"text": text, group: settings | changed}
    return replace(contestant, **changes)


def sets_itself(contestant: Contestant, key: str) -> bool:
    """Return whether a contestant sets a setting itself."""
    group, player, name = _place(key)
    settings = getattr(contestant, group)
    return name in (settings.get(player, {}) if player else settings)


def _place(key: str) -> tuple[str, str, str]:
    """Return the field of a contestant that holds a setting, the player that it is for, or "", and its name."""
    *prefixes, name = key.split(".")
    group, player, *_ = *prefixes, "", ""
    return {"": "config", "train": "training", "sample": "options"}[group], player, name
