"""Folders of images of one size, grayscale or RGB; subfolders are classes."""

from __future__ import annotations

import warnings
from itertools import chain
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError, clause

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # for any extension; other decoders stay off
_LARGEST = 4096  # pixels per side
_MOST = 2**34  # bytes of all images together
_CHANNELS = {"1": 1, "L": 1, "RGB": 3, "P": 3}  # by Pillow mode; a palette image is read as RGB


def read_folder(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    """Read all images of a folder in the order of their paths, skipping hidden files and other extensions.

    Args:
        folder: contains images, or one subfolder of images per class.

    Returns:
        Bytes of shape (N, H, W) if all are grayscale, otherwise (N, 3, H, W) with grayscale repeated over the
        channels; and the classes, numbered in the order of the subfolders' names, or None without subfolders.

    Raises:
        DataError: without any image, or if sizes differ, or an image is corrupt, truncated, too large, animated, or not
            8-bit grayscale or RGB. All headers are checked before the first image is decoded.
    """
    depths = (folder.glob("/".join("*" * depth)) for depth in (1, 2, 3))  # deeper levels are not searched
    files = [path for path in sorted(chain(*depths)) if _is_image(path, folder)]
    if not files:
        raise DataError(f"{folder} contains no images ({', '.join(SUFFIXES)}).")
    homes = [path.relative_to(folder).parts[:-1] for path in files]
    if len({len(home) for home in homes}) > 1 or len(homes[0]) > 1:
        raise DataError(f"{folder} must contain images, or one subfolder of images per class, not both or deeper ones.")
    shapes = [_shape(path) for path in files]
    for path, shape in zip(files, shapes, strict=True):
        if shape[1:] != shapes[0][1:]:
            both = f"{files[0].name} is {_size(shapes[0])} and {path.name} {_size(shape)}"
            raise DataError(f"{folder} must contain images of one size: {both} (width × height).")
    whole = (len(files), max(channels for channels, *_ in shapes), *shapes[0][1:])
    if prod(whole) > _MOST:
        raise DataError(f"{folder} contains {prod(whole):,} bytes of pixels; the limit is {_MOST:,}.")
    x = np.empty(whole, np.uint8)
    for place, path in enumerate(files):
        x[place] = _pixels(path)
    classes = np.unique([home[0] for home in homes], return_inverse=True)[1].astype(np.int64) if homes[0] else None
    return x[:, 0] if whole[1] == 1 else x, classes


def _is_image(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in SUFFIXES and path.is_file()


def _shape(path: Path) -> tuple[int, int, int]:
    """Read channels, height and width from an image's header."""
    with _opened(path) as image:
        frames = _frames(image, path)
        if max(image.size) > _LARGEST:
            raise DataError(f"{path} is {image.width} × {image.height} pixels; the limit is {_LARGEST} per side.")
        if image.mode not in _CHANNELS or "transparency" in image.info:
            kind = "transparent pixels" if "transparency" in image.info else f"mode {image.mode}"
            raise DataError(f"{path} must be 8-bit grayscale or RGB without transparency, got {kind}; convert it.")
        if frames != 1:
            raise DataError(f"{path} must be a single image, got {frames} frames.")
        return _CHANNELS[image.mode], image.height, image.width


def _frames(image: Image, path: Path) -> int:
    """Count the frames of a file; Pillow reads the header of each."""
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception as error:  # Pillow's decoders raise many kinds
        raise DataError(f"{path} is corrupt or truncated: {clause(error)}.") from None


def _pixels(path: Path) -> NDArray[np.uint8]:
    """Decode an image to bytes, shape (1, H, W) or (3, H, W)."""
    with _opened(path) as image:
        grayscale = _CHANNELS[image.mode] == 1
        try:
            values: Any = np.asarray(image.convert("L" if grayscale else "RGB"))
        except Exception as error:  # Pillow's decoders raise many kinds
            raise DataError(f"{path} is corrupt or truncated: {clause(error)}.") from None
    pixels: NDArray[np.uint8] = values[None] if grayscale else values.transpose(2, 0, 1)
    return pixels


def _opened(path: Path) -> Image:
    """Open an image, reading its header but not its pixels."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(path, formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{path} decodes to far too many pixels; the limit is {_LARGEST} per side.") from None
    except UnidentifiedImageError:
        raise DataError(f"{path} is not an image, despite its extension.") from None
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or clause(error)}.") from None
    except Exception as error:  # Pillow's decoders raise many kinds
        raise DataError(f"{path} is corrupt or truncated: {clause(error)}.") from None


def _size(shape: tuple[int, int, int]) -> str:
    return f"{shape[2]} × {shape[1]}"
