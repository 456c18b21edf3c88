"""The charts of a report as plotly figures: plain dictionaries, which the page draws. Imports no plotly.

Colours are of middle lightness, and the page gives texts and lines the colours of its scheme, so that a chart reads in
light and dark. A contestant has one colour and one marker in every chart.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError
from zoo.files.path_inside import path_inside
from zoo.report.pictures import Arrays
from zoo.report.table_view import Metric, Results, Row, ordered, ranking_metric

Figure = dict[str, Any]

_COLOURS = (
    *("#3b7fc4", "#d9772b", "#2f9e6e", "#c64d5e", "#8467c7", "#a07c3b", "#cf63a6", "#6f8292", "#96a12c", "#24a0ab"),
)
_MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon", "hexagon", "triangle-down")
_GREY = "#8a8f98"
_TREND = "#c64d5e"
_POINTS = 1000  # codes of a map, and lines of a log, at most
_LINE = 25  # pixels of height per contestant


def looks(results: Results) -> dict[str, tuple[str, str]]:
    """Colour and marker of every row, the same in every chart: in the order of the command line, controls grey."""
    styles = {}
    for number, row in enumerate(row for row in results["rows"] if row["role"] == "contestant"):
        styles[row["contestant"]] = (_COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)])
    controls = [row["contestant"] for row in results["rows"] if row["role"] != "contestant"]
    return styles | {name: (_GREY, f"{_MARKERS[n % len(_MARKERS)]}-open") for n, name in enumerate(controls)}


def intervals(results: Results, metric: Metric) -> Figure | None:
    """A metric's mean and interval per contestant, a dashed line at real images; None without a contestant's figure."""
    rows = _shown(results, metric["name"], "contestant", "real")
    if not any(row["role"] == "contestant" for row, _ in rows):
        return None
    summaries, styles = [summary for _, summary in rows], looks(results)
    figure = _figure(len(rows) * _LINE + 70)
    figure["data"] = [_points(row, summary, styles[row["contestant"]]) for row, summary in rows]
    low = min(each["mean"] - (each["half_width"] or 0) for each in summaries)
    high = max(each["mean"] + (each["half_width"] or 0) for each in summaries)
    figure["layout"]["xaxis"] |= _log(low, high) if 0 < low < high / 20 else {}
    figure["layout"]["yaxis"] |= {"autorange": "reversed", "showgrid": False, "type": "category"}
    figure["layout"]["shapes"] = [_dashed(floor) for floor in _floors(results, metric)]
    return figure


def differences(results: Results, metric: Metric) -> Figure | None:
    """Paired differences to the best and their intervals, with a line at 0; None where there are none."""
    rows = _shown(results, metric["name"], "contestant")
    if not any(summary.get("difference") for _, summary in rows):
        return None
    zero = {"mean": 0.0, "half_width": None}  # of the best to itself
    found = [(row, summary.get("difference") or zero) for row, summary in rows if summary.get("standing")]
    figure, styles = _figure(len(found) * _LINE + 70), looks(results)
    figure["data"] = [_points(row, difference, styles[row["contestant"]]) for row, difference in found]
    figure["layout"]["yaxis"] |= {"autorange": "reversed", "showgrid": False, "type": "category"}
    figure["layout"]["shapes"] = [_dashed(0)]
    return figure


def cost(results: Results, key: str, title: str) -> Figure | None:
    """A cost against the ranking metric, both on log axes; None without two points."""
    metric, styles = ranking_metric(results), looks(results)
    if metric is None:
        return None
    traces = []
    for row, summary in _shown(results, metric["name"], "contestant"):
        if (_finite(row[key]) or 0) > 0:
            error = {"error_y": _error(summary["half_width"])}
            traces.append(_trace([row[key]], [summary["mean"]], row["contestant"], styles[row["contestant"]], **error))
    if len(traces) < 2:
        return None
    figure = _figure(340, legend=True)
    figure["data"] = traces
    seconds = [trace["x"][0] for trace in traces]
    figure["layout"]["xaxis"] |= {"title": {"text": title}} | _log(min(seconds), max(seconds))
    _set_quality_axis(figure, results, metric)
    return figure


def brackets(results: Results, name: str = "likelihood") -> Figure | None:
    """Between which ends each log-likelihood lies: a line for a bracket, an arrowhead for a single bound."""
    rows = _shown(results, name, "contestant")
    if not rows:
        return None
    figure = _figure(len(rows) * _LINE + 90)
    styles = looks(results)
    figure["data"] = [_bracket(row, summary, styles[row["contestant"]][0]) for row, summary in rows]
    figure["layout"]["xaxis"] |= {"title": {"text": "nats per test example"}}
    figure["layout"]["yaxis"] |= {"autorange": "reversed", "showgrid": False, "type": "category"}
    return figure


def steps(results: Results) -> Figure | None:
    """The ranking metric against the steps of the sampling chain; None where nobody varied them."""
    metric, styles = ranking_metric(results), looks(results)
    curves: dict[str, list[tuple[float, float]]] = {}
    for entry in results["sensitivity"]:
        value = entry.get("metrics", {}).get(metric["name"] if metric else "", {}).get("value")
        if entry["key"] == "sample.steps" and _finite(value) is not None:
            curves.setdefault(entry["contestant"], []).append((entry["value"], value))
    if not curves or metric is None:
        return None
    figure = _figure(340, legend=True)
    for name, points in curves.items():
        x, y = zip(*sorted(points), strict=True)
        figure["data"].append(_trace(x, y, name, styles.get(name, (_GREY, "circle")), mode="lines+markers"))
    figure["layout"]["xaxis"] |= {"title": {"text": "Gibbs steps"}, "type": "log", "dtick": 1}
    _set_quality_axis(figure, results, metric)
    return figure


def codes(arrays: Arrays) -> Figure | None:
    """Codes of real data, coloured by class, and the codes that the sampler draws as grey rings."""
    if "codes" not in arrays:
        return None
    figure = _figure(400, legend=True)
    z = arrays["codes"][:_POINTS]
    labels = arrays["code_labels"][:_POINTS] if "code_labels" in arrays else None
    names = sorted(set(labels.tolist())) if labels is not None else [None]
    for number, name in enumerate(names):
        chosen = z if labels is None else z[labels == name]
        marker = {"size": 5, "opacity": 0.75, "color": _COLOURS[number % len(_COLOURS)]}
        figure["data"].append(_cloud(chosen, "codes of data" if name is None else _label(str(name)), marker))
    if "drawn_codes" in arrays:
        ring = {"size": 7, "symbol": "circle-open", "color": _GREY, "line": {"width": 1}, "opacity": 0.7}
        figure["data"].append(_cloud(arrays["drawn_codes"][: _POINTS // 2], "drawn", ring))
    title = _label(str(arrays["codes_axes"]).removesuffix(" of the codes")) if "codes_axes" in arrays else "axis"
    figure["layout"]["xaxis"] |= {"title": {"text": f"first {title}"}, "zeroline": False}
    figure["layout"]["yaxis"] |= {"title": {"text": f"second {title}"}, "zeroline": False}
    return figure


def codes_against_quality(results: Results) -> Figure | None:
    """How well drawn codes are told from real ones, against the ranking metric; None without two contestants."""
    metric, styles, traces = ranking_metric(results), looks(results), []
    told_apart = {row["contestant"]: summary for row, summary in _shown(results, "codes-test", "contestant")}
    for row, quality in _shown(results, metric["name"], "contestant") if metric else []:
        if told := told_apart.get(row["contestant"]):
            errors = {"error_x": _error(told["half_width"]), "error_y": _error(quality["half_width"])}
            look = styles[row["contestant"]]
            traces.append(_trace([told["mean"]], [quality["mean"]], row["contestant"], look, **errors))
    if len(traces) < 2 or metric is None:
        return None
    figure = _figure(360, legend=True)
    figure["data"] = traces
    figure["layout"]["xaxis"] |= {"title": {"text": "share of codes told apart (0.5: by chance)"}}
    _set_quality_axis(figure, results, metric)
    return figure


def learning(folder: Path, row: Row) -> Figure | None:
    """The losses of a row's trainings by epoch, a line per seed; None without two epochs."""
    figure = _figure(300, legend=True)
    logs = [
        _read_log(path_inside(folder, f"{row['folder']}/seed-{cell['seed']}/metrics.jsonl")) for cell in row["cells"]
    ]
    for log in logs if max(map(len, logs), default=0) > 1 else []:
        for name in sorted({key for line in log for key in line} - _CLOCK):
            figure["data"].append(_curve(log, name, shown=name not in {each["name"] for each in figure["data"]}))
    if not figure["data"]:
        return None
    figure["layout"]["xaxis"] |= {"title": {"text": "epoch"}}
    return figure


