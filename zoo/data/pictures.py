"""Arrays of pictures: whether whole numbers are grayscale values, and where the channels are."""

from __future__ import annotations

from math import isqrt, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError

_FEWEST = 64  # columns of a table that may be flattened pictures
_CHANNELS = (1, 3, 4)  # gray, RGB, RGB and alpha
_DARK = 64  # bytes below this value only are nearly black
_LARGEST = (1, 15, 16, 31, 63, 127, 255, 1023, 4095, 65535)  # largest grayscale values of 1 to 16 bits, and of digits


def picture_options(x: NDArray[Any]) -> str:
    """Return the options with which a table of whole numbers is pictures, `shape=28x28,scale=255`; "" if it is not.

    Args:
        x: shape (N, K).
    """
    if x.shape[1] < _FEWEST or not are_levels(x) or float(x.max()) > 255:
        return ""
    for channels in (1, 3):
        side = isqrt(x.shape[1] // channels)
        if channels * side**2 == x.shape[1]:
            return f"shape={'3x' if channels == 3 else ''}{side}x{side},scale={largest_level(x):g}"
    return ""


def are_levels(x: NDArray[Any]) -> bool:
    """Whether all values are whole numbers from 0 to more than 1, as grayscale values are before they are divided."""
    if x.size == 0 or not (x.min() >= 0 and 1 < float(x.max()) <= _LARGEST[-1]):  # nan fails
        return False
    return bool(x.dtype.kind in "iu" or (x == np.floor(x)).all())


def largest_level(x: NDArray[Any]) -> int:
    """Return the largest grayscale value that such data may have: 255, or that of fewer or more bits."""
    top = float(x.max())
    return next(level for level in _LARGEST if level >= top)


def check_levels(x: NDArray[Any], name: str) -> None:
    """Refuse whole numbers that may be grayscale values or not, with both ways to read them.

    Args:
        x: shape (N, *shape), of any type.
        name: for the message.
    """
    if x.dtype == np.uint8:
        if 1 < x.max() < _DARK:
            raise DataError(
                f"{name} holds bytes up to {x.max()}, which would be nearly black as grayscale values from 0 to 255; "
                f"give scale={largest_level(x)}, scale=255 if they are meant so, or support=real."
            )
        return
    if x.ndim == 2:
        if options := picture_options(x):
            raise DataError(
                f"{name} holds whole numbers from 0 to {x.max():g} in {x.shape[1]} columns, which look like pictures; "
                f"give {options}, or support=real if they are measurements."
            )
    elif prod(x.shape[1:]) > 1 and are_levels(x):
        raise DataError(
            f"{name} holds whole numbers from 0 to {x.max():g}; give scale={largest_level(x)} if they are grayscale "
            "values, or support=real if they are measurements."
        )


def channels_last(x: NDArray[Any]) -> bool:
    """Whether pictures have their channels last: (N, H, W, C) with C of 1, 3 or 4, and H another number."""
    return x.ndim == 4 and x.shape[3] in _CHANNELS and x.shape[1] not in _CHANNELS and x.shape[2] not in _CHANNELS


def check_examples_first(x: NDArray[Any], name: str) -> None:
    """Refuse square pictures whose last axis may count the examples: (H, H, N) or (H, H, C, N) with N above H.

    Args:
        x: shape (N, *shape), of any type.
        name: for the message.
    """
    if x.ndim in (3, 4) and x.shape[0] == x.shape[1] < x.shape[-1]:
        count, *rest = x.shape
        raise DataError(
            f"{name} has the shape {x.shape} and holds {count} examples, or {x.shape[-1]} as its last axis; save "
            f"numpy.moveaxis(x, -1, 0) for the latter, or give shape={'x'.join(map(str, rest))}."
        )
