"""`zoo.Range`: values of a setting that tuning draws from; a card's `search` maps settings to ranges and choices.

`space_of` returns the ranges and choices that the fields of a config imply, for a card without a `search`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from zoo.contract.config import Config

_FACTORS = {int: 4, float: 10}  # by which a number may differ from its default: sizes cost time, weights do not


@dataclass(frozen=True)
class Range:
    """Values from `low` to `high`, both included: whole numbers if both ends are, otherwise real ones.

    Args:
        low, high: the ends.
        log: whether the logarithm of the value is uniform, instead of the value.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not all(type(end) in (int, float) and math.isfinite(end) for end in (self.low, self.high)):
            raise TypeError(f"the ends of a range must be finite numbers, got {self.low!r} and {self.high!r}")
        if type(self.low) is not type(self.high):
            raise TypeError(f"the ends of a range must both be int or both float, got {self.low!r} and {self.high!r}")
        if not self.low < self.high or (self.log and self.low <= 0):
            rule = "0 < low < high" if self.log else "low < high"
            raise ValueError(f"a range must have {rule}, got {self.low!r} and {self.high!r}")

    def __contains__(self, value: object) -> bool:
        return type(value) is type(self.low) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"


def extremes(values: Range | tuple[Any, ...]) -> tuple[Any, ...]:
    """Return both ends of a range, or all choices: the values that a config must accept."""
    return (values.low, values.high) if isinstance(values, Range) else values


def space_of(config: Config) -> dict[str, Range | tuple[Any, ...]]:
    """Return the values from which tuning chooses each field of a config that declares enough.

    - choices: the values of a `Literal`, and both values of a `bool`
    - a number between two bounds, the lower of which is 0 or negative, such as a share: all that the bounds allow
    - another number, if its value is positive: within its bounds, and within a factor of 10 (whole numbers: 4) of that
      value, on a log scale

    Other fields (texts, lists, numbers that may be None) keep their values.
    """
    found: dict[str, Range | tuple[Any, ...]] = {}
    for name, field in type(config).model_fields.items():
        value, kind = getattr(config, name), field.annotation
        if kind is bool:
            found[name] = (False, True)
        elif get_origin(kind) is Literal:
            found[name] = get_args(kind)
        elif kind in _FACTORS and (ends := _ends(field, value, kind)):
            found[name] = ends
    return {name: values for name, values in found.items() if isinstance(values, Range) or len(values) > 1}


def in_words(space: Mapping[str, Range | tuple[Any, ...]]) -> dict[str, str]:
    """Return the values of each setting as text."""
    return {key: str(each) if isinstance(each, Range) else ", ".join(map(str, each)) for key, each in space.items()}


def _ends(field: FieldInfo, value: float, kind: type[int] | type[float]) -> Range | None:
    """Return the range of a number, None if its bounds leave it open or contain its value alone."""
    low, high = -math.inf, math.inf
    for bound in field.metadata:
        if (end := getattr(bound, "ge", None)) is not None:
            low = max(low, end)
        if (end := getattr(bound, "gt", None)) is not None:
            low = max(low, _next(end, math.inf, kind))
        if (end := getattr(bound, "le", None)) is not None:
            high = min(high, end)
        if (end := getattr(bound, "lt", None)) is not None:
            high = min(high, _next(end, -math.inf, kind))
    log = value > 0 and (low > 0 or math.isinf(low) or math.isinf(high))
    if log:
        low, high = max(low, value / _FACTORS[kind]), min(high, value * _FACTORS[kind])
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    low, high = (math.ceil(low), math.floor(high)) if kind is int else (float(low), float(high))
    return Range(low, high, log) if low < high else None


def _next(end: float, towards: float, kind: type[int] | type[float]) -> float:
    """Return the number beside an end that is excluded."""
    if kind is int:
        return end + math.copysign(1, towards)
    return math.nextafter(end, towards)
