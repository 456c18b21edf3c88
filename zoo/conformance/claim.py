"""Claims: requirements that plugins must meet, each with the function that tests it.

Each module of claims registers its functions with `plugin_claim` (tested once per plugin) or `case_claim` (tested on
each data set that the plugin supports). The claim's name is the function's name with hyphens; its text is the first
paragraph of the function's docstring.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from zoo.conformance.subject import Case, Subject
from zoo.errors import Unsupported

#: the modules of claims, in the order in which they are tested
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
    "labels",
    "gradients",
    "phases",
    "device",
    "manners",
)


class Failure(AssertionError):  # noqa: N818  (pytest's term)
    """Raised by a claim that does not hold, with the requirement and the value found."""


class DoesNotApply(Exception):  # noqa: N818  (not an error)
    """Raised by a claim that does not concern this plugin, with the reason."""


class Skip(Exception):  # noqa: N818  (not an error)
    """Raised by a claim that cannot be tested on this machine, with what is missing."""


@dataclass(frozen=True)
class Claim:
    """A requirement, and the function that tests it.

    Attributes:
        name: the function's name, with hyphens.
        group: the module that defines it.
        text: the claim as a sentence.
        examine: tests a plugin. Raises `Failure`, `DoesNotApply` or `Skip`; returns the data sets that were left out,
            with the reasons.
    """

    name: str
    group: str
    text: str
    examine: Callable[[Subject], list[str]]


_CLAIMS: dict[str, Claim] = {}


def plugin_claim(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
    """Register a function that tests a plugin once."""

    def examine(subject: Subject) -> list[str]:
        function(subject)
        return []

    _register(function, examine)
    return function


def case_claim(
    *hooks: str, supports: tuple[str, ...] = ("bits", "unit", "real")
) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Register a function that tests a plugin on each data set that it supports.

    Args:
        *hooks: the hooks that a plugin must implement for the claim to apply.
        supports: the supports of the data sets that the claim is about.
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
    """Test each case; return why cases were left out, if at least one was not."""
    for hook in hooks:
        if not subject.plugin.implements(hook):
            raise DoesNotApply(f"it does not implement the hook {hook!r}")
    cases = [case for case in subject.cases if case.data.spec.support in supports]
    if not cases:
        raise DoesNotApply(f"it does not support data of type {' or '.join(supports)}")
    left_out: dict[str, list[str]] = {}
    kind: type[Exception] = DoesNotApply
    for case in cases:
        case.budgets.clear()
        try:
            function(case)
        except (DoesNotApply, Skip, Unsupported) as error:
            left_out.setdefault(str(error), []).append(case.name)
            kind = Skip if isinstance(error, Skip) else kind
        except Failure as error:
            raise Failure(f"on {case.circumstances}: {error}") from None
        except Exception as error:
            error.add_note(f"on {case.circumstances}")
            raise
    if sum(map(len, left_out.values())) == len(cases):
        raise kind("; ".join(left_out))
    return [f"not on {' and '.join(names)}: {reason}" for reason, names in left_out.items()]


def claims() -> list[Claim]:
    """Return all claims, in the order of the groups."""
    for group in GROUPS:
        importlib.import_module(f"zoo.conformance.{group}")
    return sorted(_CLAIMS.values(), key=lambda claim: GROUPS.index(claim.group))
