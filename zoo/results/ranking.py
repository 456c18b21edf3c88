"""Standings of contestants, corrected for the number of comparisons in a table, and the metrics that controls fool.

The family of a table's claims is every pair of contestants in every column with a direction; Holm's method keeps the
probability that any of them is called different by chance at 5 %.

Reference: Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from zoo.results.contrast import Contrast, contrast, ends
from zoo.results.interval import CONFIDENCE
from zoo.results.schema import Difference, Figure, Metric, Missing, PairDifference, Row, Standing

LEVEL = 1 - CONFIDENCE  # of a whole table


class Ranking(NamedTuple):
    """Rows with standings, and the differences of all pairs by headline metric."""

    rows: list[Row]
    differences: dict[str, list[PairDifference]]


class _Pair(NamedTuple):
    """Two rows in one column: their contrast, Holm's p-value, and the size of the family."""

    contrast: Contrast
    adjusted: float
    family: int

    @property
    def is_open(self) -> bool:
        """Whether a bound leaves the order of the two open."""
        return not self.contrast.is_exact and self.adjusted >= LEVEL

    def difference(self) -> dict[str, Any]:
        """Return the fields of a `Difference`, first minus second."""
        uncertainty, level = self.contrast.uncertainty, LEVEL / self.family
        return {
            "mean": self.contrast.mean,
            "half_width": uncertainty.half_width() if uncertainty else None,
            "p_value": self.adjusted,
            "visible": uncertainty.significant(level) if uncertainty else None,
            "seeds_needed": self.contrast.seeds_needed(level),
        }


def rank(rows: Sequence[Row], metrics: Sequence[Metric]) -> Ranking:
    """Set `standing` and `difference` in the summaries of contestants without a failed cell; return all differences.

    - `best`: no other row may have a better mean.
    - `behind`: another row is better, with Holm's p-value below 5 % in this table.
    - `indistinguishable`: not told apart from the best; `difference.visible` is what the table could have seen.
    - `open`: a bound leaves the order open, even without a known error.

    A row with an estimate has no standing, for an estimate promises nothing; nor has one without an error, unless a
    bound leaves its order open. The difference is the row's figure minus that of the best. The metrics of each level
    are a table of their own.
    """
    standings: dict[tuple[int, str], dict[str, Any]] = {}
    differences: dict[str, list[PairDifference]] = {}
    for level in dict.fromkeys(metric.level for metric in metrics):
        columns = [metric for metric in metrics if metric.level == level and metric.sign]
        for metric, pairs in zip(columns, _pairs(rows, columns), strict=True):
            standings |= _standings(rows, metric, pairs)
            if level == "headline" and pairs:
                differences[metric.name] = [
                    PairDifference(first=rows[a].contestant, second=rows[b].contestant, **pair.difference())
                    for (a, b), pair in pairs.items()
                ]
    return Ranking([_updated(row, place, standings) for place, row in enumerate(rows)], differences)


def fools_metrics(rows: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, list[str]]:
    """Return for each control the metrics on which it is no worse than held-out real images.

    No worse: its interval contains the ideal value of the metric, or it is on the better side of it. Without an ideal
    value, its mean, shifted in its favour by both half-widths, reaches the mean of the real images.
    """
    real = next((row for row in rows if row.role == "real"), None)
    if real is None:
        return {}
    controls = [row for row in rows if row.role == "control"]
    return {row.contestant: [metric.name for metric in metrics if _reaches(row, real, metric)] for row in controls}


def _pairs(rows: Sequence[Row], columns: Sequence[Metric]) -> list[dict[tuple[int, int], _Pair]]:
    """Return for each column its pairs of contestants by their places, with p-values corrected over all columns."""
    contrasts: list[dict[tuple[int, int], Contrast]] = []
    for metric in columns:
        places = [place for place, row in enumerate(rows) if _is_ranked(row, metric)]
        found = {(a, b): contrast(rows[a], rows[b], metric) for a, b in combinations(places, 2)}
        contrasts.append({pair: each for pair, each in found.items() if each is not None})
    adjusted = iter(holm([each.p_value for column in contrasts for each in column.values() if each.is_testable]))
    family = sum(each.is_testable for column in contrasts for each in column.values())
    return [
        {
            pair: _Pair(each, next(adjusted) if each.is_testable else 1.0, max(family, 1))
            for pair, each in column.items()
        }
        for column in contrasts
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number: max over all smaller ones of (m - rank) p, at most 1."""
    m, adjusted, running = len(p_values), [1.0] * len(p_values), 0.0
    for rank_, place in enumerate(sorted(range(m), key=lambda place: p_values[place])):
        running = max(running, min(1.0, (m - rank_) * p_values[place]))
        adjusted[place] = running
    return adjusted


def _is_ranked(row: Row, metric: Metric) -> bool:
    """Whether a row has a place in the column: a contestant without failures whose figure is not an estimate."""
    figure = row.figure(metric.name)
    return row.role == "contestant" and not row.failed_cells and figure is not None and "estimate" not in figure.kind


def _standings(
    rows: Sequence[Row], metric: Metric, pairs: Mapping[tuple[int, int], _Pair]
) -> dict[tuple[int, str], dict[str, Any]]:
    """Return the standing and the difference to the best of each row that has a pair."""
    places = sorted({place for pair in pairs for place in pair})
    if not places:
        return {}
    low, high = zip(*(ends(rows[place], metric) for place in places), strict=True)
    leader = low.index(max(low))
    first = places[leader]
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for place in places:
        if place == first:
            certain = all(low[leader] >= end for number, end in enumerate(high) if number != leader)
            found[place, metric.name] = {"standing": "best" if certain else "open"}
            continue
        behind = any(_is_behind(place, pair, its) for pair, its in pairs.items())
        to_best = pairs.get((first, place)) or pairs.get((place, first))
        if to_best is None:
            is_open = any(place in pair and its.is_open for pair, its in pairs.items())
            found[place, metric.name] = {"standing": "behind" if behind else "open" if is_open else None}
            continue
        facts = to_best.difference()
        if (first, place) in pairs:
            facts["mean"] = -to_best.contrast.mean
        undecided: Standing = "indistinguishable" if to_best.contrast.is_exact else "open"
        found[place, metric.name] = {
            "standing": "behind" if behind else undecided,
            "difference": Difference(**facts),
        }
    return found


def _is_behind(place: int, pair: tuple[int, int], found: _Pair) -> bool:
    """Whether this pair shows that the row is worse than the other one."""
    worse = pair[0] if found.contrast.worse < found.contrast.better else pair[1]
    return place == worse and found.adjusted < LEVEL


def _updated(row: Row, place: int, standings: Mapping[tuple[int, str], Mapping[str, Any]]) -> Row:
    nothing = {"standing": None, "difference": None}
    summary: dict[str, Figure | Missing] = {
        name: each.model_copy(update=nothing | dict(standings.get((place, name), {})))
        for name, each in row.summary.items()
    }
    return row.model_copy(update={"summary": summary})


def _reaches(row: Row, real: Row, metric: Metric) -> bool:
    ours, floor = row.figure(metric.name), real.figure(metric.name)
    if not metric.sign or ours is None:
        return False
    slack = ours.half_width or 0
    if metric.ideal is not None:
        away = metric.sign * (ours.mean - metric.ideal)
        return (-abs(away) if metric.two_sided else away) + slack >= 0
    return floor is not None and metric.sign * (ours.mean - floor.mean) + slack + (floor.half_width or 0) >= 0
