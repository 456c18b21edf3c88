"""Charts without a browser: the figures of the report drawn as SVG, or as PNG by Pillow. Imports no plotly.

Scatter traces of lines and markers are drawn, with linear and log axes, titles and a legend: what curves and maps of
codes need.
"""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image, ImageDraw, ImageFont

from zoo.report.plotly_json import Figure

WIDTH = 640
_SIZE = 13  # of texts, in pixels
_INK, _GRID = "#3a3f45", "#d9dce0"
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 18, 14, 46
_ROW = 20  # height of a line of the legend
_DASHES = {"dash": (6, 4), "dot": (2, 3)}
_TICKS = 6  # about as many per axis
_SUPERSAMPLED = 2

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: Sequence[Point]
    colour: str
    width: float = 1.6
    dash: tuple[int, int] | None = None


@dataclass(frozen=True)
class Dot:
    """A disc, or a ring."""

    x: float
    y: float
    radius: float
    colour: str
    ring: bool = False


@dataclass(frozen=True)
class Label:
    """A text at a point; `turned` reads upwards."""

    x: float
    y: float
    text: str
    anchor: Literal["start", "middle", "end"] = "middle"
    turned: bool = False


Mark = Line | Dot | Label


@dataclass(frozen=True)
class Panel:
    """A figure with a title above it; "" for none."""

    title: str
    figure: Figure


def to_svg(panels: Sequence[Panel], width: int = WIDTH) -> str:
    """Return figures, one below the other, as an SVG document; embedded in a page, its ink is that of the page."""
    drawn, height = _stacked(panels, width)
    body = "".join(f'<g transform="translate(0 {top})">{"".join(map(_svg, marks))}</g>' for top, marks in drawn)
    return _document(body, width, height)


def to_image(panels: Sequence[Panel], width: int = WIDTH) -> Image.Image:
    """Return figures, one below the other, as an image of twice the size in pixels, on white."""
    drawn, height = _stacked(panels, width)
    sheet = Image.new("RGB", (2 * width, 2 * height), "white")
    tops = [top for top, _ in drawn] + [height]
    for (top, marks), below in zip(drawn, tops[1:], strict=True):
        sheet.paste(drawn_as_image(marks, width, below - top), (0, 2 * top))
    return sheet


def drawn_as_svg(marks: Sequence[Mark], width: int, height: int) -> str:
    """Return marks as an SVG document."""
    return _document("".join(map(_svg, marks)), width, height)


def drawn_as_image(marks: Sequence[Mark], width: int, height: int) -> Image.Image:
    """Return marks as an image of twice the size in pixels, on white."""
    scale = 2 * _SUPERSAMPLED
    sheet = Image.new("RGB", (width * scale, height * scale), "white")
    for mark in marks:
        _draw(sheet, ImageDraw.Draw(sheet), mark, scale)
    return sheet.resize((2 * width, 2 * height), Image.Resampling.LANCZOS)


def _document(body: str, width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="{_SIZE}" color="{_INK}">{body}</svg>'
    )


def _stacked(panels: Sequence[Panel], width: int) -> tuple[list[tuple[int, list[Mark]]], int]:
    """Return the top of each panel and what is drawn in it, and the height of all."""
    found: list[tuple[int, list[Mark]]] = []
    top = 0
    for panel in panels:
        marks, height = _marks(panel.figure, width)
        if panel.title:
            found.append((top, [Label(_LEFT, _SIZE + 4, panel.title, "start")]))
            top += _ROW
        found.append((top, marks))
        top += height
    return found, top


