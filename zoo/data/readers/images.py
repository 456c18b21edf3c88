"""Folders of images of one size, grayscale or RGB; subfolders are classes, or splits named train, val and test.

Photographs are turned upright as their EXIF orientation says.
"""

from __future__ import annotations

import warnings
from itertools import chain
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.contents import WHOLE, Contents, Part, split_name
from zoo.data.formats import IMAGES as SUFFIXES
from zoo.data.options import NONE, FileOptions
from zoo.errors import DataError, clause

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # for any extension; other decoders stay off
_LARGEST = 4096  # pixels per side
_MOST = 2**34  # bytes of all images together
_CHANNELS = {"1": 1, "L": 1, "RGB": 3, "P": 3}  # by Pillow mode; a palette image is read as RGB
_TRANSPARENT = {"LA": 1, "La": 1, "PA": 3, "RGBA": 3, "RGBa": 3}  # over a background
_CONVERTED = ("CMYK", "YCbCr", "LAB", "HSV")  # with channels=1 or channels=3
_ORIENTATION, _ON_ITS_SIDE = 0x0112, 5  # EXIF; from 5 on, width and height are exchanged


def read(path: Path, options: FileOptions) -> Contents:
    """Read the images of a folder; its subfolders train, val and test are splits, and other subfolders classes."""
    if options.labels not in ("", NONE):
        raise DataError(f"{path}: labels of an image folder come from its subfolders; remove labels={options.labels}.")
    if options.channels in ("first", "last"):
        raise DataError(f"{path}: channels of images must be 1 (gray) or 3 (RGB), got {options.channels}.")
    homes = _splits(path)
    parts = _read(homes or {WHOLE: path}, path, options)
    if options.labels == NONE:
        parts = {split: Part(part.x) for split, part in parts.items()}
    notes = (f"splits of the folder: {', '.join(home.name for home in homes.values())}",) if homes else ()
    labelled = next(iter(parts.values())).labels is not None
    return Contents(parts, (), (*notes, *(("subfolders are classes",) if labelled else ())))


def _splits(folder: Path) -> dict[str, Path]:
    """Return the subfolders that are splits, in the order train, valid, test; {} if there are none.

    Raises:
        DataError: if some subfolders with images are splits and others are not.
    """
    inside = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    inside = [each for each in inside if any(_is_image(file, folder) for file in each.rglob("*"))]
    found = {split_name(each.name): each for each in inside if split_name(each.name)}
    if "train" not in found or len(found) < 2:
        return {}
    if len(found) < len(inside):
        raise DataError(
            f"{folder} has subfolders of splits beside others: {', '.join(each.name for each in inside)}; keep only "
            "the splits, or rename them if they are classes."
        )
    return {split: found[split] for split in ("train", "valid", "test") if split in found}


def _read(homes: dict[str, Path], folder: Path, options: FileOptions) -> dict[str, Part]:
    """Read the images of several folders in the order of their paths, skipping hidden files and other extensions.

    Returns:
        Bytes of shape (N, H, W) if all are grayscale, otherwise (N, 3, H, W) with grayscale repeated over the
        channels; and the names of the subfolders as classes, or None without subfolders.

    Raises:
        DataError: without any image, or if sizes differ, or an image is corrupt, truncated, too large, animated, or not
            8-bit grayscale or RGB. All headers are checked before the first image is decoded.
    """
    files = {split: _images(home) for split, home in homes.items()}
    every = [file for each in files.values() for file in each]
    classes = {split: _classes(files[split], home) for split, home in homes.items()}
    if len({labels is None for labels in classes.values()}) > 1:
        raise DataError(f"{folder} must have subfolders of classes in all of its splits, or in none.")
    shapes = [_shape(path, options) for path in every]
    for path, shape in zip(every, shapes, strict=True):
        if shape[1:] != shapes[0][1:]:
            both = f"{every[0].name} is {_size(shapes[0])} and {path.name} {_size(shape)}"
            raise DataError(
                f"{folder} must contain images of one size: {both} (width × height); "
                f"size={shapes[0][2]}x{shapes[0][1]} resizes them."
            )
    whole = (len(every), max(channels for channels, *_ in shapes), *shapes[0][1:])
    if prod(whole) > _MOST:
        raise DataError(f"{folder} contains {prod(whole):,} bytes of pixels; the limit is {_MOST:,}.")
    x = np.empty(whole, np.uint8)
    for place, path in enumerate(every):
        x[place] = _pixels(path, options)
    x = x[:, 0] if whole[1] == 1 else x
    cuts = np.cumsum([len(each) for each in files.values()])[:-1]
    return {split: Part(part, classes[split]) for split, part in zip(homes, np.split(x, cuts), strict=True)}


