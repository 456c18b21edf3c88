"""Figures as text: as many digits as say something, and what a figure is (exact, a bound, an estimate)."""

from __future__ import annotations

import math
from typing import Any

#: what stands before a likelihood: the true value is equal to, at least, at most, or about the figure
KINDS = {"exact": "=", "lower": "≥", "upper": "≤", "estimate": "≈"}


def figure(value: float) -> str:
    """A figure with three significant digits, and an exponent only where it is very small or large."""
    if not math.isfinite(value):
        return _text(str(value))
    if value and not _is_plain(value):
        return _text(f"{value:.2e}")
    return _text(f"{value:,.{_decimals(value, 3)}f}")


def interval(mean: float, half_width: float | None) -> str:
    """mean ± half-width, both to the place of the half-width's second digit, the mean to four digits at most."""
    if half_width is None:
        return figure(mean)
    larger = max(abs(mean), half_width)
    if not math.isfinite(larger):
        return f"{figure(mean)} ± {figure(half_width)}"
    if larger and not _is_plain(larger):
        return _text(f"{mean:.2e} ± {half_width:.1e}")
    places = min(_decimals(half_width, 2) if half_width else _decimals(mean, 3), _decimals(larger, 4))
    return _text(f"{mean:,.{places}f} ± {half_width:,.{places}f}")


def bracket(ends: list[float]) -> str:
    """[lower bound, upper bound], four significant digits each."""
    low, high = (_text(f"{end:,.{_decimals(end, 4)}f}") if math.isfinite(end) else figure(end) for end in ends)
    return f"[{low}, {high}]"


def kind_mark(kind: str) -> str:
    """The sign of a kind of likelihood; of several kinds (`lower/upper`, over seeds) all signs."""
    return "".join(KINDS.get(each, "") for each in kind.split("/"))


def whole(value: float | None) -> str:
    """A count."""
    return "n/a" if value is None else f"{value:,.0f}"


def setting(value: Any) -> str:
    """A setting's value as a contestant has it."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _is_plain(value: float) -> bool:
    return 1e-3 <= abs(value) < 1e6


def _decimals(value: float, digits: int) -> int:
    """Decimal places that show so many significant digits of a value."""
    position = math.floor(math.log10(abs(value))) if value else 0
    return max(0, digits - 1 - position)


def _text(number: str) -> str:
    """A figure with the minus sign of print."""
    return number.replace("-", "−")
