"""The charts of a report as plotly figures: plain dictionaries that the page draws. Imports no plotly.

Colours are of medium lightness, and the page sets those of texts and lines, so that charts are readable in light and
dark mode. A contestant has the same colour and marker in every chart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from zoo.errors import CheckpointError
from zoo.files.path_inside import path_inside
from zoo.report.pictures import Arrays
from zoo.report.plotly_json import (
    INK,
    NAMES_DOWNWARDS,
    Figure,
    Look,
    cloud,
    empty_figure,
    error_bar,
    finite,
    horizontal_line,
    label,
    log_axis,
    mean_on_its_line,
    points,
    titled,
    vertical_line,
)
from zoo.report.table_view import figures_over_epochs, metric_over_epochs, ordered, ranking_metric
from zoo.results import schema
from zoo.results.schema import Difference, Metric, Results, Row

Cost = Literal["train_seconds", "sample_seconds_per_1000"]

_COLOURS = (
    *("#3b7fc4", "#d9772b", "#2f9e6e", "#c64d5e", "#8467c7", "#a07c3b", "#cf63a6", "#6f8292", "#96a12c", "#24a0ab"),
)
_MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon", "hexagon", "triangle-down")
_GRAY = "#8a8f98"
_POINTS = 1000  # greatest number of codes in a map, and of lines of a log
_LINE = 25  # pixels of height per contestant


def looks(results: Results) -> dict[str, Look]:
    """Return each row's colour and marker: contestants in the order of the command line, others gray.

    Real images are in ink, the colour of the text.
    """
    contestants = [row.contestant for row in results.rows if row.role == "contestant"]
    others = [row.contestant for row in results.rows if row.role != "contestant"]
    styles = {name: (_COLOURS[n % len(_COLOURS)], _MARKERS[n % len(_MARKERS)]) for n, name in enumerate(contestants)}
    real = {row.contestant for row in results.rows if row.role == "real"}
    marks = {name: f"{_MARKERS[n % len(_MARKERS)]}-open" for n, name in enumerate(others)}
    return styles | {name: (INK if name in real else _GRAY, mark) for name, mark in marks.items()}


def intervals(results: Results, metric: Metric) -> Figure | None:
    """Draw each contestant's mean and interval, with a dashed line at real images; None without any contestant."""
    rows = _with_figures(results, metric.name, "contestant", "real")
    if not any(row.role == "contestant" for row, _ in rows):
        return None
    chart, styles = empty_figure(len(rows) * _LINE + 90), looks(results)
    chart["data"] = [
        mean_on_its_line(row.contestant, found.mean, found.half_width, styles[row.contestant]) for row, found in rows
    ]
    low = min(found.mean - (finite(found.half_width) or 0) for _, found in rows)
    high = max(found.mean + (finite(found.half_width) or 0) for _, found in rows)
    chart["layout"]["xaxis"] |= titled(metric.title, log_axis(low, high) if 0 < low < high / 20 else {})
    chart["layout"]["yaxis"] |= NAMES_DOWNWARDS
    chart["layout"]["shapes"] = [vertical_line(mean, INK) for mean in _real_means(results, metric)]
    return chart


def differences(results: Results, metric: Metric) -> Figure | None:
    """Draw the paired differences to the best and their intervals, with a line at 0; None without any."""
    rows = _with_figures(results, metric.name, "contestant")
    if not any(found.difference for _, found in rows):
        return None
    zero = Difference(mean=0.0, half_width=None)  # of the best to itself
    shown = [(row.contestant, found.difference or zero) for row, found in rows if found.standing]
    chart, styles = empty_figure(len(shown) * _LINE + 90), looks(results)
    chart["data"] = [mean_on_its_line(name, each.mean, each.half_width, styles[name]) for name, each in shown]
    chart["layout"]["xaxis"] |= titled("difference")
    chart["layout"]["yaxis"] |= NAMES_DOWNWARDS
    chart["layout"]["shapes"] = [vertical_line(0, INK)]
    return chart


def cost(results: Results, key: Cost, title: str) -> Figure | None:
    """Draw the ranking metric against a cost, both on log axes; None with fewer than two points."""
    metric, styles = ranking_metric(results), looks(results)
    if metric is None:
        return None
    traces = []
    for row, found in _with_figures(results, metric.name, "contestant"):
        seconds = finite(row.train_seconds if key == "train_seconds" else row.sample_seconds_per_1000)
        if seconds is not None and seconds > 0:
            look, error = styles[row.contestant], error_bar(found.half_width)
            traces.append(points([seconds], [found.mean], row.contestant, look, error_y=error))
    if len(traces) < 2:
        return None
    chart = empty_figure(340, legend=True)
    chart["data"] = traces
    costs = [trace["x"][0] for trace in traces]
    chart["layout"]["xaxis"] |= titled(title, log_axis(min(costs), max(costs)))
    _set_quality_axis(chart, results, metric)
    return chart


