"""Maps of codes that decode without a server: decoded points of a grid in one image, of which a page shows one cell."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.report.grid import as_pixels, tile
from zoo.report.pictures import Arrays, data_uri


@dataclass(frozen=True)
class FrozenMap:
    """The decoded grid under a chart of codes.

    Attributes:
        chart: id of the chart.
        name: the contestant's.
        source: the `data:` address of the grid, K × K images without gaps, the top row first.
        side: K.
        ratio: width of one image over its height.
        across, up: least and greatest coordinate of the grid's points.
    """

    chart: str
    name: str
    source: str
    side: int
    ratio: float
    across: tuple[float, float]
    up: tuple[float, float]


def frozen_map(chart: str, name: str, arrays: Arrays) -> FrozenMap | None:
    """Return the map of a contestant; None without a decoded grid and its coordinates."""
    if "map" not in arrays or "map_axes" not in arrays:
        return None
    images, axes = arrays["map"], arrays["map_axes"]
    if images.shape[:2] != (axes.shape[1],) * 2:
        return None
    sheet = tile(as_pixels(images.reshape(-1, *images.shape[2:])), len(images), side=1, gap=0)
    across, up = ((float(each[0]), float(each[-1])) for each in axes)
    return FrozenMap(chart, name, data_uri(sheet), len(images), images.shape[-1] / images.shape[-2], across, up)
