"""The training budget, the same for every contestant. Does not import torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self, get_args

from zoo.errors import ConfigError
from zoo.scalars import plain

Unit = Literal["epochs", "steps", "seconds"]

_UNITS: tuple[Unit, ...] = get_args(Unit)


@dataclass(frozen=True)
class TrainingBudget:
    """A number of epochs, steps, or seconds of training."""

    value: float
    unit: Unit

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", plain(self.value))
        if type(self.value) not in (int, float):
            raise ConfigError(f"A budget must be a number of {self.unit}, got {self.value!r:.80}.")
        if not (math.isfinite(self.value) and self.value > 0):
            raise ConfigError(f"A budget must be a finite number above 0, got {self.value} {self.unit}.")
        if self.unit == "steps" and self.value != int(self.value):
            raise ConfigError(f"A budget of steps must be a whole number, got {self.value}.")

    @classmethod
    def choose(cls, *, epochs: float | None, steps: float | None, seconds: float | None) -> Self | None:
        """Return the budget that was given, or None; refuse more than one."""
        amounts = [
            cls(value, unit) for unit, value in zip(_UNITS, (epochs, steps, seconds), strict=True) if value is not None
        ]
        if len(amounts) > 1:
            raise ConfigError(
                f"Give the budget in epochs, steps or seconds, got {' and '.join(map(str, amounts))}; keep one."
            )
        return amounts[0] if amounts else None

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit if self.value != 1 else self.unit[:-1]}"