def _images(folder: Path) -> list[Path]:
    """Return the images of a folder and its subfolders, sorted; deeper levels are not searched."""
    depths = (folder.glob("/".join("*" * depth)) for depth in (1, 2, 3))
    files = [path for path in sorted(chain(*depths)) if _is_image(path, folder)]
    if not files:
        raise DataError(f"{folder} contains no images ({', '.join(SUFFIXES)}).")
    return files


def _classes(files: list[Path], folder: Path) -> NDArray[np.str_] | None:
    homes = [path.relative_to(folder).parts[:-1] for path in files]
    if len({len(home) for home in homes}) > 1 or len(homes[0]) > 1:
        raise DataError(f"{folder} must contain images, or one subfolder of images per class, not both or deeper ones.")
    return np.array([home[0] for home in homes]) if homes[0] else None


def _is_image(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in SUFFIXES and path.is_file()


def _shape(path: Path, options: FileOptions) -> tuple[int, int, int]:
    """Read channels, height and width from an image's header, as the options change them."""
    with _opened(path) as image:
        frames = _frames(image, path)
        if max(image.size) > _LARGEST:
            raise DataError(f"{path} is {image.width} × {image.height} pixels; the limit is {_LARGEST} per side.")
        transparent = image.mode in _TRANSPARENT or "transparency" in image.info
        if transparent and options.background == "found":
            raise DataError(
                f"{path} has transparent pixels; background=white or background=black says what lies behind them."
            )
        known = _CHANNELS | _TRANSPARENT
        if image.mode in _CONVERTED and options.channels == "found":
            raise DataError(f"{path} has the mode {image.mode}; channels=3 converts it to RGB, channels=1 to gray.")
        if image.mode not in (*known, *_CONVERTED):
            raise DataError(f"{path} must be 8-bit grayscale or RGB, got mode {image.mode}; convert it.")
        if frames != 1:
            raise DataError(f"{path} must be a single image, got {frames} frames.")
        channels = known[image.mode] if options.channels == "found" else int(options.channels)
        width, height = options.size or _upright(image)
        return channels, height, width


def _upright(image: Image) -> tuple[int, int]:
    """Return width and height after the turn that EXIF asks for."""
    width, height = image.size
    return (height, width) if _orientation(image) >= _ON_ITS_SIDE else (width, height)


def _orientation(image: Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF: viewers show the image as it is
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _frames(image: Image, path: Path) -> int:
    """Count the frames of a file; Pillow reads the header of each."""
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception as error:  # Pillow's decoders raise many kinds
        raise DataError(f"{path} is corrupt or truncated: {clause(error)}.") from None


def _pixels(path: Path, options: FileOptions) -> NDArray[np.uint8]:
    """Decode an image to bytes, shape (1, H, W) or (3, H, W)."""
    from PIL import ImageOps

    with _opened(path) as image:
        try:
            if _orientation(image) != 1:
                ImageOps.exif_transpose(image, in_place=True)
            channels = (_CHANNELS | _TRANSPARENT | dict.fromkeys(_CONVERTED, 3))[image.mode]
            channels = channels if options.channels == "found" else int(options.channels)
            opaque = _over(image, options.background) if options.background != "found" else image
            converted = opaque.convert("L" if channels == 1 else "RGB")
            if options.size:
                width, height = options.size
                converted = ImageOps.fit(converted, (width, height))
            values: Any = np.asarray(converted)
        except Exception as error:  # Pillow's decoders raise many kinds
            raise DataError(f"{path} is corrupt or truncated: {clause(error)}.") from None
    pixels: NDArray[np.uint8] = values[None] if channels == 1 else values.transpose(2, 0, 1)
    return pixels


def _over(image: Image, background: str) -> Image:
    """Return an image laid over a background of one colour; opaque images are returned as they are."""
    import PIL.Image

    if image.mode not in _TRANSPARENT and "transparency" not in image.info:
        return image
    layer = image.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, background), layer).convert("RGB")


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
