"""Expected failures that a user can act on, each with its exit code on the command line.

`zoo.cli` prints a `ZooError` without a traceback. A caller's mistake in Python (a wrong shape, a wrong type) is a plain
`ValueError` or `TypeError`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """An expected failure, whose message states the rule, the value received and what to do."""

    exit_code = 1


class ConfigError(ZooError):
    """A name, an option or a combination of them that the zoo cannot use (exit code 2)."""

    exit_code = 2


class PluginError(ZooError):
    """A plugin that is missing, blocked, incompatible or broken (exit code 3)."""

    exit_code = 3


class DataError(ZooError):
    """Data that cannot be read, or that do not match their declaration (exit code 4)."""

    exit_code = 4


class CheckpointError(ZooError):
    """A run's file that is missing, damaged or of another kind (exit code 5)."""

    exit_code = 5


class DivergedError(ZooError):
    """A loss, weight or sample that is not finite (exit code 6)."""

    exit_code = 6


class Unsupported(ZooError):  # noqa: N818  (raised deliberately by plugin authors; not a programming error)
    """Raised by a hook that its model cannot support; tables show `n/a` with this reason."""

    exit_code = 2


class TrackerWarning(RuntimeWarning):
    """A tracker failed; results are not affected."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'rbm'?`, with a leading space, for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def clause(error: Exception) -> str:
    """Return an exception's message as a clause of one line; the name of its type if it has none."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
