"""Summaries of a metric over the seeds of a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from zoo.results.interval import SAMPLING_GROUPS, Part, Uncertainty, jackknife_part, seed_part
from zoo.results.notes import merged, pooled
from zoo.results.schema import Cell, Figure, Measured, Missing

_OUTLIER_LEVEL = 0.01  # of the test for a seed that differs from the others, for the whole row


def summarise(cells: Sequence[Cell], metric: str) -> Figure | Missing:
    """Summarize a metric over a row's cells: mean, 95 % interval, values and kind; or why there is no figure.

    The interval combines the seeds (or, with one, the error of its measurement) with the test set. The bracket is the
    mean of the cells' brackets, if all of them have one.
    """
    measured = [(cell.seed, cell.metrics[metric]) for cell in cells if not cell.has_failed]
    figures = [(seed, each) for seed, each in measured if each.value is not None]
    values = [each.value for _, each in figures if each.value is not None]
    if not values:
        reasons = [each.unsupported for _, each in measured] + [cell.failed for cell in cells if cell.has_failed]
        return Missing(unsupported=reasons[0])
    errors = [each.stderr for _, each in figures if each.stderr is not None]
    brackets = [each.bracket for _, each in figures if each.bracket is not None]
    bracket_errors = [each.bracket_stderr for _, each in figures if each.bracket_stderr is not None]
    p_values = [each.p_value for _, each in figures if each.p_value is not None]
    parts = parts_of([each for _, each in figures])
    whole = list(parts.values())
    warnings = [(seed, each.warning) for seed, each in figures]
    return Figure(
        mean=fmean(values),
        half_width=Uncertainty(whole).half_width() if whole else None,
        n=len(values),
        values=values,
        kind="/".join(sorted({each.kind for _, each in figures if each.kind})),
        note=merged([(seed, each.note) for seed, each in measured]),
        warning="; ".join(filter(None, [merged(warnings), outlier([seed for seed, _ in figures], values)])),
        stderr=math.hypot(*errors) / len(errors) if errors else None,
        seed_stderr=math.sqrt(parts["seeds"].variance) if "seeds" in parts else None,
        test_stderr=math.sqrt(parts["test"].variance) if "test" in parts else None,
        bracket=[fmean(ends) for ends in zip(*brackets, strict=True)] if len(brackets) == len(values) else None,
        bracket_stderr=(
            [math.hypot(*ends) / len(values) for ends in zip(*bracket_errors, strict=True)]
            if len(bracket_errors) == len(values)
            else None
        ),
        p_value=pooled(p_values) if p_values else None,
        declared=any(each.declared for _, each in figures),
    )


def parts_of(measured: Sequence[Measured]) -> dict[str, Part]:
    """Return the parts of the variance of the mean of these figures: of seeds or sampling, and of the test set."""
    values = [each.value for each in measured if each.value is not None]
    parts = {}
    if len(values) > 1:
        parts["seeds"] = seed_part(values)
    elif measured[0].stderr is not None:
        parts["sampling"] = Part(measured[0].stderr ** 2, SAMPLING_GROUPS - 1)
    if left_out := mean_left_out(measured):
        parts["test"] = jackknife_part(left_out)
    return parts


def mean_left_out(measured: Sequence[Measured]) -> list[float]:
    """Return the leave-one-group-out values of the mean of these figures; [] unless all have the same groups."""
    left_out = [each.left_out for each in measured]
    if not left_out[0] or len({len(each) for each in left_out}) > 1:
        return []
    return [fmean(group) for group in zip(*left_out, strict=True)]


def outlier(seeds: Sequence[int], values: Sequence[float]) -> str:
    """Name a seed whose value differs from those of the other seeds; "" if none does.

    Each value is compared with the mean of the others in a t-test with n - 2 degrees of freedom, at 1 % for the row.
    """
    from scipy.special import stdtr

    n = len(values)
    if n < 3:
        return ""
    for place, value in enumerate(values):
        others = [*values[:place], *values[place + 1 :]]
        spread = stdev(others) * math.sqrt(1 + 1 / len(others))
        if spread and 2 * n * stdtr(n - 2, -abs(value - fmean(others)) / spread) < _OUTLIER_LEVEL:
            return f"seed {seeds[place]} differs from the others: {value:.4g} against a mean of {fmean(others):.4g}"
    return ""
