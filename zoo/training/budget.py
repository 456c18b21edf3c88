"""How long a model trains: an amount that is the same for every contestant. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self, get_args

from zoo.errors import ConfigError

Unit = Literal["epochs", "steps", "seconds"]

_UNITS: tuple[Unit, ...] = get_args(Unit)


def check_save_every(seconds: float) -> None:
    """Refuse a time from one saved state to the next that is none."""
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ConfigError(f"A state is saved every so many seconds, a finite number from 0 on, got {seconds}.")


@dataclass(frozen=True)
class TrainingBudget:
    """A training budget: so many epochs, steps, or seconds of training."""

    value: float
    unit: Unit

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise ConfigError(f"A budget must be a finite number above 0, got {self.value} {self.unit}.")
        if self.unit == "steps" and self.value != int(self.value):
            raise ConfigError(f"A budget of steps must be a whole number, got {self.value}.")

    @classmethod
    def choose(cls, *, epochs: float | None, steps: float | None, seconds: float | None) -> Self | None:
        """The one that was given, or None; refuse two."""
        amounts = [
            cls(value, unit) for unit, value in zip(_UNITS, (epochs, steps, seconds), strict=True) if value is not None
        ]
        if len(amounts) > 1:
            raise ConfigError(
                f"A budget is given in epochs, steps or seconds, got {' and '.join(map(str, amounts))}; keep one."
            )
        return amounts[0] if amounts else None

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit if self.value != 1 else self.unit[:-1]}"
