"""Image grids as PNG, and `samples.png` with a row of samples per contestant. Imports no torch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zoo.errors import ConfigError
from zoo.files.storage import write_atomically
from zoo.report.pictures import load_pictures
from zoo.report.table_view import ordered
from zoo.results.schema import Results

Pixels = NDArray[np.uint8]

_SIDE = 56  # least number of pixels of a sample's longer side
_GAP = 4
_WHITE = 255
_SHOWN = 16  # samples of each contestant


def as_pixels(images: NDArray[Any]) -> Pixels:
    """Convert images to bytes, shape (N, H, W, 3).

    Args:
        images: shape (N, H, W) or (N, C, H, W) with C 1 or 3, values in [0, 1]; others are clipped.

    Raises:
        ConfigError: for any other shape.
    """
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ConfigError(
            "Only examples of shape (H, W), (1, H, W) or (3, H, W) can be written as an image, "
            f"got {images.shape[1:]}; write .npy or .npz."
        )
    colours = np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images
    return np.asarray(np.rint(np.clip(colours, 0, 1) * 255), dtype=np.uint8).transpose(0, 2, 3, 1)


def tile(pixels: Pixels, columns: int, *, side: int = _SIDE, gap: int = _GAP, clear: bool = False) -> Image.Image:
    """Arrange images in rows of `columns`, each enlarged by an integer factor to at least `side` pixels.

    Args:
        pixels: shape (N, H, W, 3).
        columns: number of images in a row.
        side: least number of pixels of an image's longer side.
        gap: pixels between images and around them.
        clear: whether the gaps are transparent instead of white.
    """
    count, height, width, _ = pixels.shape
    scale = max(1, -(-side // max(height, width)))
    height, width = height * scale, width * scale
    size = gap + columns * (width + gap), gap + -(-count // columns) * (height + gap)
    sheet = Image.new("RGBA", size, (255, 255, 255, 0)) if clear else Image.new("RGB", size, (_WHITE,) * 3)
    for number, each in enumerate(pixels):
        picture = Image.fromarray(each).resize((width, height), Image.Resampling.NEAREST)
        row, column = divmod(number, columns)
        sheet.paste(picture, (gap + column * (width + gap), gap + row * (height + gap)))
    return sheet


def write_png(image: Image.Image, path: Path) -> None:
    """Write an image atomically."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    write_atomically(path, buffer.getvalue())


def save_grid(folder: Path, results: Results) -> Path | None:
    """Write `samples.png`: a row of real test images, then a row of samples of each contestant's first seed.

    Returns:
        Its path; None if the data are not images.
    """
    pictures = load_pictures(folder, results)
    shown = [
        (row.contestant, as_pixels(samples[:_SHOWN]))
        for row in ordered(results, "real", "contestant", "control")
        if (samples := pictures.get(row.contestant, {}).get("samples")) is not None
    ]
    if not shown:
        return None
    path = folder / "samples.png"
    write_png(labelled(shown), path)
    return path


def labelled(rows: list[tuple[str, Pixels]]) -> Image.Image:
    """Stack rows of images, with their labels on the left.

    Args:
        rows: labels, and images of shape (N, H, W, 3).
    """
    strips = [(label, tile(pixels, len(pixels))) for label, pixels in rows]
    font = ImageFont.load_default(size=16)
    margin = 16 + max(int(font.getlength(label)) for label, _ in strips)
    width = margin + max(strip.width for _, strip in strips)
    sheet = Image.new("RGB", (width, sum(strip.height for _, strip in strips)), (_WHITE,) * 3)
    pen, top = ImageDraw.Draw(sheet), 0
    for label, strip in strips:
        pen.text((8, top + strip.height // 2), label, fill=(0, 0, 0), font=font, anchor="lm")
        sheet.paste(strip, (margin, top))
        top += strip.height
    return sheet
