"""`DataSpec`: the shape and support of one example; all that a model is built from."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, get_args

Support = Literal["bits", "unit", "real"]


@dataclass(frozen=True)
class DataSpec:
    """What one example looks like.

    Args:
        shape: without the batch: (64,) for a vector, (28, 28) for a grey image, (3, 32, 32) for colours.
        support: `bits` in {0, 1}; `unit` in [0, 1], read as the probability of a bit; `real` otherwise.
    """

    shape: tuple[int, ...]
    support: Support

    def __post_init__(self) -> None:
        if not self.shape or any(not isinstance(side, int) or side < 1 for side in self.shape):
            raise ValueError(f"shape must list the sides of one example, each 1 or more, got {self.shape!r}")
        if self.support not in get_args(Support):
            raise ValueError(f"support must be one of {', '.join(get_args(Support))}, got {self.support!r}")

    @property
    def size(self) -> int:
        """Number of values in one example."""
        return prod(self.shape)