def _marks(figure: Figure, width: int) -> tuple[list[Mark], int]:
    """Return what is drawn, and the height."""
    layout = figure["layout"]
    traces = [each for each in figure["data"] if each.get("visible", True) is True]
    entries = list(dict.fromkeys((_text(each["name"]), _look(each)) for each in traces if each.get("showlegend", True)))
    legend = _legend(entries, width) if layout.get("showlegend") else []
    height = int(layout["height"]) + len(legend) * _ROW
    bottom = height - _BOTTOM - len(legend) * _ROW
    x_axis = _Axis(layout["xaxis"], [v for each in traces for v in each["x"]], _LEFT, width - _RIGHT)
    y_axis = _Axis(layout["yaxis"], [v for each in traces for v in each["y"]], bottom, _TOP)
    marks: list[Mark] = []
    for value, text in x_axis.ticks:
        marks.append(Line([(x_axis.at(value), _TOP), (x_axis.at(value), bottom)], _GRID, 1))
        marks.append(Label(x_axis.at(value), bottom + 17, text))
    for value, text in y_axis.ticks:
        marks.append(Line([(_LEFT, y_axis.at(value)), (width - _RIGHT, y_axis.at(value))], _GRID, 1))
        marks.append(Label(_LEFT - 7, y_axis.at(value) + 4, text, "end"))
    marks.append(Label((_LEFT + width - _RIGHT) / 2, bottom + 36, x_axis.title))
    marks.append(Label(15, (_TOP + bottom) / 2, y_axis.title, turned=True))
    for trace in traces:
        marks += _trace(trace, x_axis, y_axis)
    for number, row in enumerate(legend):
        for x, text, look in row:
            y = height - (len(legend) - number) * _ROW + 8
            marks.append(Dot(x + 5, y, 4, look[0], look[2]) if look[1] == "dots" else _sample_line(x, y, look))
            marks.append(Label(x + 20, y + 4, text, "start"))
    return marks, height


