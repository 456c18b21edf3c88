"""Several data sets: mean ranks and wins of contestants in each column, and which mean ranks differ significantly.

With N data sets, k contestants and the mean ranks R_j, Friedman's test asks whether all contestants are alike, and two
of them differ at the level α if (Nemenyi)

    |R_i - R_j| ≥ CD = q_α √(k (k + 1) / (6 N)),    q_α = (α quantile from above of the studentised range of k) / √2

A data set counts once, whatever its number of seeds. With five data sets, the exact Wilcoxon test, the usual
alternative, cannot have a p-value below 1/16, so that it could tell no contestants apart.

A rank needs an order: a data set on which a bound leaves the order of two contestants open does not count in that
column. Where all bounds are beyond the other values, they have the ranks of their intervals.

Reference: Demšar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from zoo.results.contrast import ends, overlap
from zoo.results.interval import CONFIDENCE
from zoo.results.schema import Metric, Results, Row

FEWEST = 5  # data sets for a critical difference
_LEVEL = 1 - CONFIDENCE


@dataclass(frozen=True)
class ColumnRanks:
    """One metric over several data sets.

    Attributes:
        metric: its name.
        title: of the column.
        data: names of the data sets on which every one of these contestants has a figure with a standing, and no bound
            leaves an order open.
        ranks: mean rank of each contestant, 1 for the best on every data set; the best first.
        wins: number of data sets on which a contestant has the best mean.
        left_out: other contestants, each with the data sets on which it has no such figure.
        friedman: p-value of the hypothesis that all contestants are alike; None for fewer than 3.
        critical_difference: of mean ranks, at 95 %; None for fewer than 5 data sets.
        groups: contestants whose mean ranks differ by less, as long as possible; those in no group are not listed.
        open: data sets that do not count, since a bound leaves the order of two contestants open there.
        declared: contestants whose likelihood rests on a noise that training did not use, each with those data sets.
    """

    metric: str
    title: str
    data: list[str]
    ranks: dict[str, float]
    wins: dict[str, int]
    left_out: dict[str, list[str]]
    friedman: float | None = None
    critical_difference: float | None = None
    groups: tuple[tuple[str, ...], ...] = ()
    open: list[str] = field(default_factory=list)
    declared: dict[str, list[str]] = field(default_factory=dict)


def ranks_of(results: Mapping[str, Results]) -> list[ColumnRanks]:
    """Return the ranks in each column with a direction, those of a full comparison left out.

    A column whose order is open on too many data sets is returned without ranks.

    A tuned contestant is the same contestant on every data set, `vae, tuned`, whatever its settings are there.

    Args:
        results: comparisons by the name of their data set.
    """
    metrics: dict[str, Metric] = {}
    for each in results.values():
        metrics |= {m.name: m for m in each.metrics if m.sign and m.level != "full" and m.name not in metrics}
    rows = {name: _contestants(each) for name, each in results.items()}
    columns = [_column(metric, rows) for metric in metrics.values()]
    return [column for column in columns if column.ranks or column.open]


def mean_ranks(scores: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean rank of each column; rows are data sets, higher is better, and equal scores share their ranks."""
    from scipy.stats import rankdata

    return [float(rank) for rank in rankdata([[-score for score in row] for row in scores], axis=1).mean(axis=0)]


def critical_difference(contestants: int, data_sets: int, level: float = _LEVEL) -> float:
    """Return the smallest difference of two mean ranks that Nemenyi's test calls significant."""
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - level, contestants, math.inf)) / math.sqrt(2)
    return q * math.sqrt(contestants * (contestants + 1) / (6 * data_sets))


