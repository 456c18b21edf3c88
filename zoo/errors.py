"""Expected failures that a user can act on, each with its exit code on the command line.

`zoo.cli` prints a `ZooError` without a traceback. A caller's mistake in Python (a wrong shape, a wrong type) is a plain
`ValueError` or `TypeError`.
"""

from __future__ import annotations

from collections.abc import Iterable

_PREFIX = 3  # characters of a name that suffice to mean a longer one


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
    near = nearest(name, known)
    return f" Did you mean {near!r}?" if near else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that differs by case or by few slips, or that begins alike; otherwise ""."""
    typed = str(name).casefold()
    slips = {each: _slips(typed, each.casefold()) for each in known}
    near = {each: number for each, number in slips.items() if number is not None}
    return min(near, key=lambda each: (near[each], each), default="")


def _slips(a: str, b: str) -> int | None:
    """Return the number of insertions, deletions, substitutions and swaps of neighbours from a to b.

    None for more than one in three characters, unless one of the two begins with the other, of at least three.
    """
    most = min(len(a) - 1, max(1, max(len(a), len(b)) // 3))
    if min(len(a), len(b)) >= _PREFIX and (a.startswith(b) or b.startswith(a)):
        return min(abs(len(a) - len(b)), most)
    if abs(len(a) - len(b)) > most:
        return None
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y)))
            if i > 1 and j > 1 and (x, y) == (b[j - 2], a[i - 2]):
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1] if rows[-1][-1] <= most else None


def clause(error: Exception) -> str:
    """Return an exception's message as a clause of one line; the name of its type if it has none."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
