"""The answer in words: what a comparison found, as sentences made from its standings.

Only what the standings support is said: a contestant is better only if the corrected interval of the paired difference
excludes zero, and where a bound leaves an order open, no order is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from zoo.report.figures import figure
from zoo.report.table_view import figure_cell, figures_over_epochs, measured, ordered, ranking_metric
from zoo.results.schema import Metric, Missing, Results

_TIMES = 1.5  # how many times another figure one must be for the ratio to be said
_CODES = "codes-test"  # the share of codes told apart, one half by chance


@dataclass(frozen=True)
class Statement:
    """What is found, in a few words, and the figures that it rests on."""

    finding: str
    evidence: str


def answer(results: Results) -> list[Statement]:
    """Return the answer, the most important finding first; empty without contestants that are ranked."""
    metric = ranking_metric(results)
    if metric is None:
        return list(_silent(results, None))
    return [
        *_best(results, metric),
        *_same_decoder(results, metric),
        *_over_training(results, metric),
        *_other_metrics(results, metric),
        *_open(results),
        *_silent(results, metric),
    ]


def _best(results: Results, metric: Metric) -> Iterator[Statement]:
    """Say which contestant is best, which cannot be told from it, and which are behind."""
    rows = ordered(results, "contestant")
    standing = {row.contestant: row.summary[metric.name].standing for row in rows}
    best = next((row for row in rows if standing[row.contestant] == "best"), None)
    if best is None or (found := best.figure(metric.name)) is None:
        return
    tied = _named(standing, "indistinguishable", "tied")
    behind = _named(standing, "behind")
    real = [row.figure(metric.name) for row in ordered(results, "real")]
    floor = f"; real images that no model was trained on have {figure(real[0].mean)}" if real and real[0] else ""
    parts = [f"{metric.title} {figure_cell(found).text}{floor}."]
    if behind:
        parts.append(f"Behind: {_list(map(_with(results, metric), behind))}.")
    if tied:
        seeds = len(results.protocol.seeds)
        parts.append(
            f"Not distinguishable from it with {seeds} {'seeds' if seeds > 1 else 'seed'}: "
            f"{_list(map(_with(results, metric), tied))}."
        )
    alone = not tied and behind
    finding = f"{best.contestant} generates best" if alone else f"{best.contestant} has the best {metric.title}"
    yield Statement(f"{finding}.", " ".join(parts))


def _same_decoder(results: Results, metric: Metric) -> Iterator[Statement]:
    """Say where contestants of one training differ: only the distribution of their codes does."""
    rows = [row for row in ordered(results, "contestant") if row.folder and row.figure(metric.name)]
    for better, worse in combinations(rows, 2):
        if better.folder != worse.folder or better.contestant.partition("@")[0] != worse.contestant.partition("@")[0]:
            continue
        here, there = better.summary[metric.name].standing, worse.summary[metric.name].standing
        if there != "behind" or here not in ("best", "indistinguishable", "tied"):
            continue
        figures = [row.figure(metric.name) for row in (better, worse)]
        assert figures[0]
        assert figures[1]
        ratio = _ratio(figures[0].mean, figures[1].mean, metric)
        told = {row.contestant: row.figure(_CODES) for row in (better, worse)}
        codes = "; ".join(f"{name} {figure(its.mean)}" for name, its in told.items() if its)
        yield Statement(
            f"{worse.contestant} fails where {better.contestant} does not, with the same decoder."
            if ratio
            else f"{worse.contestant} is behind {better.contestant}, with the same decoder.",
            "Both decode with one trained network and differ only in the distribution from which h is drawn: "
            f"{metric.title} {figure_cell(figures[1]).text}{ratio} against {figure_cell(figures[0]).text}."
            + (f" Share of drawn codes told from real ones (by chance 0.5): {codes}." if codes else ""),
        )


def _over_training(results: Results, metric: Metric) -> Iterator[Statement]:
    """Say which contestants get worse with training, in every seed, by at least half as much again."""
    for name, curve in figures_over_epochs(results, metric.name).items():
        (first, early), *_, (last, late) = curve.items()
        pairs = list(zip(early, late, strict=True))
        if first == last or metric.direction != "lower" or any(x <= 0 or y < _TIMES * x for x, y in pairs):
            continue
        before, after = (figure(sum(values) / len(values)) for values in (early, late))
        seeds = f"in each of {len(pairs)} trainings" if len(pairs) > 1 else "in one training"
        yield Statement(
            f"{name} generates worse the longer it is trained.",
            f"{metric.title} {before} after {first} epochs, {after} after {last}; it grows {seeds}.",
        )


def _other_metrics(results: Results, first: Metric) -> Iterator[Statement]:
    """Say which contestants are best by the other headline metrics, and by which of them not alone."""
    best: dict[str, list[str]] = {}
    shared = []
    for metric in measured(results, "headline"):
        standings = {row.contestant: row.summary[metric.name].standing for row in ordered(results, "contestant")}
        names = _named(standings, "best")
        if metric.name != first.name and names:
            best.setdefault(names[0], []).append(metric.title)
            shared += [metric.title] if _named(standings, "indistinguishable", "tied") else []
    if best:
        yield Statement(
            f"{_list(best)} {'have the best means' if len(best) > 1 else 'has the best mean'} by the other metrics.",
            "; ".join(f"{name}: {_list(titles)}" for name, titles in best.items())
            + (f". By {_list(shared)}, others are not distinguishable from it." if shared else "."),
        )


def _open(results: Results) -> Iterator[Statement]:
    """Say by which metrics a bound leaves the order open."""
    titles = [
        metric.title
        for metric in measured(results, "headline")
        if any(row.summary[metric.name].standing == "open" for row in results.rows)
    ]
    if titles:
        yield Statement(
            f"The order by {_list(titles)} is open.",
            "Bounds whose ranges overlap cannot decide which one is better.",
        )


def _silent(results: Results, metric: Metric | None) -> Iterator[Statement]:
    """Say which contestants do not generate, or failed, and why."""
    for row in results.rows:
        if row.role != "contestant":
            continue
        if row.failed_cells:
            reason = row.failed_cells[0].failed
            count = f"{len(row.failed_cells)} of {len(row.cells)} seeds"
            yield Statement(f"{row.contestant} is not ranked: {count} failed.", reason)
        elif metric and isinstance(missing := row.summary[metric.name], Missing):
            yield Statement(f"{row.contestant} does not generate.", missing.unsupported)


def _ratio(better: float, worse: float, metric: Metric) -> str:
    """Return `, 9.2 times as much,` for distances of which one is much larger."""
    if metric.direction != "lower" or better <= 0 or worse < _TIMES * better:
        return ""
    return f" ({figure(worse / better)} times as much)"


def _with(results: Results, metric: Metric) -> Callable[[str], str]:
    """Return the function that adds its figure to a contestant's name."""
    figures = {row.contestant: row.figure(metric.name) for row in results.rows}

    def named(name: str) -> str:
        found = figures[name]
        return f"{name} ({figure_cell(found).text})" if found else name

    return named


def _named(standings: Mapping[str, str | None], *wanted: str) -> list[str]:
    return [name for name, standing in standings.items() if standing in wanted]


def _list(names: Iterable[str]) -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
