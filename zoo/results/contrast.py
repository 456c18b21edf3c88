"""Contrasts: the difference of two rows in one metric, with its standard error.

Rows with two or more common seeds are compared in pairs, since contestants of one seed share data, splits and order of
the batches. Otherwise each row contributes its own variance: of its seeds, or, with one, of its samples; a contrast of
two such rows is about these samples, not about retraining. All rows are measured on the same test examples, so that
the share of the test set is the jackknife variance of the difference. A likelihood is a figure of the test examples
and not of samples, so that with one seed the test set's share is its whole error, unless it has one of its own.

A figure with a bound is an interval of possible values: `exact` [v, v], `lower` [v, ∞), `upper` (-∞, v], a bracket
[a, b]. An `estimate` promises nothing: (-∞, ∞). One row is better than another if its lowest possible value is
significantly above the highest possible value of the other.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from zoo.results.interval import Part, Uncertainty, jackknife_part, seed_part
from zoo.results.schema import Cell, Measured, Metric, Row
from zoo.results.summary import mean_left_out, parts_of

MOST_SEEDS = 1000  # number up to which `seeds_needed` searches


class Contrast(NamedTuple):
    """First minus second.

    Attributes:
        mean: of the figures.
        parts: of the variance: `seeds` or `sampling` of either row, and `test`; empty if an error cannot be estimated.
        n: number of common seeds; 0 if the rows are not compared in pairs.
        better, worse: one-sided p-values of the first row being better, and worse, than the second; 1 if a bound
            leaves it open.
        is_exact: whether neither figure is a bound.
    """

    mean: float
    parts: dict[str, Part]
    n: int
    better: float
    worse: float
    is_exact: bool

    @property
    def uncertainty(self) -> Uncertainty | None:
        """Of the mean; None if no error is known."""
        return Uncertainty(list(self.parts.values())) if self.parts else None

    @property
    def p_value(self) -> float:
        """Two-sided p-value."""
        return min(1.0, 2 * min(self.better, self.worse))

    @property
    def is_testable(self) -> bool:
        """Whether some data could decide it: not if bounds leave both orders open."""
        return self.better < 1 or self.worse < 1

    def seeds_needed(self, level: float) -> int | None:
        """Return the number of seeds at which a difference of this size has a p-value below `level`; None if none."""
        if self.n < 2:
            return None
        spread = self.parts["seeds"].variance * self.n
        test = [self.parts["test"]] if "test" in self.parts else []

        def is_seen(n: int) -> bool:
            return abs(self.mean) > Uncertainty([Part(spread / n, n - 1), *test]).significant(level)

        numbers = range(2, MOST_SEEDS + 1)
        place = bisect_left(numbers, True, key=is_seen)
        return numbers[place] if place < len(numbers) else None


def contrast(row: Row, other: Row, metric: Metric) -> Contrast | None:
    """Return the contrast of two rows in a metric.

    None without a figure, and if an error cannot be estimated, unless bounds leave the order open whatever the error.
    """
    ours, theirs = _measured(row, metric), _measured(other, metric)
    if not ours or not theirs:
        return None
    common = [seed for seed in ours if seed in theirs]
    paired = len(common) > 1
    mine, its = ([each[seed] for seed in common] if paired else list(each.values()) for each in (ours, theirs))
    parts = _parts(mine, its, paired=paired)
    low_a, high_a, low_b, high_b = *_ends(mine, metric), *_ends(its, metric)
    is_exact = low_a == high_a and low_b == high_b
    if not parts and (is_exact or not overlap((low_a, high_a), (low_b, high_b))):
        return None
    a, b = _values(mine), _values(its)
    better = _p_value(parts, low_a - high_b)
    worse = 1 - better if is_exact else _p_value(parts, low_b - high_a)
    return Contrast(fmean(a) - fmean(b), parts, len(common) if paired else 0, better, worse, is_exact)


def overlap(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Return whether two intervals of possible values leave open which value is larger; not of two exact values."""
    are_exact = a[0] == a[1] and b[0] == b[1]
    return not are_exact and a[0] <= b[1] and b[0] <= a[1]


def ends(row: Row, metric: Metric) -> tuple[float, float]:
    """Return the worst and the best value that a row may have, larger being better; (-inf, -inf) without figures."""
    measured = list(_measured(row, metric).values())
    return _ends(measured, metric) if measured else (-math.inf, -math.inf)


def _parts(mine: Sequence[Measured], its: Sequence[Measured], *, paired: bool) -> dict[str, Part]:
    """Return the parts of the variance of the difference of two means; {} if one of them is unknown."""
    parts: dict[str, Part] = {}
    left, right = mean_left_out(mine), mean_left_out(its)
    if left and len(left) == len(right):
        parts["test"] = jackknife_part([x - y for x, y in zip(left, right, strict=True)])
    if paired:
        return {"seeds": seed_part([x - y for x, y in zip(_values(mine), _values(its), strict=True)])} | parts
    for name, measured in (("first", mine), ("second", its)):
        own = {f"{key} of the {name}": part for key, part in parts_of(measured).items() if key != "test"}
        is_of_test_examples = "test" in parts and all(each.kind for each in measured)
        if not own and not is_of_test_examples:
            return {}
        parts |= own
    return parts


def _p_value(parts: Mapping[str, Part], mean: float) -> float:
    """Return the one-sided p-value of a difference above 0; 1 if a bound or an unknown error leaves it open."""
    return Uncertainty(list(parts.values())).p_value(mean) if parts and math.isfinite(mean) else 1.0


def _ends(measured: Sequence[Measured], metric: Metric) -> tuple[float, float]:
    """Return the lowest and the highest possible mean of these figures, as scores: larger is better."""
    lows, highs = zip(*(_possible(each) for each in measured), strict=True)
    low, high = fmean(lows), fmean(highs)
    return (low, high) if metric.sign > 0 else (-high, -low)


def _possible(measured: Measured) -> tuple[float, float]:
    """Return the interval of values that a figure leaves possible."""
    value = measured.value or 0.0
    if measured.kind == "estimate":
        return -math.inf, math.inf
    if measured.bracket:
        return measured.bracket[0], measured.bracket[1]
    return (-math.inf if measured.kind == "upper" else value), (math.inf if measured.kind == "lower" else value)


def _values(measured: Sequence[Measured]) -> list[float]:
    return [each.value for each in measured if each.value is not None]


def _measured(row: Row, metric: Metric) -> dict[int, Measured]:
    """Return a row's figures by seed; those of a two-sided metric as distances to its ideal value."""
    found = {cell.seed: its for cell in row.cells if (its := _of(cell, metric.name)) is not None}
    if metric.ideal is None or not metric.two_sided or not found:
        return found
    side = 1 if fmean(_values(list(found.values()))) >= metric.ideal else -1
    ideal = metric.ideal
    return {
        seed: each.model_copy(
            update={
                "value": side * ((each.value or 0.0) - ideal),
                "left_out": [side * (value - ideal) for value in each.left_out],
            }
        )
        for seed, each in found.items()
    }


def _of(cell: Cell, name: str) -> Measured | None:
    measured = cell.metrics.get(name)
    return measured if measured is not None and measured.value is not None else None
