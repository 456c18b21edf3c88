"""What tuning chose, in sentences: gains on the validation split, which chose, and on the test split, which did not."""

from __future__ import annotations

import shlex

from zoo.report.figures import figure, interval
from zoo.results.schema import Figure, Results, TunedContestant, Tuning


def tuning_lines(results: Results) -> list[str]:
    """Return how contestants were tuned, then a sentence for each; () without tuning. A gain above 0 is better."""
    tuning = results.protocol.tuning
    return [] if tuning is None else [how_tuned(tuning), *(_sentence(results, each) for each in tuning.contestants)]


def how_tuned(tuning: Tuning) -> str:
    """Return the number of trials, their budget, the measure and the sampler as a sentence."""
    budget = f"{tuning.budget.value:g} {tuning.budget.unit}"
    return (
        f"Tuning: {tuning.trials} trials of {budget} for each contestant, chosen by the metric {tuning.metric} on the "
        f"validation split ({tuning.direction} is better), trained with seed {tuning.seed}: {tuning.sampler}."
    )


def tuning_text(tuning: Tuning, data: str) -> str:
    """Return the trials of each contestant as a table, its choice, and how it is trained."""
    parts = [how_tuned(tuning)]
    for each in tuning.contestants:
        parts += ["", f"{each.contestant} ({_space(each)})", *_trials(each, tuning.metric), _choice(each)]
        if each.value is not None:
            parts.append(f"Train it with: zoo train {shlex.quote(each.tuned)} --data {shlex.quote(data)}")
    return "\n".join(parts)


def _trials(chosen: TunedContestant, metric: str) -> list[str]:
    """Return a line per trial, with only the settings that it adds to the contestant."""
    rows = [("trial", metric, "settings")]
    for trial in chosen.trials:
        settings = trial.contestant.removeprefix(chosen.contestant).lstrip(":,") or "defaults"
        value = trial.state if trial.value is None else figure(trial.value)
        rows.append((str(trial.number), value, f"{settings}  {trial.reason}".rstrip()))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _space(chosen: TunedContestant) -> str:
    return "; ".join(f"{key}: {values}" for key, values in chosen.space.items())


def _choice(chosen: TunedContestant) -> str:
    """Return what was chosen, and its gain on the validation split."""
    if chosen.value is None:
        return f"{chosen.contestant}: no trial completed."
    if chosen.tuned == chosen.contestant:
        return f"{chosen.contestant}: the defaults were best, {figure(chosen.value)} on the validation split."
    before = "failed" if chosen.default_value is None else figure(chosen.default_value)
    gain = "" if chosen.gain is None else f" (gain {figure(chosen.gain)})"
    return f"{chosen.tuned}: validation {before} → {figure(chosen.value)}{gain}."


def _sentence(results: Results, chosen: TunedContestant) -> str:
    counts = f"{chosen.completed} completed, {chosen.pruned} stopped early, {chosen.failed} failed"
    trials = f"Trials: {counts}. Space: {_space(chosen)}."
    if chosen.value is None or chosen.tuned == chosen.contestant:
        return f"{_choice(chosen)} {trials}"
    return f"{_choice(chosen).rstrip('.')}; test {_test(results, chosen)}. {trials}"


def _test(results: Results, chosen: TunedContestant) -> str:
    """Return the figures of both rows on the test split, and their paired difference with its 95 % interval."""
    assert results.protocol.tuning
    metric = results.protocol.tuning.metric
    summaries = {row.contestant: row.summary.get(metric) for row in results.rows}
    before, after = summaries.get(chosen.contestant), summaries.get(chosen.tuned)
    if not isinstance(before, Figure) or not isinstance(after, Figure):
        return "not measured"
    sign = 1 if results.protocol.tuning.direction == "lower" else -1
    mean, half_width = before.mean - after.mean, None
    for pair in (results.differences or {}).get(metric, ()):
        if {pair.first, pair.second} == {chosen.contestant, chosen.tuned}:
            mean, half_width = (pair.mean if pair.first == chosen.contestant else -pair.mean), pair.half_width
    doubt = "" if half_width is not None and abs(mean) > half_width else ", which may be chance"
    return f"{figure(before.mean)} → {figure(after.mean)} (gain {interval(sign * mean, half_width)}{doubt})"
