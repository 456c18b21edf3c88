"""`zoo.Range`: values of a setting that tuning draws from; a card's `search` maps settings to ranges and choices."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
