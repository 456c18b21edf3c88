"""Sheets of samples: one image, shape (H, W, 3), that a tracker can show. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ConfigError
from zoo.report.grid import as_pixels, tile

SHOWN = 64  # samples
_COLUMNS = 8


def sheet(samples: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return the first samples as one image; None if they are not images."""
    try:
        pixels = as_pixels(samples[:SHOWN])
    except ConfigError:
        return None
    return np.asarray(tile(pixels, _COLUMNS), dtype=np.uint8)


def sheet_of_pictures(path: Path) -> NDArray[np.uint8] | None:
    """Return the samples of a contestant's pictures; None without pictures, for a damaged file, or without samples."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return sheet(arrays["samples"])
    except (OSError, ValueError, KeyError, EOFError):
        return None
