"""Verification of a plugin: refuses what pluggy accepts but never calls, or calls with fewer arguments than intended.

No code of the plugin is executed: its attributes are read statically. Does not import torch; imports pydantic only to
check a card.
"""

from __future__ import annotations

import inspect
from typing import Any

from zoo.contract.hookspecs import GROUPS, MODELS, PROJECT, WRAPPERS
from zoo.errors import PluginError, did_you_mean

_NO_VALUE = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)


def verify(instance: object, group: str) -> Any:
    """Check a plugin against the contract of its group and return its card.

    Raises:
        PluginError: for the first violation, as a clause that starts with "its" or "it".
    """
    card = _verified_card(instance, group)
    hooks = _verified_hooks(instance, group)
    for name in hooks:
        _verified_signature(instance, group, name)
    if group in MODELS:
        _verify_labels(instance, card, hooks)
    if group in MODELS and "fit" in hooks:
        _verify_fit(card)
    return card


def _verify_labels(instance: object, card: Any, hooks: list[str]) -> None:
    """Refuse labels that a hook would never receive, or that samples could not depend on."""
    naming = [name for name in hooks if "y" in inspect.signature(getattr(instance, name)).parameters]
    if naming and card.conditional is None:
        raise PluginError(f"its {naming[0]!r} asks for 'y', but its card is not conditional; add conditional='class'")
    if card.conditional is not None and "sample" not in naming:
        raise PluginError("its card is conditional, but its 'sample' does not ask for 'y', the classes of the samples")


def _verify_fit(card: Any) -> None:
    """Refuse what a card says about the core's optimiser if the plugin trains its model itself."""
    from zoo.contract.training import TRAINING_KEYS_USED_BY_FIT, Training

    if card.phases != ():
        raise PluginError("its card has phases, but its own 'fit' trains the model; define 'loss' instead of 'fit'")
    defaults = Training().model_dump()
    given = [key for key, value in card.training.model_dump().items() if value != defaults[key]]
    if ignored := [key for key in given if key not in TRAINING_KEYS_USED_BY_FIT]:
        raise PluginError(
            f"its card sets {', '.join(f'training.{key}' for key in ignored)}, which its own 'fit' does not receive; "
            f"only {', '.join(TRAINING_KEYS_USED_BY_FIT)} is used: make the others settings of its config"
        )


def _verified_card(instance: object, group: str) -> Any:
    """Return the plugin's card after checking its type."""
    from zoo.contract import card as cards

    kinds = {
        "zoo.models": cards.Card,
        "zoo.densities": cards.DensityCard,
        "zoo.datasets": cards.DatasetCard,
        "zoo.features": cards.FeaturesCard,
        "zoo.metrics": cards.MetricCard,
        "zoo.extensions": cards.ExtensionCard,
        "zoo.controls": cards.Card,
        "zoo.trackers": cards.TrackerCard,
    }
    card = inspect.getattr_static(instance, "card", None)
    if not isinstance(card, kinds[group]):
        raise PluginError(f"its 'card' must be a zoo.{kinds[group].__name__}, got {card!r}")
    return card


def _members(instance: object) -> dict[str, Any]:
    """Return the plugin's attributes without executing properties; those of Python itself are left out."""
    return {name: inspect.getattr_static(instance, name) for name in dir(instance) if not name.startswith("__")}


def _marker(member: Any) -> dict[str, Any] | None:
    """Return the options that `@zoo.hookimpl` attached to a method, or None without that decorator."""
    function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    options = getattr(function, f"{PROJECT}_impl", None) if inspect.isroutine(function) else None
    return options if isinstance(options, dict) else None


def _verified_hooks(instance: object, group: str) -> list[str]:
    """Return the names of the plugin's hooks.

    Raises:
        PluginError: for a hook that is misspelt, lacks its decorator, uses `specname`, or is missing.
    """
    specification = GROUPS[group]
    known = [name for name in dir(specification) if not name.startswith("_") and name != "required"]
    hooks = []
    for name, member in _members(instance).items():
        options = _marker(member)
        if options is None:
            if name in known and member is not None:  # None removes an inherited hook
                raise PluginError(
                    f"its {name!r} lacks the decorator @zoo.hookimpl, so it would never be called; add it"
                )
            continue
        if options.get("specname"):
            raise PluginError(f"its {name!r} uses specname; name the method after the hook instead")
        if name not in known:
            raise PluginError(
                f"it implements {name!r}, which is not a hook of {group}.{did_you_mean(name, known)} "
                f"Hooks: {', '.join(known)}"
            )
        if options.get("hookwrapper"):
            raise PluginError(f"its {name!r} is an old-style hookwrapper; use @zoo.hookimpl(wrapper=True)")
        if options.get("wrapper") and group not in WRAPPERS:
            raise PluginError(f"its {name!r} is a wrapper, which only an extension may have; return the value instead")
        if not options.get("wrapper") and group in WRAPPERS:
            raise PluginError(
                f"its {name!r} would replace the hook of every model; make it a wrapper: @zoo.hookimpl(wrapper=True)"
            )
        hooks.append(name)
    missing = [repr(name) for name in specification.required if name not in hooks]
    if group in MODELS and not {"loss", "fit"} & set(hooks):
        missing.append("'loss' or 'fit'")
    if missing:
        raise PluginError(f"it lacks the hook {' and '.join(missing)}")
    if {"loss", "fit"} <= set(hooks):
        raise PluginError("it has both 'loss' and 'fit', but a model is trained by one of them; remove the other")
    return hooks


def _verified_signature(instance: object, group: str, name: str) -> None:
    """Refuse a hook that pluggy would not call, or would call with fewer arguments than its author expects.

    pluggy 1.7 passes an argument that has a default (1.6 did not) but does not check its name: a misspelt one silently
    keeps its default. The core passes every argument that a hook names, so a default is never needed.
    """
    function = getattr(instance, name)
    if group in WRAPPERS:
        if not inspect.isgeneratorfunction(function):
            raise PluginError(f"its {name!r} must yield exactly once: result = yield; return result")
    elif any(is_kind(function) for is_kind in _NO_VALUE):
        raise PluginError(f"its {name!r} is a generator or coroutine function; return the value instead")
    offered = [key for key in inspect.signature(getattr(GROUPS[group], name)).parameters if key != "self"]
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PluginError(f"its {name!r} takes {parameter}; name the arguments: {', '.join(offered)}")
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise PluginError(f"its {name!r} has the keyword-only argument {parameter.name!r}; make it an ordinary one")
        if parameter.default is not parameter.empty:
            raise PluginError(
                f"its {name!r} gives {parameter.name!r} a default, but named arguments are always passed; "
                "remove the default"
            )
        if parameter.name not in offered:
            near = did_you_mean(parameter.name, offered)
            raise PluginError(
                f"its {name!r} asks for {parameter.name!r}, which the hook does not offer.{near} "
                f"Offered: {', '.join(offered)}"
            )
