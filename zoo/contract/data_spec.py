"""`DataSpec`: the shape and support of one example, and its classes, from which a model is built."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, prod
from typing import Literal, get_args

from zoo.scalars import plain

Support = Literal["bits", "unit", "real"]


@dataclass(frozen=True)
class DataSpec:
    """Shape and support of one example, and the shares of the classes for a conditional model.

    Args:
        shape: without the batch: (64,) for a vector, (28, 28) for a grayscale image, (3, 32, 32) for a colour image.
        support: `bits`, values in {0, 1}; `unit`, values in [0, 1], interpreted as probabilities of bits; or `real`.
        class_shares: share of each class 0, 1, … in the training split, for a conditional model; () for any other.
    """

    shape: tuple[int, ...]
    support: Support
    class_shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", plain(self.shape))
        if not self.shape or any(not isinstance(side, int) or side < 1 for side in self.shape):
            raise ValueError(f"shape must list the sides of one example, each at least 1, got {self.shape!r}")
        if self.support not in get_args(Support):
            raise ValueError(f"support must be one of {', '.join(get_args(Support))}, got {self.support!r}")
        if self.class_shares and not (min(self.class_shares) >= 0 and abs(fsum(self.class_shares) - 1) < 1e-9):
            raise ValueError(f"class_shares must be shares >= 0 that sum to 1, got {self.class_shares!r}")

    @property
    def size(self) -> int:
        """Return the number of values in one example."""
        return prod(self.shape)

    @property
    def n_classes(self) -> int:
        """Return the number of classes; 0 for a model that is not conditional."""
        return len(self.class_shares)
