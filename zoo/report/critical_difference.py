"""The critical-difference diagram: contestants on an axis of mean ranks; bars join those that may be alike by chance.

Reference: Demšar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, figure 1.
"""

from __future__ import annotations

from PIL.Image import Image

from zoo.report.drawing import Label as Text
from zoo.report.drawing import Line, Mark, drawn_as_image, drawn_as_svg
from zoo.results.ranks import ColumnRanks

_INK, _ACCENT = "#3a3f45", "#20639b"
_WIDTH, _SIDE = 900, 290  # pixels; of names on either side
_AXIS, _ROW, _BAR = 62, 22, 7  # height of the axis, of a name and of a bar


def diagram_svg(column: ColumnRanks) -> str:
    """Return the diagram of a column with a critical difference as an SVG document."""
    return drawn_as_svg(*_drawn(column))


def diagram_image(column: ColumnRanks) -> Image:
    """Return the diagram as an image of twice the size in pixels."""
    return drawn_as_image(*_drawn(column))


def _drawn(column: ColumnRanks) -> tuple[list[Mark], int, int]:
    """Return what is drawn, the width and the height; the best rank is on the left."""
    assert column.critical_difference is not None
    names = list(column.ranks)
    worst = len(names)

    def at(rank: float) -> float:
        return _SIDE + (rank - 1) / (worst - 1) * (_WIDTH - 2 * _SIDE)

    marks: list[Mark] = [Line([(at(1), _AXIS), (at(worst), _AXIS)], _INK, 1.4)]
    for rank in range(1, worst + 1):
        marks += [Line([(at(rank), _AXIS - 6), (at(rank), _AXIS)], _INK), Text(at(rank), _AXIS - 10, str(rank))]
    end = at(1 + column.critical_difference)
    marks += [Line([(at(1), 24), (end, 24)], _ACCENT, 2)]
    marks += [Line([(x, 19), (x, 29)], _ACCENT, 2) for x in (at(1), end)]
    marks.append(Text(at(1), 13, f"critical difference {column.critical_difference:.2f} at 95 %", "start"))
    for number, group in enumerate(column.groups):
        y = _AXIS + 10 + number * _BAR
        marks.append(Line([(at(column.ranks[group[0]]) - 4, y), (at(column.ranks[group[-1]]) + 4, y)], _ACCENT, 4))
    top, left = _AXIS + 24 + len(column.groups) * _BAR, (worst + 1) // 2
    for place, name in enumerate(names):
        is_left = place < left
        y = top + (place if is_left else worst - 1 - place) * _ROW
        x, edge = at(column.ranks[name]), _SIDE - 10 if is_left else _WIDTH - _SIDE + 10
        marks.append(Line([(x, _AXIS), (x, y), (edge, y)], _INK, 1))
        text = f"{name}  {column.ranks[name]:.2f}" if is_left else f"{column.ranks[name]:.2f}  {name}"
        marks.append(Text(edge - 5 if is_left else edge + 5, y + 4, text, "end" if is_left else "start"))
    return marks, _WIDTH, int(top + left * _ROW + 6)