def _contestants(results: Results) -> dict[str, Row]:
    """Return the rows of contestants by the name that they have on every data set."""
    rows = {row.contestant: row for row in results.rows if row.role == "contestant"}
    tuning = results.protocol.tuning
    tuned = {each.contestant: each.tuned for each in tuning.contestants} if tuning else {}
    found = {}
    for name, row in rows.items():
        if name in tuned or name not in tuned.values():
            found[name] = row
        if tuned.get(name) in rows:
            found[f"{name}, tuned"] = rows[tuned[name]]
    return found


def _column(metric: Metric, rows: Mapping[str, Mapping[str, Row]]) -> ColumnRanks:
    names = list(dict.fromkeys(name for each in rows.values() for name in each))
    scores = {data: {name: _score(each.get(name), metric) for name in names} for data, each in rows.items()}
    scored = [data for data, each in scores.items() if any(score is not None for score in each.values())]
    undecided = [data for data in scored if _is_open(rows[data], metric)]
    used = [data for data in scored if data not in undecided]
    missing = {name: [data for data in used if scores[data][name] is None] for name in names}
    ranked = [name for name in names if used and not missing[name]]
    left_out = {name: data for name, data in missing.items() if data}
    if len(ranked) < 2:
        return ColumnRanks(metric.name, metric.title, used, {}, {}, left_out, open=undecided)
    table = [[score for name in ranked if (score := scores[data][name]) is not None] for data in used]
    means = dict(sorted(zip(ranked, mean_ranks(table), strict=True), key=lambda pair: pair[1]))
    wins = {name: sum(row[place] == max(row) for row in table) for place, name in enumerate(ranked)}
    difference = critical_difference(len(ranked), len(used)) if len(used) >= FEWEST else None
    declared = {name: [data for data in used if _is_declared(rows[data].get(name), metric)] for name in means}
    return ColumnRanks(
        metric.name,
        metric.title,
        used,
        means,
        {name: wins[name] for name in means},
        left_out,
        _friedman(table) if difference is not None else None,
        difference,
        () if difference is None else groups(means, difference),
        undecided,
        {name: data for name, data in declared.items() if data},
    )


def _is_open(rows: Mapping[str, Row], metric: Metric) -> bool:
    """Whether a bound leaves the order of two contestants open, in the table or whatever the error."""
    ranked = {id(row): row for row in rows.values() if _score(row, metric) is not None}.values()
    if any((figure := row.figure(metric.name)) and figure.standing == "open" for row in ranked):
        return True
    return any(overlap(ends(a, metric), ends(b, metric)) for a, b in combinations(ranked, 2))


def _is_declared(row: Row | None, metric: Metric) -> bool:
    figure = row.figure(metric.name) if row else None
    return figure is not None and figure.declared


def _score(row: Row | None, metric: Metric) -> float | None:
    """Return a figure that ranks its row, higher is better; None where the row has no standing."""
    figure = row.figure(metric.name) if row else None
    if figure is None or figure.standing is None:
        return None
    if metric.two_sided and metric.ideal is not None:
        return -abs(figure.mean - metric.ideal)
    return metric.sign * figure.mean


def _friedman(scores: Sequence[Sequence[float]]) -> float | None:
    """Return the p-value of Friedman's test, corrected for ties; None for fewer than three contestants."""
    from scipy.stats import friedmanchisquare

    columns = list(zip(*scores, strict=True))
    if len(columns) < 3:
        return None
    p_value = float(friedmanchisquare(*columns).pvalue)
    return p_value if math.isfinite(p_value) else 1.0  # all scores are equal


def groups(ranks: Mapping[str, float], difference: float) -> tuple[tuple[str, ...], ...]:
    """Return the longest runs of contestants, ordered by rank, whose ends differ by less than `difference`."""
    names = list(ranks)
    found: list[tuple[str, ...]] = []
    end_before = 0
    for start in range(len(names)):
        end = max(place for place in range(len(names)) if ranks[names[place]] - ranks[names[start]] < difference) + 1
        if end > end_before and end - start > 1:
            found.append(tuple(names[start:end]))
        end_before = max(end, end_before)
    return tuple(found)
