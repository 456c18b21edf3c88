"""A claim: what every plugin of a kind has to keep, with the function that examines it.

Each module of claims registers its functions with `plugin_claim` (examined once) or `case_claim` (examined on each data
set that the plugin is for). The function's name, with hyphens, is the claim's, and the first paragraph of its docstring
says it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from zoo.conformance.subject import Case, Subject
from zoo.errors import Unsupported

#: the modules of claims, in the order in which they are examined
GROUPS = (
    "static",
    "shapes",
    "ranges",
    "determinism",
    "evaluation",
    "saving",
    "learning",
    "likelihood",
    "codes",
    "gradients",
    "device",
    "manners",
)


class Failure(AssertionError):  # noqa: N818  (as pytest says it)
    """What must hold, and what came instead."""


class DoesNotApply(Exception):  # noqa: N818  (no fault)
    """Raised by a claim that says nothing about this plugin, with what the plugin declares."""


class Skip(Exception):  # noqa: N818  (no fault)
    """Raised by a claim that cannot be examined here, with what is missing."""


@dataclass(frozen=True)
class Claim:
    """A function that examines a plugin.

    Attributes:
        name: the function's, with hyphens.
        group: the module that defines it.
        text: the claim in a sentence.
        examine: raises `Failure`, `DoesNotApply` or `Skip`; returns the data sets that it was left out on.
    """

    name: str
    group: str
    text: str
    examine: Callable[[Subject], list[str]]


_CLAIMS: dict[str, Claim] = {}


def plugin_claim(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
    """Register a function that examines a plugin once."""

    def examine(subject: Subject) -> list[str]:
        function(subject)
        return []

    _register(function, examine)
    return function


def case_claim(
    *hooks: str, supports: tuple[str, ...] = ("bits", "unit", "real")
) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Register a function that examines a plugin on each data set that it is for.

    Args:
        *hooks: what a plugin must have for the claim to say anything about it.
        supports: of the data sets that the claim is about.
    """

    def register(function: Callable[[Case], None]) -> Callable[[Case], None]:
        _register(function, lambda subject: _examine_cases(function, subject, hooks, supports))
        return function

    return register


def _register(function: Callable[..., None], examine: Callable[[Subject], list[str]]) -> None:
    name = function.__name__.replace("_", "-")
    text = " ".join((function.__doc__ or "").partition("\n\n")[0].split())
    _CLAIMS[name] = Claim(name, function.__module__.rpartition(".")[2], text, examine)


def _examine_cases(
    function: Callable[[Case], None], subject: Subject, hooks: tuple[str, ...], supports: tuple[str, ...]
) -> list[str]:
    """Examine every case; the reasons for which some were left out, while one at least was not."""
    for hook in hooks:
        if not subject.plugin.implements(hook):
            raise DoesNotApply(f"it has no hook {hook!r}")
    cases = [case for case in subject.cases if case.data.spec.support in supports]
    if not cases:
        raise DoesNotApply(f"it is for no data of {' or '.join(supports)}")
    left_out: dict[str, list[str]] = {}
    kind: type[Exception] = DoesNotApply
    for case in cases:
        try:
            function(case)
        except (DoesNotApply, Skip, Unsupported) as error:
            left_out.setdefault(str(error), []).append(case.name)
            kind = Skip if isinstance(error, Skip) else kind
        except Failure as error:
            raise Failure(f"on {case.name}: {error}") from None
    if sum(map(len, left_out.values())) == len(cases):
        raise kind("; ".join(left_out))
    return [f"not on {' and '.join(names)}: {reason}" for reason, names in left_out.items()]


def claims() -> list[Claim]:
    """Every claim, in the order of the groups."""
    for group in GROUPS:
        importlib.import_module(f"zoo.conformance.{group}")
    return sorted(_CLAIMS.values(), key=lambda claim: GROUPS.index(claim.group))
