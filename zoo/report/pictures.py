"""Loading a comparison's pictures, and embedding images in the page as PNG data. Imports no torch."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.errors import CheckpointError, DataError
from zoo.files.npy import read_arrays
from zoo.files.path_inside import path_inside
from zoo.results.schema import Results

CELL = 28  # least number of pixels of an image's longer side
Arrays = dict[str, NDArray[Any]]
#: arrays of images in a `*.pictures.npz`; the other arrays are codes
IMAGES = ("samples", "nearest", "originals", "reconstructions", "interpolation", "traversal", "map", "path")
_TEXTS = ("code_labels", "codes_axes")  # may contain texts
_ROWS = ("interpolation", "traversal", "map", "path")


def load_pictures(folder: Path, results: Results) -> dict[str, Arrays]:
    """Load each contestant's arrays; images are scaled to [0, 1], and left out if the data are not images."""
    files = {name: path_inside(folder, path) for name, path in results.pictures.items() if path}
    data = results.protocol.data
    shape = tuple(data.shape)
    found = {name: _load(path, shape) for name, path in files.items() if path.is_file()}
    if not is_image(shape):
        return {name: {key: arrays[key] for key in arrays if key not in IMAGES} for name, arrays in found.items()}
    if data.support == "real":
        return scaled(found)
    return found


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether examples of this shape are images: (H, W), (1, H, W) or (3, H, W)."""
    return len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))


def data_uri(image: Image.Image) -> str:
    """Encode an image as a small PNG in a `data:` address, with a single channel if it is grayscale."""
    if image.mode in ("RGB", "RGBA") and _is_grayscale(image):
        image = image.convert("LA" if image.mode == "RGBA" else "L")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def beside(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put pairs of images side by side with a thin gray line between, enlarged by an integer factor to 28 pixels.

    Shape (N, H, W, 3) twice becomes (N, sH, 2sW + 2, 3).
    """
    count, scale = min(len(left), len(right)), -(-CELL // max(left.shape[1:3]))
    a, b = (each[:count].repeat(scale, axis=1).repeat(scale, axis=2) for each in (left, right))
    return np.concatenate([a, np.full((*a.shape[:2], 2, 3), 128, dtype=np.uint8), b], axis=2)


def _load(path: Path, shape: tuple[int, ...]) -> Arrays:
    """Load the arrays of a file and check their shapes against `docs/results-schema.md`.

    Raises:
        CheckpointError: if the file is damaged or not a picture file.
    """
    try:
        arrays = read_arrays(path)
    except DataError as error:
        raise CheckpointError(str(error)) from None
    count = len(arrays["codes"]) if "codes" in arrays and arrays["codes"].ndim else 0
    classes = len(arrays["class_names"]) if "class_names" in arrays and arrays["class_names"].ndim else 0
    plane = {
        "codes": (None, 2),
        "drawn_codes": (None, 2),
        "code_labels": (count,),
        "codes_axes": (),
        "map_axes": (2, None),
    }
    plane |= {"class_names": (None,), "class_shares": (classes,), "confusion": (classes, classes)}
    for name, array in arrays.items():
        rows = (None, None) if name in _ROWS else (None,)
        wanted = (*rows, *shape) if name in IMAGES else plane.get(name, array.shape)
        if not (_has_sides(array, wanted) and (_are_numbers(array) or (name in _TEXTS and array.dtype.kind == "U"))):
            sides = ", ".join("…" if side is None else str(side) for side in wanted)
            raise CheckpointError(f"{path}: {name} must have shape ({sides}) and finite numbers, got {array.shape}.")
    return arrays


def _has_sides(array: NDArray[Any], wanted: tuple[int | None, ...]) -> bool:
    """Whether an array has these sides; None matches any side but 0."""
    return len(array.shape) == len(wanted) and all(
        side == other or (other is None and side > 0) for side, other in zip(array.shape, wanted, strict=True)
    )


def _are_numbers(array: NDArray[Any]) -> bool:
    """Whether all values are finite numbers."""
    return array.dtype.kind in "biuf" and bool(np.isfinite(array).all())


def scaled(found: dict[str, Arrays]) -> dict[str, Arrays]:
    """Scale real-valued images so that the range of all contestants' samples becomes [0, 1]."""
    samples = [arrays["samples"] for arrays in found.values() if "samples" in arrays]
    low = min((float(each.min()) for each in samples), default=0.0)
    span = max((float(each.max()) for each in samples), default=1.0) - low or 1.0
    return {
        name: {key: (each - low) / span if key in IMAGES else each for key, each in arrays.items()}
        for name, arrays in found.items()
    }


def _is_grayscale(image: Image.Image) -> bool:
    colours = np.asarray(image)[..., :3]
    return bool((colours == colours[..., :1]).all())
