"""`zoo.show`: rows of images, and pictures that notebooks show and `save` writes as PNG or SVG. Imports no torch."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.errors import ConfigError
from zoo.files.storage import write_atomically
from zoo.report.drawing import Panel, to_image, to_svg
from zoo.report.grid import as_pixels, labelled, tile

SUFFIXES = (".png", ".svg")
_SIDE = 56  # least number of pixels of an image's longer side


@dataclass(frozen=True)
class Picture:
    """A picture: a notebook shows it, and `save` writes it.

    Attributes:
        content: an image, or charts.
        title: what is shown, one line.
    """

    content: Image.Image | Sequence[Panel]
    title: str = ""

    @cached_property
    def image(self) -> Image.Image:
        """The picture in pixels."""
        return self.content if isinstance(self.content, Image.Image) else to_image(self.content)

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG document; the pixels of an image are embedded."""
        if not isinstance(self.content, Image.Image):
            return to_svg(self.content)
        width, height = self.content.size
        data = base64.b64encode(self._repr_png_()).decode("ascii")
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}"><title>{html.escape(self.title)}</title>'
            f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/></svg>'
        )

    def save(self, path: str | Path) -> Path:
        """Write the picture in the format of the suffix, `.png` or `.svg`, and return the path.

        Raises:
            ConfigError: for another suffix.
            ZooError: if the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"A picture must end in {' or '.join(SUFFIXES)}, got {path.name!r}.")
        write_atomically(path, self.svg.encode() if path.suffix.lower() == ".svg" else self._repr_png_())
        return path

    def _repr_png_(self) -> bytes:
        """Return the picture for a notebook; charts, which have few colours, with a palette of 256."""
        buffer = io.BytesIO()
        image = self.image if self.image is self.content else self.image.quantize(256, Image.Quantize.FASTOCTREE)
        image.save(buffer, format="PNG")
        return buffer.getvalue()


def show(images: Any, *, rows: int | None = None, title: str = "") -> Picture:
    """Arrange images in rows.

    Args:
        images: a tensor or array of shape (N, H, W), (N, 1, H, W) or (N, 3, H, W), values in [0, 1], others are
            clipped; or a mapping from labels to such arrays, one row each, with its label on the left.
        rows: number of rows of a single array; None makes it about square.
        title: what is shown.

    Raises:
        ConfigError: for data that are not images, no images, rows below 1, or rows with a mapping.
    """
    if isinstance(images, Mapping):
        if rows is not None:
            raise ConfigError("A mapping has one row for each label; leave rows out.")
        strips = [(str(label), as_pixels(_array(each))) for label, each in images.items()]
        if not strips or any(len(pixels) == 0 for _, pixels in strips):
            raise ConfigError("There must be at least one image in every row.")
        return Picture(labelled(strips), title)
    pixels = as_pixels(_array(images))
    if len(pixels) == 0 or (rows is not None and rows < 1):
        raise ConfigError(f"There must be at least one image and one row, got {len(pixels)} images and {rows} rows.")
    columns = -(-len(pixels) // rows) if rows else round(len(pixels) ** 0.5)
    return Picture(tile(pixels, columns, side=_SIDE), title)


def _array(images: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """Return images as an array; tensors on any device are copied."""
    return np.asarray(images.detach().cpu() if hasattr(images, "detach") else images)
