"""Summaries of a metric over the seeds of a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from zoo.results.interval import mean_interval
from zoo.results.schema import Cell, Figure, Missing


def summarise(cells: Sequence[Cell], metric: str) -> Figure | Missing:
    """Summarize a metric over a row's cells: mean, 95 % interval, values and kind; or why there is no figure.

    The standard error is that of the mean of the cells' figures, whose errors are independent. The bracket is the mean
    of the cells' brackets, if all of them have one.
    """
    measured = [cell.metrics[metric] for cell in cells if not cell.has_failed]
    figures = [(each, each.value) for each in measured if each.value is not None]
    values = [value for _, value in figures]
    if not values:
        reasons = [each.unsupported for each in measured] + [cell.failed for cell in cells if cell.has_failed]
        return Missing(unsupported=reasons[0])
    mean, half_width = mean_interval(values)
    errors = [each.stderr for each, _ in figures if each.stderr is not None]
    brackets = [each.bracket for each, _ in figures if each.bracket is not None]
    return Figure(
        mean=mean,
        half_width=half_width,
        n=len(values),
        values=values,
        kind="/".join(sorted({each.kind for each, _ in figures if each.kind})),
        note=next((each.note for each in measured if each.note), ""),
        stderr=math.hypot(*errors) / len(errors) if errors else None,
        bracket=[fmean(ends) for ends in zip(*brackets, strict=True)] if len(brackets) == len(values) else None,
    )
