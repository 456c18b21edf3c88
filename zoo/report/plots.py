"""The plots of `zoo plot` and `model.plot`: each a picture of the arrays of a `*.pictures.npz`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.errors import ConfigError, Unsupported, did_you_mean
from zoo.report import charts
from zoo.report.drawing import Panel
from zoo.report.grid import as_pixels, labelled, tile
from zoo.report.pictures import IMAGES, Arrays, is_image, scaled
from zoo.report.show import Picture, show

#: kinds of plots, and what each shows
KINDS = {
    "curves": "training and validation losses by epoch",
    "samples": "samples of each contestant, real images first",
    "reconstructions": "test images above their reconstructions",
    "interpolation": "the decoder on the line between the codes of two test images",
    "path": "samples on their way from noise",
    "codes": "the codes of test images by class, and drawn codes over them",
}
#: kinds that few models have: that one is missing is said only where it was asked for
RARE = ("path",)
_SHOWN = 16  # images in a row


def plot(kind: str, arrays: Mapping[str, Arrays]) -> Picture:
    """Return the picture of a kind, of contestants by their names.

    Raises:
        ConfigError: for an unknown kind.
        Unsupported: if no contestant has them.
    """
    check_kind(kind)
    having = {name: its for name, its in arrays.items() if kind in its}
    if not having:
        raise Unsupported(f"There is no plot of {kind} here: {KINDS[kind]} need {_NEEDS[kind]}.")
    if kind == "codes":
        return Picture([Panel(name, figure) for name, its in having.items() if (figure := charts.codes(its))], "codes")
    if kind == "samples":
        if len(having) == 1:
            ((name, its),) = having.items()
            return show(its["samples"], title=f"samples of {name}")
        return show({name: its["samples"][:_SHOWN] for name, its in having.items()}, title="samples")
    if kind == "reconstructions":
        originals = next(iter(having.values()))["originals"]
        rows = {"test images": originals} | {name: its["reconstructions"] for name, its in having.items()}
        return show(rows, title="reconstructions")
    return _rows(kind, having)


def curves(logs: Mapping[str, Sequence[Sequence[Path]]]) -> Picture:
    """Return the losses of trainings by epoch, from their logs by name: for each seed one file, or several.

    Raises:
        Unsupported: if no log has two epochs.
        CheckpointError: if a log is damaged.
    """
    lines = {
        name: [[line for file in files for line in charts.read_log(file)] for files in its]
        for name, its in logs.items()
    }
    found = [(name, charts.losses(its)) for name, its in lines.items()]
    drawn = [Panel(name, figure) for name, figure in found if figure]
    if not drawn:
        raise Unsupported("There is no plot of curves here: they need a log of two epochs or more.")
    return Picture(drawn, "losses")


def check_kind(kind: str) -> None:
    """Raise `ConfigError` for an unknown kind of plot."""
    if kind not in KINDS:
        raise ConfigError(f"No plot {kind!r}.{did_you_mean(kind, KINDS)} Plots: {', '.join(KINDS)}.")


def as_images(arrays: Arrays, shape: tuple[int, ...], support: str) -> Arrays:
    """Return arrays without those of images if the examples are no images; real values are scaled to [0, 1]."""
    if not is_image(shape):
        return {key: each for key, each in arrays.items() if key not in IMAGES}
    return scaled({"": arrays})[""] if support == "real" else arrays


_NEEDS = {
    "samples": "images and a model that can sample",
    "reconstructions": "images and a model that encodes",
    "interpolation": "images and codes between which there is a line",
    "path": "images and a model that samples step by step",
    "codes": "codes of two dimensions or more",
}


def _rows(kind: str, having: Mapping[str, Arrays]) -> Picture:
    """Stack the rows of images of each contestant."""
    sheets = []
    for name, its in having.items():
        paths = its[kind]
        sheet = tile(as_pixels(paths.reshape(-1, *paths.shape[2:])), paths.shape[1])
        sheets.append((name, np.asarray(sheet)[None]))
    if len(sheets) == 1:
        return Picture(Image.fromarray(sheets[0][1][0]), f"{kind} of {sheets[0][0]}")
    return Picture(labelled(sheets), kind)