def brackets(results: Results, name: str = "likelihood") -> Figure | None:
    """Draw the range of each log-likelihood: a line for a bracket, an arrowhead for a single bound."""
    rows = _with_figures(results, name, "contestant")
    if not rows:
        return None
    chart, styles = empty_figure(len(rows) * _LINE + 90), looks(results)
    chart["data"] = [_bracket(row.contestant, found, styles[row.contestant][0]) for row, found in rows]
    chart["layout"]["xaxis"] |= titled("nats per test example")
    chart["layout"]["yaxis"] |= NAMES_DOWNWARDS
    return chart


def steps(results: Results) -> Figure | None:
    """Draw the ranking metric against a sampler's number of steps, the setting `sample.steps`; None without such.

    What a step is depends on the model: one of a Markov chain, of a solver. Only numbers above 0 are drawn.
    """
    metric, styles = ranking_metric(results), looks(results)
    if metric is None:
        return None
    curves: dict[str, list[tuple[float, float]]] = {}
    for entry in results.sensitivity:
        measured = entry.metrics.get(metric.name)
        value = finite(measured.value) if measured else None
        counted = type(entry.value) in (int, float) and finite(entry.value) is not None and entry.value > 0
        if entry.key == "sample.steps" and value is not None and counted:
            curves.setdefault(entry.contestant, []).append((entry.value, value))
    if not curves:
        return None
    chart = empty_figure(340, legend=True)
    for name, curve in curves.items():
        x, y = zip(*sorted(curve), strict=True)
        chart["data"].append(points(x, y, name, styles.get(name, (_GRAY, "circle")), mode="lines+markers"))
    chart["layout"]["xaxis"] |= titled("steps of the sampler", {"type": "log", "dtick": 1})
    _set_quality_axis(chart, results, metric)
    return chart


