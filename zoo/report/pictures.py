"""The pictures of a comparison as PNG data in the page: grids of images, and images in pairs. Imports no torch."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CELL = 28  # pixels of an image's longer side, at least
Arrays = dict[str, NDArray[Any]]
#: arrays of images in a `*.pictures.npz`; the others are codes
IMAGES = ("samples", "nearest", "originals", "reconstructions", "interpolation", "traversal", "map")


def load_pictures(folder: Path, results: dict[str, Any]) -> dict[str, Arrays]:
    """The arrays of each contestant that has some; the images only of data that are images, scaled to [0, 1]."""
    files = {name: folder / path for name, path in results["pictures"].items() if path}
    found = {name: _load(path) for name, path in files.items() if path.exists()}
    data = results["protocol"]["data"]
    shape = tuple(data["shape"])
    if not is_image(shape):
        return {name: {key: arrays[key] for key in arrays if key not in IMAGES} for name, arrays in found.items()}
    if data["support"] == "real":
        return _scaled(found)
    return found


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether examples of this shape are pictures: (H, W), (1, H, W) or (3, H, W)."""
    return len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))


def data_uri(image: Image.Image) -> str:
    """A picture as a small PNG in a `data:` address: one channel of grey where it has no colours."""
    if image.mode == "RGBA" and _is_grey(image):
        image = image.convert("LA")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def beside(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pairs of images with a thin grey line between them, enlarged by a whole factor until a side has 28 pixels.

    Shape (N, H, W, 3) twice becomes (N, sH, 2sW + 2, 3).
    """
    count, scale = min(len(left), len(right)), -(-CELL // max(left.shape[1:3]))
    a, b = (each[:count].repeat(scale, axis=1).repeat(scale, axis=2) for each in (left, right))
    return np.concatenate([a, np.full((*a.shape[:2], 2, 3), 128, dtype=np.uint8), b], axis=2)


def _load(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def _scaled(found: dict[str, Arrays]) -> dict[str, Arrays]:
    """Real-valued images with the range of all samples shown as black to white, the same for every contestant."""
    samples = [arrays["samples"] for arrays in found.values() if "samples" in arrays]
    low = min((float(each.min()) for each in samples), default=0.0)
    span = max((float(each.max()) for each in samples), default=1.0) - low or 1.0
    return {
        name: {key: (each - low) / span if key in IMAGES else each for key, each in arrays.items()}
        for name, arrays in found.items()
    }


def _is_grey(image: Image.Image) -> bool:
    colours = np.asarray(image)[..., :3]
    return bool((colours == colours[..., :1]).all())
