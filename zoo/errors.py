"""What a user can act on: every expected failure, with the exit code that the command line gives it.

A `ZooError` is printed without a traceback, in one place (`zoo.cli`). A caller's mistake in Python
(a wrong shape, a wrong type) is a plain `ValueError` or `TypeError`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """A failure with a way out, said in one sentence: what must hold, what came, what to do."""

    exit_code = 1


class ConfigError(ZooError):
    """A name, an option or a combination of them that the zoo cannot use (exit code 2)."""

    exit_code = 2


class PluginError(ZooError):
    """A plugin that is missing, blocked, incompatible or broken (exit code 3)."""

    exit_code = 3


class DataError(ZooError):
    """Data that cannot be read, or are not what they were declared to be (exit code 4)."""

    exit_code = 4


class CheckpointError(ZooError):
    """A file of a run that is missing, damaged or from something else (exit code 5)."""

    exit_code = 5


class DivergedError(ZooError):
    """A loss, a weight or a sample that is no longer finite (exit code 6)."""

    exit_code = 6


class Unsupported(ZooError):  # noqa: N818  (an author raises it as a statement, not as a fault)
    """Raised by a hook that its model cannot honour; tables show `n/a` with this reason."""

    exit_code = 2


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'rbm'?` with the nearest known name and a leading space, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
