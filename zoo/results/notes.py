"""Notes and p-values of several seeds in one line; none is lost, and each names its seed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?%?")


def merged(notes: Sequence[tuple[int, str]]) -> str:
    """Join the notes of seeds: equal ones once, those that differ only in numbers with the numbers side by side.

    Args:
        notes: seed and note; empty notes are left out.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    every = [seed for seed, _ in notes]
    for seed, note in notes:
        if note:
            found.setdefault(_NUMBER.sub("\0", note), []).append((seed, note))
    lines = []
    for group in found.values():
        seeds = [seed for seed, _ in group]
        text, varies = _side_by_side([note for _, note in group])
        lines.append(text if seeds == every and not varies else f"{text} ({_seeds(seeds)})")
    return "; ".join(lines)


def pooled(p_values: Sequence[float]) -> float:
    """Return the p-value of Fisher's method: -2 Σ log p is χ² with 2n degrees of freedom for n independent tests."""
    from scipy.special import chdtrc

    return float(chdtrc(2 * len(p_values), -2 * math.fsum(math.log(max(p, 1e-300)) for p in p_values)))


def _side_by_side(notes: Sequence[str]) -> tuple[str, bool]:
    """Return the note with numbers that differ joined by slashes, and whether any does."""
    columns = list(zip(*(_NUMBER.findall(note) for note in notes), strict=True))
    joined = iter([column[0] if len(set(column)) == 1 else " / ".join(column) for column in columns])
    return _NUMBER.sub(lambda _: next(joined), notes[0]), any(len(set(column)) > 1 for column in columns)


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
