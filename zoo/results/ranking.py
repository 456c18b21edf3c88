"""Ranking by paired differences over training seeds, and the metrics that controls fool.

Contestants of one seed share data, splits and binarized pixels, so the difference of two contestants varies less than
either figure. A contestant is behind the best only if the 95 % t-interval of its paired difference excludes 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from zoo.results.interval import mean_interval
from zoo.results.schema import Difference, Figure, Metric, Missing, PairDifference, Row, Standing


def rank(rows: Sequence[Row], metrics: Sequence[Metric]) -> list[Row]:
    """Return the rows with `standing` and `difference` set in the summary of each of the metrics.

    The standing is `best`, `tied`, `behind`, or `open` if a bound leaves the order open. It is None for a row with a
    failed cell, for a row with fewer than two seeds in common with the best, and for controls, real images and metrics
    without a direction. The difference is the row's figure minus that of the best.
    """
    ranked = {metric.name: _ranked(rows, metric) for metric in metrics}
    return [
        row.model_copy(
            update={
                "summary": {
                    name: ranked[name][place] if name in ranked else summary for name, summary in row.summary.items()
                }
            }
        )
        for place, row in enumerate(rows)
    ]


def paired_difference(row: Row, other: Row, metric: str) -> Difference | None:
    """Return the mean of row minus other over their common seeds, with its interval; None with fewer than two seeds."""
    ours, theirs = _values(row, metric), _values(other, metric)
    differences = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    if len(differences) < 2:
        return None
    mean, half_width = mean_interval(differences)
    return Difference(mean=mean, half_width=half_width)


def paired_differences(rows: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, list[PairDifference]]:
    """Return the paired differences of all pairs of contestants by headline metric, first minus second."""
    contestants = [row for row in rows if row.role == "contestant"]
    found: dict[str, list[PairDifference]] = {}
    for metric in metrics:
        if metric.level != "headline":
            continue
        for first, second in combinations(contestants, 2):
            if difference := paired_difference(first, second, metric.name):
                pair = PairDifference(
                    first=first.contestant,
                    second=second.contestant,
                    mean=difference.mean,
                    half_width=difference.half_width,
                )
                found.setdefault(metric.name, []).append(pair)
    return found


def fools_metrics(rows: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, list[str]]:
    """Return for each control the metrics on which it is no worse than held-out real images.

    No worse: its mean, shifted in its favour by both half-widths, reaches the mean of the real images.
    """
    real = next((row for row in rows if row.role == "real"), None)
    if real is None:
        return {}
    controls = [row for row in rows if row.role == "control"]
    return {row.contestant: [metric.name for metric in metrics if _reaches(row, real, metric)] for row in controls}


def _reaches(row: Row, real: Row, metric: Metric) -> bool:
    ours, floor = row.figure(metric.name), real.figure(metric.name)
    if not metric.sign or ours is None or floor is None:
        return False
    slack = (ours.half_width or 0) + (floor.half_width or 0)
    return metric.sign * (ours.mean - floor.mean) + slack >= 0


def _ranked(rows: Sequence[Row], metric: Metric) -> list[Figure | Missing]:
    """Return each row's summary of a metric with `standing` and `difference` set."""
    figures = [_ranked_figure(row, metric) for row in rows]
    means = {place: metric.sign * figure.mean for place, figure in enumerate(figures) if figure}
    first = max(means, key=lambda place: means[place], default=None)
    standings: list[Standing | None] = [None] * len(rows)
    differences: list[Difference | None] = [None] * len(rows)
    for place, figure in enumerate(figures):
        if first is None or figure is None or place == first:
            continue
        if difference := paired_difference(rows[place], rows[first], metric.name):
            differences[place] = difference
            standings[place] = _standing(rows[place], figure, rows[first], metric)
    if first is not None and any(standings):  # without a second row there is no best one
        best = figures[first]
        standings[first] = "open" if best and best.kind == "upper" else "best"
    return [
        row.summary[metric.name].model_copy(update={"standing": standing, "difference": difference})
        for row, standing, difference in zip(rows, standings, differences, strict=True)
    ]


def _ranked_figure(row: Row, metric: Metric) -> Figure | None:
    """Return a row's figure if it can be ranked."""
    if row.role != "contestant" or row.failed_cells or not metric.sign:
        return None
    return row.figure(metric.name)


def _standing(row: Row, figure: Figure, best: Row, metric: Metric) -> Standing:
    """Rank a row that is not the best by comparing its most favourable bound with the best row."""
    if figure.kind == "lower" and not _has_brackets(row, metric.name):
        return "open"
    ours, theirs = _values(row, metric.name, cautious=False), _values(best, metric.name)
    differences = [metric.sign * (ours[seed] - theirs[seed]) for seed in ours if seed in theirs]
    mean, half_width = mean_interval(differences)
    if mean + (half_width or 0.0) < 0:
        return "behind"
    return "tied" if figure.kind in ("", "exact", "estimate") else "open"


def _values(row: Row, metric: str, *, cautious: bool = True) -> dict[int, float]:
    """Return each seed's value; if not cautious, the other end of its bracket where there is one."""
    found = {}
    for cell in row.cells:
        measured = cell.metrics.get(metric)
        if measured and measured.value is not None:
            found[cell.seed] = measured.value if cautious or not measured.bracket else measured.bracket[1]
    return found


def _has_brackets(row: Row, metric: str) -> bool:
    """Whether each value of a row has a bracket."""
    measured = [cell.metrics[metric] for cell in row.cells if metric in cell.metrics]
    return all(each.bracket for each in measured if each.value is not None)
