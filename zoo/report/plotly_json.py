"""Parts of plotly figures as plain dictionaries. Imports no plotly."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

Figure = dict[str, Any]
Look = tuple[str, str]  # colour and marker

#: real images and references; the page replaces it by the colour of its text
INK = "#7f7f7e"
#: a y axis with one name per line, from top to bottom
NAMES_DOWNWARDS = {"autorange": "reversed", "showgrid": False, "type": "category"}
_DASHED = {"dash": "dash", "width": 1.3}


def empty_figure(height: int, *, legend: bool = False) -> Figure:
    """Return a figure without traces; the page sets its width."""
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


def log_axis(low: float, high: float) -> dict[str, Any]:
    """Return a log axis for values from low to high, with ticks at 1, 2, 5, 10, …

    Ticks are denser within one decade and sparser over three. The axis stays linear within half a decade, where both
    look the same, and if an end is not a positive finite number.
    """
    if not 0 < 3 * low <= high < math.inf:
        return {}
    decades = range(math.floor(math.log10(low)) - 1, min(math.ceil(math.log10(high)) + 2, 308))  # 1e308 is the last
    marks = (1, 2, 3, 5, 7) if high < 10 * low else (1, 2, 5) if high < 1000 * low else (1,)
    values = [mark * 10.0**decade for decade in decades for mark in marks]
    return {"type": "log", "tickvals": values, "ticktext": [f"{value:,.10g}" for value in values]}


def titled(text: str, axis: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an axis with its title, which says if it is logarithmic."""
    axis = axis or {}
    said = f"{text} (log scale)" if axis.get("type") == "log" else text
    return axis | {"title": {"text": label(said), "font": {"size": 12}}}


def points(x: Sequence[float | None], y: Sequence[Any], name: str, look: Look, **more: Any) -> dict[str, Any]:
    """Return a trace of markers; `more` overrides its entries."""
    colour, symbol = look
    marker = {"color": colour, "symbol": symbol, "size": 10}
    base = {"type": "scatter", "mode": "markers", "x": list(x), "y": list(y), "name": label(name), "marker": marker}
    return base | {"line": {"color": colour}} | more


def mean_on_its_line(name: str, mean: float, half_width: float | None, look: Look) -> dict[str, Any]:
    """Return a mean with its interval as an error bar, on a line with the name."""
    return points([finite(mean)], [label(name)], name, look, error_x=error_bar(half_width))


def error_bar(half_width: float | None) -> dict[str, Any]:
    """Return an error bar, invisible without a finite half-width."""
    length = finite(half_width) or 0
    return {"type": "data", "array": [length], "thickness": 1.6, "width": 5, "visible": bool(length)}


def horizontal_line(low: float, high: float, y: float, name: str, colour: str) -> dict[str, Any]:
    """Return a dashed line at y with an entry in the legend."""
    return points([low, high], [y, y], name, (colour, "line-ew"), mode="lines", line=_DASHED | {"color": colour})


def vertical_line(x: float, colour: str) -> dict[str, Any]:
    """Return a dashed line from the top to the bottom of a chart, as one of its shapes."""
    line = _DASHED | {"color": colour}
    return {"type": "line", "layer": "below", "line": line, "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}


def cloud(z: Any, name: str, marker: dict[str, Any]) -> dict[str, Any]:
    """Return a scatter of points, shape (N, 2)."""
    x, y = ([round(float(value), 3) for value in z[:, column]] for column in (0, 1))
    return {"type": "scatter", "mode": "markers", "x": x, "y": y, "name": name, "marker": marker, "hoverinfo": "name"}


def finite(value: float | None) -> float | None:
    """Return the value, or None if JSON cannot represent it."""
    return value if value is not None and math.isfinite(value) else None


def label(text: str) -> str:
    """Escape a text, since plotly interprets tags in labels."""
    return html.escape(text, quote=False)