def bars(values: Sequence[float]) -> Figure:
    """A list of figures as bars, the first one at 1."""
    figure = _figure(170)
    heights = [_finite(value) for value in values]
    figure["data"] = [
        {"type": "bar", "x": list(range(1, len(heights) + 1)), "y": heights, "marker": {"color": _COLOURS[0]}}
    ]
    figure["layout"]["bargap"] = 0.25
    return figure


_CLOCK = {"epoch", "step", "seconds", "progress", "learning_rate"}
_SIGNS = {"lower": "triangle-right", "upper": "triangle-left", "estimate": "circle-open"}
_DRAWN = {"loss": ("#3b7fc4", "solid"), "valid_loss": ("#d9772b", "dash")}  # the others wait in the legend


def _figure(height: int, *, legend: bool = False) -> Figure:
    """An empty chart; its page sets the width."""
    axis = {"automargin": True, "zeroline": False, "gridcolor": "rgba(128,128,128,0.25)", "ticks": ""}
    layout: dict[str, Any] = {
        "height": height,
        "margin": {"l": 8, "r": 14, "t": 10, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#808080"},
        "showlegend": legend,
        "dragmode": False,
        "hovermode": "closest",
        "xaxis": dict(axis),
        "yaxis": dict(axis),
    }
    if legend:
        below = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"}
        layout["legend"] = below | {"itemsizing": "constant"}
    return {"data": [], "layout": layout}


def _set_quality_axis(figure: Figure, results: Results, metric: Metric) -> None:
    """The metric upwards, on a log axis where all of it is positive, with real images as a dashed line."""
    x = [value for trace in figure["data"] for value in trace["x"]]
    for floor in _floors(results, metric):
        line = {"mode": "lines", "line": {"dash": "dash", "width": 1.3, "color": _TREND}}
        figure["data"].append(_trace([min(x), max(x)], [floor, floor], "real images", (_TREND, "line-ew"), **line))
    values = [value for trace in figure["data"] for value in trace["y"]]
    figure["layout"]["yaxis"] |= {"title": {"text": _label(metric["title"])}}
    figure["layout"]["yaxis"] |= _log(min(values), max(values)) if min(values) > 0 else {}


def _log(low: float, high: float) -> dict[str, Any]:
    """A log axis for these values, marked at 1, 2, 5, 10, …; more densely within a decade, less over three.

    Within half a decade a linear axis, on which they look the same; and where an end is no positive number.
    """
    if not 0 < 3 * low <= high < math.inf:
        return {}
    decades = range(math.floor(math.log10(low)) - 1, min(math.ceil(math.log10(high)) + 2, 308))  # 1e308 is the last
    marks = (1, 2, 3, 5, 7) if high < 10 * low else (1, 2, 5) if high < 1000 * low else (1,)
    values = [mark * 10.0**decade for decade in decades for mark in marks]
    return {"type": "log", "tickvals": values, "ticktext": [f"{value:,.10g}" for value in values]}


def _trace(
    x: Sequence[float | None], y: Sequence[Any], name: str, look: tuple[str, str], **more: Any
) -> dict[str, Any]:
    colour, symbol = look
    marker = {"color": colour, "symbol": symbol, "size": 10}
    base = {"type": "scatter", "mode": "markers", "x": list(x), "y": list(y), "name": _label(name), "marker": marker}
    return base | {"line": {"color": colour}} | more


def _points(row: Row, summary: dict[str, Any], look: tuple[str, str]) -> dict[str, Any]:
    """One contestant's mean with its interval, on a line of its own."""
    name = row["contestant"]
    return _trace([summary["mean"]], [_label(name)], name, look, error_x=_error(summary["half_width"]))


def _error(half_width: float | None) -> dict[str, Any]:
    bar = {"type": "data", "array": [half_width or 0], "thickness": 1.6, "width": 5}
    return bar | {"visible": bool(half_width)}


def _bracket(row: Row, summary: dict[str, Any], colour: str) -> dict[str, Any]:
    """A line between two bounds, or one sign: an arrowhead towards where the value may be, a dot for a value."""
    sign = _SIGNS.get(summary["kind"], "circle")
    ends = summary.get("bracket")
    x = [_finite(end) for end in ends] if ends else [_finite(summary["mean"])]
    edge = {"width": 2, "color": colour}
    marker = {"symbol": ["line-ns-open"] * 2 if ends else sign, "size": 11, "color": colour, "line": edge}
    name = _label(row["contestant"])
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers" if ends else "markers",
        "x": x,
        "y": [name] * len(x),
    }
    trace |= {"name": name, "marker": marker, "line": {"color": colour, "width": 4}}
    return trace if ends else trace | {"error_x": _error(summary["half_width"])}