def codes(arrays: Arrays) -> Figure | None:
    """Draw the codes of real data, coloured by class, and the codes that the sampler draws as gray rings."""
    if "codes" not in arrays:
        return None
    chart = empty_figure(400, legend=True)
    z = arrays["codes"][:_POINTS]
    labels = arrays["code_labels"][:_POINTS] if "code_labels" in arrays else None
    names = sorted(set(labels.tolist())) if labels is not None else [None]
    for number, name in enumerate(names):
        chosen = z if labels is None else z[labels == name]
        marker = {"size": 5, "opacity": 0.75, "color": _COLOURS[number % len(_COLOURS)]}
        chart["data"].append(cloud(chosen, "codes of data" if name is None else label(str(name)), marker))
    if "drawn_codes" in arrays:
        ring = {"size": 7, "symbol": "circle-open", "color": _GRAY, "line": {"width": 1}, "opacity": 0.7}
        chart["data"].append(cloud(arrays["drawn_codes"][: _POINTS // 2], "drawn", ring))
    title = str(arrays["codes_axes"]).removesuffix(" of the codes") if "codes_axes" in arrays else "axis"
    chart["layout"]["xaxis"] |= titled(f"first {title}") | {"zeroline": False}
    chart["layout"]["yaxis"] |= titled(f"second {title}") | {"zeroline": False}
    return chart


def codes_against_quality(results: Results) -> Figure | None:
    """Draw the ranking metric against how well drawn and real codes are told apart; None without two contestants."""
    metric, styles, traces = ranking_metric(results), looks(results), []
    if metric is None:
        return None
    told_apart = {row.contestant: found for row, found in _with_figures(results, "codes-test", "contestant")}
    for row, quality in _with_figures(results, metric.name, "contestant"):
        if told := told_apart.get(row.contestant):
            errors = {"error_x": error_bar(told.half_width), "error_y": error_bar(quality.half_width)}
            traces.append(points([told.mean], [quality.mean], row.contestant, styles[row.contestant], **errors))
    if len(traces) < 2:
        return None
    chart = empty_figure(360, legend=True)
    chart["data"] = traces
    chart["layout"]["xaxis"] |= titled("share of codes told apart (0.5: by chance)")
    _set_quality_axis(chart, results, metric)
    return chart


def learning(folder: Path, row: Row) -> Figure | None:
    """Draw the losses of a row's trainings by epoch, a line per seed; None with fewer than two epochs."""
    places = [f"{row.folder}/seed-{cell.seed}" for cell in row.cells]
    files = ("metrics.jsonl", "validation.jsonl")
    return losses(
        [[line for file in files for line in read_log(path_inside(folder, f"{each}/{file}"))] for each in places]
    )


def over_epochs(results: Results) -> Figure | None:
    """Draw sample quality over training: a dot for each seed, and a line through the means; None without any."""
    metric, styles = metric_over_epochs(results), looks(results)
    found = figures_over_epochs(results, metric.name) if metric else {}
    if metric is None or not found:
        return None
    chart = empty_figure(380, legend=True)
    for name, curve in found.items():
        look = styles.get(name, (_GRAY, "circle"))
        means = [sum(values) / len(values) for values in curve.values()]
        chart["data"].append(points(list(curve), means, name, look, mode="lines+markers"))
        each = [(epoch, value) for epoch, values in curve.items() for value in values]
        x, y = zip(*each, strict=True)
        dots = {"color": look[0], "symbol": look[1], "size": 5, "opacity": 0.5}
        chart["data"].append(points(x, y, name, look, marker=dots, showlegend=False, hoverinfo="y"))
    epochs = sorted({epoch for curve in found.values() for epoch in curve})
    axis = {"type": "log", "tickvals": epochs, "ticktext": [f"{epoch:,}" for epoch in epochs]}
    chart["layout"]["xaxis"] |= titled("epochs of training", axis)
    _set_quality_axis(chart, results, metric)
    return chart


def losses(logs: Sequence[list[dict[str, float]]]) -> Figure | None:
    """Draw the losses of trainings by epoch from their logs; None with fewer than two epochs."""
    chart = empty_figure(300, legend=True)
    for log in logs if max(map(len, logs), default=0) > 1 else []:
        for name in sorted({key for line in log for key in line} - _CLOCK):
            chart["data"].append(_curve(log, name, shown=name not in {each["name"] for each in chart["data"]}))
    if not chart["data"]:
        return None
    chart["layout"]["xaxis"] |= titled("epoch")
    chart["layout"]["yaxis"] |= titled("loss")
    return chart


def bars(values: Sequence[float]) -> Figure:
    """Draw a list of figures as bars, numbered from 1."""
    chart = empty_figure(200)
    heights = [finite(value) for value in values]
    chart["data"] = [
        {"type": "bar", "x": list(range(1, len(heights) + 1)), "y": heights, "marker": {"color": _COLOURS[0]}}
    ]
    chart["layout"]["xaxis"] |= titled("number")
    chart["layout"]["yaxis"] |= titled("value")
    chart["layout"]["bargap"] = 0.25
    return chart


_CLOCK = {"epoch", "step", "seconds", "progress", "learning_rate"}
_SIGNS = {"lower": "triangle-right", "upper": "triangle-left", "estimate": "circle-open"}
_DRAWN = {"loss": ("#3b7fc4", "solid"), "valid_loss": ("#d9772b", "dash")}  # of each player; others start hidden


def _set_quality_axis(chart: Figure, results: Results, metric: Metric) -> None:
    """Set the y axis to the metric, logarithmic if all values are positive, with a dashed line at real images."""
    x = [value for trace in chart["data"] for value in trace["x"]]
    for mean in _real_means(results, metric):
        chart["data"].append(horizontal_line(min(x), max(x), mean, "real images", INK))
    values = [value for trace in chart["data"] for value in trace["y"]]
    chart["layout"]["yaxis"] |= titled(metric.title, log_axis(min(values), max(values)) if min(values) > 0 else {})


def _bracket(contestant: str, found: schema.Figure, colour: str) -> dict[str, Any]:
    """Return a line between two bounds; or one mark: an arrowhead towards the true value for a bound, else a dot."""
    sign = _SIGNS.get(found.kind, "circle")
    x = [finite(end) for end in found.bracket or [found.mean]]
    edge = {"width": 2, "color": colour}
    marker = {"symbol": ["line-ns-open"] * 2 if found.bracket else sign, "size": 11, "color": colour, "line": edge}
    name = label(contestant)
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers" if found.bracket else "markers",
        "x": x,
        "y": [name] * len(x),
        "name": name,
        "marker": marker,
        "line": {"color": colour, "width": 4},
    }
    return trace if found.bracket else trace | {"error_x": error_bar(found.half_width)}


def _curve(log: list[dict[str, float]], name: str, *, shown: bool) -> dict[str, Any]:
    """Return one logged value of one training as a line; `shown` gives it an entry in the legend."""
    lines = [line for line in log if name in line][:: max(1, len(log) // _POINTS)]
    kind = name.rpartition(".")[2]
    colour, dash = _DRAWN.get(kind, (_GRAY, "dot"))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [line["epoch"] for line in lines],
        "y": [finite(line[name]) for line in lines],
        "name": label(name),
        "legendgroup": name,
        "showlegend": shown,
        "visible": True if kind in _DRAWN else "legendonly",
        "line": {"color": colour, "dash": dash, "width": 1.6},
    }


def read_log(file: Path) -> list[dict[str, float]]:
    """Read the lines of a training's log; none if there is no log.

    Raises:
        CheckpointError: if a line is not an object of numbers with an epoch.
    """
    if not file.is_file():
        return []
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return [{name: float(value) for name, value in line.items()} | {"epoch": line["epoch"]} for line in lines]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{file} is not a valid training log, or is damaged: {error!r}.") from None


def _with_figures(results: Results, name: str, *roles: str) -> list[tuple[Row, schema.Figure]]:
    """Return the rows with a finite mean, and their figures."""
    rows = [(row, row.figure(name)) for row in ordered(results, *roles)]
    return [(row, found) for row, found in rows if found is not None and finite(found.mean) is not None]


def _real_means(results: Results, metric: Metric) -> list[float]:
    """Return the metric of real images, if there is one."""
    return [found.mean for _, found in _with_figures(results, metric.name, "real")]
