"""Intervals and p-values of means whose error has independent parts: training seeds, samples, and the test set.

    SE² = Σ_i v_i        v = s²/n over n seeds, with n - 1 degrees of freedom; or a jackknife of G groups, with G - 1

    95 % interval:  t(0.975; ν) SE,  ν = SE⁴ / Σ_i v_i²/ν_i                      (Satterthwaite)
    p-value:        the α at which  mean² = Σ_i t(1 - α/2; ν_i)² v_i             (Banerjee)

Satterthwaite's approximation is good at 95 % and far too optimistic in the tail that many comparisons need: with three
seeds, a small s² happens often enough. Banerjee's inequality holds at every level, whatever the shares of the parts.

References: Satterthwaite (1946), An Approximate Distribution of Estimates of Variance Components, Biometrics Bulletin
2. Banerjee (1960), Approximate Confidence Interval for Linear Functions of Means of k Populations When the Population
Variances Are Not Equal, Sankhya 22.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from functools import cache, lru_cache
from statistics import fmean, variance
from types import ModuleType
from typing import NamedTuple

CONFIDENCE = 0.95
SAMPLING_GROUPS = 20  # of samples, from which metrics estimate their own standard error
_SMALLEST = 1e-300  # p-value
_HALVINGS = 40


class Part(NamedTuple):
    """A variance and its degrees of freedom."""

    variance: float
    dof: float


class Uncertainty:
    """The error of a mean, from the independent parts of its variance.

    Raises:
        ValueError: if there are no parts.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        if not parts:
            raise ValueError("parts must not be empty")
        self.parts = tuple(parts)

    @property
    def stderr(self) -> float:
        """SE."""
        return math.sqrt(math.fsum(part.variance for part in self.parts))

    @property
    def dof(self) -> float:
        """ν of Satterthwaite."""
        spread = math.fsum(part.variance**2 / part.dof for part in self.parts)
        return self.stderr**4 / spread if spread else min(part.dof for part in self.parts)

    def half_width(self) -> float:
        """Return the half-width of the 95 % interval."""
        return quantile(self.dof, 1 - (1 - CONFIDENCE) / 2) * self.stderr

    def significant(self, level: float) -> float:
        """Return the smallest absolute mean whose two-sided p-value is below a level."""
        return math.sqrt(math.fsum(quantile(part.dof, 1 - level / 2) ** 2 * part.variance for part in self.parts))

    def p_value(self, mean: float) -> float:
        """Return the one-sided p-value of a mean above 0: half the two-sided one, or 1 minus it."""
        if self.stderr == 0:
            return 0.5 if mean == 0 else _SMALLEST if mean > 0 else 1.0
        low, high = math.log(_SMALLEST), 0.0  # of the two-sided p-value
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.significant(math.exp(middle)) < abs(mean) else (middle, high)
        half = math.exp(high) / 2
        return half if mean > 0 else 1 - half


def seed_part(values: Sequence[float]) -> Part:
    """Return s²/n of n values, n at least 2."""
    return Part(variance(values) / len(values), len(values) - 1)


def jackknife_part(left_out: Sequence[float]) -> Part:
    """Return the jackknife variance of leave-one-group-out values."""
    mean, G = fmean(left_out), len(left_out)
    return Part((G - 1) / G * math.fsum((value - mean) ** 2 for value in left_out), G - 1)


@lru_cache(4096)  # a p-value asks for 40 of them, and the first ones are those of every p-value
def quantile(dof: float, probability: float) -> float:
    """Return the quantile of Student's t."""
    return float(_special().stdtrit(dof, probability))


@cache
def _special() -> ModuleType:
    return importlib.import_module("scipy.special")
