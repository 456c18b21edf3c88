"""What tuning chose, in sentences: gains on the validation split, which chose, and on the test split, which did not."""

from __future__ import annotations

from zoo.report.figures import figure, interval
from zoo.results.schema import Figure, Results, TunedContestant


def tuning_lines(results: Results) -> list[str]:
    """Return how contestants were tuned, then a sentence for each; () without tuning. A gain above 0 is better."""
    tuning = results.protocol.tuning
    if tuning is None:
        return []
    budget = f"{tuning.budget.value:g} {tuning.budget.unit}"
    how = (
        f"Tuning: {tuning.trials} trials of {budget} for each contestant, chosen by the metric {tuning.metric} on the "
        f"validation split (lower is better), trained with seed {tuning.seed}: {tuning.sampler}."
    )
    return [how, *(_sentence(results, each) for each in tuning.contestants)]


def _sentence(results: Results, chosen: TunedContestant) -> str:
    counts = f"{chosen.completed} completed, {chosen.pruned} stopped early, {chosen.failed} failed"
    space = "; ".join(f"{key}: {values}" for key, values in chosen.space.items())
    trials = f"Trials: {counts}. Space: {space}."
    if chosen.value is None:
        return f"{chosen.contestant}: no trial completed. {trials}"
    if chosen.tuned == chosen.contestant:
        return f"{chosen.contestant}: the defaults were best, {figure(chosen.value)} on the validation split. {trials}"
    before = "failed" if chosen.default_value is None else figure(chosen.default_value)
    gain = "" if chosen.default_value is None else f" (gain {figure(chosen.default_value - chosen.value)})"
    return (
        f"{chosen.tuned}: validation {before} → {figure(chosen.value)}{gain}; test {_test(results, chosen)}. {trials}"
    )


def _test(results: Results, chosen: TunedContestant) -> str:
    """Return the figures of both rows on the test split, and their paired difference with its 95 % interval."""
    assert results.protocol.tuning
    metric = results.protocol.tuning.metric
    summaries = {row.contestant: row.summary.get(metric) for row in results.rows}
    before, after = summaries.get(chosen.contestant), summaries.get(chosen.tuned)
    if not isinstance(before, Figure) or not isinstance(after, Figure):
        return "not measured"
    mean, half_width = before.mean - after.mean, None
    for pair in (results.differences or {}).get(metric, ()):
        if {pair.first, pair.second} == {chosen.contestant, chosen.tuned}:
            mean, half_width = (pair.mean if pair.first == chosen.contestant else -pair.mean), pair.half_width
    doubt = "" if half_width is not None and abs(mean) > half_width else ", which may be chance"
    return f"{figure(before.mean)} → {figure(after.mean)} (gain {interval(mean, half_width)}{doubt})"
