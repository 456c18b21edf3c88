"""Pictures: images in a grid, and a comparison as one row of samples per contestant. Imports no torch."""

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

Pixels = NDArray[np.uint8]

_SIDE = 56  # pixels of a sample's longer side, at least
_GAP = 4
_WHITE = 255
_SHOWN = 16  # samples of each contestant


def as_pixels(images: NDArray[Any]) -> Pixels:
    """Images as bytes, shape (N, H, W, 3).

    Args:
        images: shape (N, H, W) or (N, C, H, W) with C 1 or 3, values in [0, 1]; what lies outside is clipped.

    Raises:
        ConfigError: for any other shape, which is no picture.
    """
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ConfigError(
            f"A picture needs examples of shape (H, W), (1, H, W) or (3, H, W), got {images.shape[1:]}; "
            "write .npy or .npz."
        )
    colours = np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images
    return np.asarray(np.rint(np.clip(colours, 0, 1) * 255), dtype=np.uint8).transpose(0, 2, 3, 1)


def tile(pixels: Pixels, columns: int, *, side: int = _SIDE, gap: int = _GAP, clear: bool = False) -> Image.Image:
    """Images in rows of `columns`, each enlarged by a whole factor until its longer side has `side` pixels.

    Args:
        pixels: shape (N, H, W, 3).
        columns: images in a row.
        side: pixels of an image's longer side, at least.
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
    """Write a picture atomically."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    write_atomically(path, buffer.getvalue())


def save_grid(folder: Path, results: dict[str, Any]) -> Path | None:
    """Write `samples.png`: real test images, then a row of samples per contestant, of its first seed.

    Returns:
        Its path; None for data that are no images.
    """
    pictures = load_pictures(folder, results)
    shown = [
        (row["contestant"], as_pixels(samples[:_SHOWN]))
        for row in ordered(results, "real", "contestant", "control")
        if (samples := pictures.get(row["contestant"], {}).get("samples")) is not None
    ]
    if not shown:
        return None
    path = folder / "samples.png"
    write_png(_labelled(shown), path)
    return path


def _labelled(rows: list[tuple[str, Pixels]]) -> Image.Image:
    """Rows of images with their labels on the left."""
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
