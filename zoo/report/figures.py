"""Formatting of figures: significant digits, intervals, and marks for exact values, bounds and estimates.

The format `z` leaves no minus sign before a figure that is rounded to 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

#: prefix of a likelihood: the true value is equal to, at least, at most, or about the figure
KINDS = {"exact": "=", "lower": "≥", "upper": "≤", "estimate": "≈"}


def figure(value: float) -> str:
    """Format a figure with three significant digits, with an exponent only if it is very small or large."""
    if not math.isfinite(value):
        return _text(str(value))
    if value and not _is_plain(value):
        return _text(f"{value:.2e}")
    return _text(f"{value:z,.{_decimals(value, 3)}f}")


def interval(mean: float, half_width: float | None) -> str:
    """Format mean ± half-width, both rounded at the half-width's second digit, the mean to at most four digits."""
    if half_width is None:
        return figure(mean)
    larger = max(abs(mean), half_width)
    if not math.isfinite(larger):
        return f"{figure(mean)} ± {figure(half_width)}"
    if larger and not _is_plain(larger):
        return _text(f"{mean:.2e} ± {half_width:.1e}")
    places = min(_decimals(half_width, 2) if half_width else _decimals(mean, 3), _decimals(larger, 4))
    return _text(f"{mean:z,.{places}f} ± {half_width:,.{places}f}")


def bracket(ends: Sequence[float]) -> str:
    """Format [lower bound, upper bound] with four significant digits each."""
    low, high = (_text(f"{end:z,.{_decimals(end, 4)}f}") if math.isfinite(end) else figure(end) for end in ends)
    return f"[{low}, {high}]"


def kind_mark(kind: str) -> str:
    """Return the sign of a kind of likelihood; for several kinds (`lower/upper`, over seeds) all their signs."""
    return "".join(KINDS.get(each, "") for each in kind.split("/"))


def whole(value: float | None) -> str:
    """Format a count."""
    return "n/a" if value is None else f"{value:,.0f}"


def setting(value: Any) -> str:
    """Format a setting's value as in the text of a contestant."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _is_plain(value: float) -> bool:
    return 1e-3 <= abs(value) < 1e6


def _decimals(value: float, digits: int) -> int:
    """Return the number of decimal places that show the given number of significant digits."""
    position = math.floor(math.log10(abs(value))) if value else 0
    return max(0, digits - 1 - position)


def _text(number: str) -> str:
    """Replace hyphens by typographic minus signs."""
    return number.replace("-", "−")
