"""Image grids of the report: samples, pairs, paths between codes and maps, each as a PNG inside the page."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.report.grid import as_pixels, tile
from zoo.report.pictures import CELL, Arrays, beside, data_uri
from zoo.report.table_view import ordered
from zoo.results.schema import Results

_COLUMNS = 16  # samples in a row; there are two rows of each


@dataclass(frozen=True)
class Picture:
    """An image grid: its `data:` address, caption and alternative text."""

    source: str
    caption: str
    description: str


def galleries(results: Results, pictures: dict[str, Arrays]) -> dict[str, list[Picture]]:
    """Return the image grids of each section, real images first."""
    names = [row.contestant for row in ordered(results, "real", "contestant", "control")]
    shown = {name: pictures[name] for name in names if name in pictures}
    found = {
        "samples": [_grid(each, name, "samples", _COLUMNS) for name, each in shown.items() if "samples" in each],
        "neighbours": [_pairs(each, name, "samples", "nearest") for name, each in shown.items() if "nearest" in each],
        "reconstructions": [
            _pairs(each, name, "originals", "reconstructions")
            for name, each in shown.items()
            if "reconstructions" in each
        ],
        "interpolations": [
            _rows(each, name, "interpolation") for name, each in shown.items() if "interpolation" in each
        ],
        "traversals": [_rows(each, name, "traversal") for name, each in shown.items() if "traversal" in each],
        "sample_paths": [_rows(each, name, "path") for name, each in shown.items() if "path" in each],
        "maps": [_rows(each, name, "map") for name, each in shown.items() if "map" in each],
    }
    return {section: _once(each) for section, each in found.items()}


def _once(pictures: list[Picture]) -> list[Picture]:
    """Show equal pictures once, under the names of all: contestants that share a training share what it decodes."""
    found: dict[str, list[Picture]] = {}
    for picture in pictures:
        found.setdefault(picture.source, []).append(picture)
    return [
        Picture(source, ", ".join(each.caption for each in equal), equal[0].description)
        for source, equal in found.items()
    ]


def _grid(arrays: Arrays, name: str, key: str, columns: int) -> Picture:
    images = arrays[key][: 2 * columns]
    sheet = tile(as_pixels(images), min(columns, len(images)), side=CELL, gap=2, clear=True)
    return Picture(data_uri(sheet), name, f"{len(images)} {key} of {name}")


def _pairs(arrays: Arrays, name: str, left: str, right: str) -> Picture:
    pairs = beside(as_pixels(arrays[left]), as_pixels(arrays[right]))
    sheet = tile(pairs, min(4, len(pairs)), side=1, gap=6, clear=True)
    return Picture(data_uri(sheet), name, f"{len(pairs)} pairs of {name}: {left} on the left, {right} on the right")


def _rows(arrays: Arrays, name: str, key: str) -> Picture:
    images = arrays[key]
    flat = images.reshape(-1, *images.shape[2:])
    gap = 0 if key == "map" else 2
    sheet = tile(as_pixels(flat), images.shape[1], side=CELL, gap=gap, clear=True)
    return Picture(data_uri(sheet), name, f"{key} of {name}, {images.shape[0]} rows of {images.shape[1]}")
