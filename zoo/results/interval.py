"""Means and 95 % t-intervals over training seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean of the values and the half-width of its two-sided 95 % t-interval.

    mean ± t(0.975; n − 1) s / √n, with s the sample standard deviation. The half-width is None for a single value.

    Raises:
        ValueError: if there are no values.
    """
    if not values:
        raise ValueError("values must not be empty")
    if len(values) == 1:
        return values[0], None
    from scipy.special import stdtrit

    quantile = float(stdtrit(len(values) - 1, 0.5 + CONFIDENCE / 2))
    return fmean(values), quantile * stdev(values) / math.sqrt(len(values))