def _cloud(z: Any, name: str, marker: dict[str, Any]) -> dict[str, Any]:
    x, y = ([round(float(value), 3) for value in z[:, column]] for column in (0, 1))
    return {"type": "scatter", "mode": "markers", "x": x, "y": y, "name": name, "marker": marker, "hoverinfo": "name"}


def _curve(log: list[dict[str, Any]], name: str, *, shown: bool) -> dict[str, Any]:
    """One logged value of one training; in the legend once."""
    lines = [line for line in log if name in line][:: max(1, len(log) // _POINTS)]
    colour, dash = _DRAWN.get(name, (_GREY, "dot"))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [line["epoch"] for line in lines],
        "y": [_finite(line[name]) for line in lines],
        "name": _label(name),
        "legendgroup": name,
        "showlegend": shown,
        "visible": True if name in _DRAWN else "legendonly",
        "line": {"color": colour, "dash": dash, "width": 1.6},
    }


def _read_log(file: Path) -> list[dict[str, Any]]:
    """The lines of a training's log; none where it has none.

    Raises:
        CheckpointError: if one of them is something else than numbers by their names, the epoch among them.
    """
    if not file.is_file():
        return []
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return [{name: float(value) for name, value in line.items()} | {"epoch": line["epoch"]} for line in lines]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{file} is no log of a training, or damaged: {error!r}.") from None


def _shown(results: Results, name: str, *roles: str) -> list[tuple[Row, dict[str, Any]]]:
    """Rows with a finite mean and the metric's summary; a half-width without end is none."""
    rows = [(row, row["summary"].get(name, {})) for row in ordered(results, *roles)]
    return [
        (row, summary | {"half_width": _finite(summary["half_width"])})
        for row, summary in rows
        if _finite(summary.get("mean")) is not None
    ]


def _floors(results: Results, metric: Metric) -> list[float]:
    """The metric of real images, where they have one."""
    return [summary["mean"] for _, summary in _shown(results, metric["name"], "real")]


def _dashed(x: float) -> dict[str, Any]:
    """A dashed line from top to bottom."""
    line = {"dash": "dash", "width": 1.3, "color": _TREND}
    return {"type": "line", "layer": "below", "line": line, "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}


def _finite(value: float | None) -> float | None:
    """The value, or None for what JSON has no word for."""
    return value if value is not None and math.isfinite(value) else None


def _label(text: str) -> str:
    """A text as plotly shows it letter by letter, which otherwise reads tags in it."""
    return html.escape(text, quote=False)
