"""The facts that `zoo info NAME` shows of a loaded model: its card and its settings with bounds, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from zoo.contract.card import Card
from zoo.contract.config import Config
from zoo.contract.search import Range, in_words
from zoo.contract.training import TRAINING_KEYS_USED_BY_FIT, completed
from zoo.plugins.catalogue import Entry
from zoo.plugins.plugin import Plugin

_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "min_length": "length >=", "max_length": "length <="}


def describe_model(plugin: Plugin, entry: Entry | None) -> dict[str, Any]:
    """Return the facts of a model, ready for JSON, in the order in which they are shown."""
    card: Card = plugin.card
    return {
        "name": card.name,
        "summary": card.summary,
        "status": "installed" if plugin.distribution else "registered",
        "distribution": plugin.distribution,
        "version": plugin.version,
        "tier": entry.tier if entry and entry.package == plugin.distribution else "third party",
        "paper": card.paper,
        "trains_on": card.trains_on_with(card.config()),
        "latent": card.latent,
        "samples": card.samples,
        "likelihood": _likelihood(plugin, entry),
        "search": in_words(tunable(plugin)),
        "config": describe_config(card.config()),
        **_phases(card),
        "training": _training(card, fits=plugin.implements("fit")),
        "options": describe_config(card.options()),
    }


def tunable(plugin: Plugin) -> Mapping[str, Range | tuple[Any, ...]]:
    """Return the settings that tuning chooses, with their values; a model with its own `fit` uses none of training."""
    fits = plugin.implements("fit")
    return {key: each for key, each in plugin.card.space.items() if not (fits and key.startswith("train."))}


def _phases(card: Card) -> dict[str, str]:
    """Return the phases with their shares of the budget and their players in words, if the card has any."""
    if card.phases == ():
        return {}
    phases = card.phases_with(card.config())
    total = sum(phase.share for phase in phases)
    words = []
    for phase in phases:
        turns = (f"{player.name} ×{player.steps}" if player.steps > 1 else player.name for player in phase.players)
        words.append(f"{phase.name} ({phase.share / total:.0%} of the budget): {', '.join(turns)}")
    return {"phases": "; ".join(words)}


def _training(card: Card, *, fits: bool) -> list[dict[str, Any]]:
    """Return an entry per training setting; one for each player of settings in which the players differ."""
    rows = describe_config(card.training)
    if fits:
        return [row for row in rows if row["name"] in TRAINING_KEYS_USED_BY_FIT]
    phases = completed(card.phases_with(card.config()), card.training, {}, {}, f"the training of {card.name}")
    players = [player for phase in phases for player in phase.players]
    found = []
    for row in rows:
        values = [getattr(player.settings, row["name"]) for player in players]
        if all(value == values[0] for value in values):
            found.append(row | {"default": values[0]})
        else:
            names = [f"{player.name}.{row['name']}" for player in players]
            found += [row | {"name": name, "default": value} for name, value in zip(names, values, strict=True)]
    return found


def _likelihood(plugin: Plugin, entry: Entry | None) -> str:
    """Return `yes` or `no`, or `declared` if, by the catalogue, the user has to declare a noise model first."""
    if not plugin.implements("log_prob"):
        return "no"
    return "declared" if entry and entry.package == plugin.distribution and entry.likelihood == "declared" else "yes"


def describe_config(config: Config) -> list[dict[str, Any]]:
    """Return an entry per field: name, type, default, bounds, description."""
    rows = []
    for name, field in type(config).model_fields.items():
        bounds = [
            f"{sign} {getattr(constraint, key)}"
            for constraint in field.metadata
            for key, sign in _BOUNDS.items()
            if getattr(constraint, key, None) is not None
        ]
        rows.append(
            {
                "name": name,
                "type": _type_name(field.annotation),
                "default": getattr(config, name),
                "bounds": ", ".join(bounds),
                "description": field.description or "",
            }
        )
    return rows


def _type_name(annotation: Any) -> str:
    """Return `int`, `list of int`, or the choices of a literal, as typed on the command line."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