class _Axis:
    """An axis from its layout and values: from values to pixels, and its ticks."""

    def __init__(self, layout: dict[str, Any], values: Sequence[Any], start: float, end: float) -> None:
        self.title = _text(layout.get("title", {}).get("text", ""))
        self._log = layout.get("type") == "log"
        self._start, self._end = start, end
        usable = [float(v) for v in values if v is not None and math.isfinite(v) and (v > 0 or not self._log)]
        low, high = (min(usable), max(usable)) if usable else (0.0, 1.0)
        margin = 0.04 * (self._of(high) - self._of(low)) or 0.5
        self._low, self._high = self._of(low) - margin, self._of(high) + margin

    def _of(self, value: float) -> float:
        return math.log10(value) if self._log else value

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self._start + (self._of(value) - self._low) / (self._high - self._low) * (self._end - self._start)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Values with their texts, 1, 2 and 5 times powers of ten apart; on a log axis, powers and their parts."""
        if self._log:
            decades = range(math.floor(self._low) - 1, math.ceil(self._high) + 1)
            marks = (1,) if self._high - self._low > 3 else (1, 2, 5)
            values = [mark * 10.0**decade for decade in decades for mark in marks]
            return [(v, f"{v:,.10g}") for v in values if self._low <= math.log10(v) <= self._high]
        step = 10.0 ** math.floor(math.log10((self._high - self._low) / _TICKS))
        step *= next(mark for mark in (1, 2, 5, 10) if (self._high - self._low) / (mark * step) <= _TICKS)
        places = max(0, -math.floor(math.log10(step)))
        first, last = math.ceil(self._low / step), math.floor(self._high / step)
        return [(n * step, f"{n * step:,.{places}f}".replace("-", "−")) for n in range(first, last + 1)]


def _look(trace: dict[str, Any]) -> tuple[str, str, bool]:
    """Return a trace's colour, whether it is `dots` or the name of a line's dash, and whether the dots are rings."""
    line, marker = trace.get("line", {}), trace.get("marker", {})
    if "lines" in trace["mode"]:
        return line.get("color", _INK), line.get("dash", "solid"), False
    return marker.get("color", _INK), "dots", str(marker.get("symbol", "")).endswith("open")


def _trace(trace: dict[str, Any], x_axis: _Axis, y_axis: _Axis) -> Iterator[Mark]:
    colour, dash, ring = _look(trace)
    pieces: list[list[Point]] = [[]]
    for x, y in zip(trace["x"], trace["y"], strict=True):
        if x is None or y is None:
            pieces.append([])  # a value that is not finite interrupts a line
        else:
            pieces[-1].append((x_axis.at(x), y_axis.at(y)))
    for piece in pieces:
        if "lines" in trace["mode"] and len(piece) > 1:
            yield Line(piece, colour, float(trace.get("line", {}).get("width", 1.6)), _DASHES.get(dash))
        if "markers" in trace["mode"] or ("lines" in trace["mode"] and len(piece) == 1):
            radius = float(trace.get("marker", {}).get("size", 6)) / 2
            yield from (Dot(x, y, radius, colour, ring) for x, y in piece)


def _sample_line(x: float, y: float, look: tuple[str, str, bool]) -> Line:
    return Line([(x - 2, y), (x + 14, y)], look[0], 2, _DASHES.get(look[1]))


def _legend(
    entries: Sequence[tuple[str, tuple[str, str, bool]]], width: int
) -> list[list[tuple[float, str, tuple[str, str, bool]]]]:
    """Return the rows of the legend: where each entry begins, its text and its look."""
    rows: list[list[tuple[float, str, tuple[str, str, bool]]]] = [[]]
    x = float(_LEFT)
    for text, look in entries:
        needed = 38 + 7 * len(text)
        if x + needed > width and rows[-1]:
            rows.append([])
            x = float(_LEFT)
        rows[-1].append((x, text, look))
        x += needed
    return rows if rows[0] else []


def _text(text: str) -> str:
    return html.unescape(text)


def _svg(mark: Mark) -> str:
    if isinstance(mark, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
        dash = f' stroke-dasharray="{mark.dash[0]} {mark.dash[1]}"' if mark.dash else ""
        name = ' class="gridline"' if mark.colour == _GRID else ""
        return (
            f'<polyline{name} points="{points}" fill="none" stroke="{mark.colour}" stroke-width="{mark.width}"{dash}/>'
        )
    if isinstance(mark, Dot):
        fill = f'fill="none" stroke="{mark.colour}"' if mark.ring else f'fill="{mark.colour}" fill-opacity="0.75"'
        return f'<circle cx="{mark.x:.1f}" cy="{mark.y:.1f}" r="{mark.radius:.1f}" {fill}/>'
    turn = f' transform="rotate(-90 {mark.x:.1f} {mark.y:.1f})"' if mark.turned else ""
    return (
        f'<text x="{mark.x:.1f}" y="{mark.y:.1f}" text-anchor="{mark.anchor}" fill="currentColor"{turn}>'
        f"{html.escape(mark.text)}</text>"
    )


def _draw(sheet: Image.Image, pen: ImageDraw.ImageDraw, mark: Mark, scale: int) -> None:
    if isinstance(mark, Line):
        points = [(x * scale, y * scale) for x, y in mark.points]
        for piece in _dashed(points, mark.dash, scale) if mark.dash else [points]:
            pen.line(piece, fill=mark.colour, width=max(1, round(mark.width * scale)), joint="curve")
    elif isinstance(mark, Dot):
        r = mark.radius * scale
        box = (mark.x * scale - r, mark.y * scale - r, mark.x * scale + r, mark.y * scale + r)
        pen.ellipse(box, outline=mark.colour, width=scale) if mark.ring else pen.ellipse(box, fill=mark.colour)
    elif mark.text:
        font = ImageFont.load_default(size=_SIZE * scale)
        if not mark.turned:
            anchor = {"start": "ls", "middle": "ms", "end": "rs"}[mark.anchor]
            pen.text((mark.x * scale, mark.y * scale), mark.text.replace("−", "-"), fill=_INK, font=font, anchor=anchor)
            return
        strip = Image.new("RGB", (int(font.getlength(mark.text)) + scale, 2 * _SIZE * scale), "white")
        ImageDraw.Draw(strip).text((0, 1.4 * _SIZE * scale), mark.text, fill=_INK, font=font, anchor="ls")
        strip = strip.rotate(90, expand=True)
        sheet.paste(strip, (max(0, int(mark.x * scale - 1.4 * _SIZE * scale)), int(mark.y * scale - strip.height / 2)))


def _dashed(points: Sequence[Point], dash: tuple[int, int], scale: int) -> Iterator[list[Point]]:
    """Yield the drawn pieces of a dashed line."""
    on, off = dash[0] * scale, dash[1] * scale
    position = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        length, done = math.hypot(x1 - x0, y1 - y0), 0.0
        while done < length:
            phase = position % (on + off)
            step = min(length - done, (on if phase < on else on + off) - phase)
            if phase < on:
                ends = ((done / length), (done + step) / length)
                yield [(x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in ends]
            done, position = done + max(step, 1e-6), position + max(step, 1e-6)
