"""`DataSpec`: the shape and support of one example, and its classes, from which a model is built."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, prod
from typing import Literal, get_args

from zoo.scalars import plain

Support = Literal["bits", "unit", "real"]


_LEVELS = (15, 16, 31, 63, 127, 255, 1023, 4095, 65535)  # largest grayscale values, of digits and of 4 to 16 bits
_OVERSHOOT = 0.1  # of values that were meant to be in [0, 1]


def into_unit(low: float, high: float) -> str:
    """Return what brings values in [low, high] into [0, 1], as a clause of a message.

    `[-1, 1]` is shifted, small overshoots are clipped, and grayscale values are divided by their largest level.
    """
    if low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT:
        return "clip them to [0, 1]"
    if -1 - _OVERSHOOT <= low < 0 and high <= 1 + _OVERSHOOT:
        return "they look like values in [-1, 1]: use (x + 1) / 2" + ("" if low >= -1 and high <= 1 else ", then clip")
    level = next((level for level in _LEVELS if high <= level), None)
    if low >= 0 and level is not None:
        return f"divide by {level}" + ("" if level == 255 else ", if that is the largest possible value")
    return "rescale them as the data were"


@dataclass(frozen=True)
class DataSpec:
    """Shape and support of one example, and the shares of the classes for a conditional model.

    Args:
        shape: without the batch: (64,) for a vector, (28, 28) for a grayscale image, (3, 32, 32) for a colour image.
        support: `bits`, values in {0, 1}; `unit`, values in [0, 1], interpreted as probabilities of bits; or `real`.
        class_shares: share of each class 0, 1, … in the training split, for a conditional model; () for any other.
        blocks: for a mixed table, the widths of the groups of values, in order: K of a one-hot block of K categories,
            1 of any other value; they sum to `size`. () for other data. A model may ignore them: its samples become
            valid rows in any case.
    """

    shape: tuple[int, ...]
    support: Support
    class_shares: tuple[float, ...] = ()
    blocks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", plain(self.shape))
        if not self.shape or any(not isinstance(side, int) or side < 1 for side in self.shape):
            raise ValueError(f"shape must list the sides of one example, each at least 1, got {self.shape!r}")
        if self.support not in get_args(Support):
            raise ValueError(f"support must be one of {', '.join(get_args(Support))}, got {self.support!r}")
        if self.class_shares and not (min(self.class_shares) >= 0 and abs(fsum(self.class_shares) - 1) < 1e-9):
            raise ValueError(f"class_shares must be shares >= 0 that sum to 1, got {self.class_shares!r}")
        if self.blocks and (min(self.blocks) < 1 or sum(self.blocks) != prod(self.shape) or self.support != "real"):
            raise ValueError(f"blocks must be widths that sum to {prod(self.shape)} real values, got {self.blocks!r}")

    @property
    def size(self) -> int:
        """Return the number of values in one example."""
        return prod(self.shape)

    @property
    def n_classes(self) -> int:
        """Return the number of classes; 0 for a model that is not conditional."""
        return len(self.class_shares)
