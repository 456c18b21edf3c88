"""Arrays for pictures of a model, as in a `*.pictures.npz`: reconstructions, paths between codes, maps of codes.

What a model does not support or fails at is left out: pictures never cost a result.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.dataset import Data
from zoo.errors import DivergedError, Unsupported
from zoo.models.model import Model
from zoo.models.plane import Plane, flattened, principal_axes
from zoo.runtime.randomness import bernoulli, generator
from zoo.runtime.seeds import BITS_SEED

SHOWN = 64  # samples
ORIGINALS = 16  # originals beside their reconstructions
_PATHS, _POINTS = 6, 9  # interpolations and traversals, and images of each
_CODES = 1000  # in the map of codes
_SPAN = 2.5  # standard deviations of the codes on either side in a traversal and a map
_SIDE = 15  # images of a map's side


def model_arrays(model: Model, data: Data, seed: int) -> dict[str, NDArray[Any]]:
    """Return the pictures of a trained model on the test split: everything but samples."""
    found: dict[str, NDArray[Any]] = {}
    for part in (_reconstructions, _codes, _map, _interpolations, _traversals, _sample_paths):
        found |= made(part, model, data, seed)
    return found


def sample_arrays(model: Model, seed: int) -> dict[str, NDArray[Any]]:
    """Return the first samples of a trained model."""
    return made(lambda: {"samples": model.sample(SHOWN, seed=seed)})


def made(part: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, NDArray[Any]]:
    """Return the finite arrays of one kind of picture; none if the model does not support it, or fails.

    The traceback of a failure goes to standard error, which is a job's log.
    """
    try:
        found = {key: np.asarray(value) for key, value in part(*arguments).items()}
        for key, array in found.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise DivergedError(f"the picture {key!r} is not finite")
    except Unsupported:
        return {}
    except KeyboardInterrupt:
        raise
    except BaseException:  # a plugin may raise anything, and its figures are complete without this picture
        traceback.print_exc()
        return {}
    return found


def _reconstructions(model: Model, data: Data, seed: int) -> dict[str, Any]:
    """Test images and decode(encode(x)) with mean codes."""
    x = data.test[:ORIGINALS]
    return {"originals": x, "reconstructions": model.reconstruct(x, _test_y(model, data, ORIGINALS))}


def _interpolations(model: Model, data: Data, seed: int) -> dict[str, Any]:
    """Straight lines between the mean codes of two test images, shape (paths, points, *shape).

    A conditional model decodes them as examples of the first image's class.
    """
    y = _test_y(model, data, 2 * _PATHS)
    z = model.encode(data.test[: 2 * _PATHS], y)
    _refuse_indices(model)
    paths = len(z) // 2  # fewer in a small test split
    start, end = z[:paths], z[paths : 2 * paths]
    of = None if y is None else y[:paths]
    return {"interpolation": _decoded(model, [torch.lerp(start, end, t) for t in torch.linspace(0, 1, _POINTS)], of)}


def _traversals(model: Model, data: Data, seed: int) -> dict[str, Any]:
    """One test image's code, moved along the leading principal axes of the test split's codes, 2.5 sd either way."""
    if model.plugin.card.latent != "real":
        raise Unsupported("only real-valued codes can be moved along an axis")
    y = _test_y(model, data, _CODES)
    z, of = model.encode(data.test[:_CODES], y), None if y is None else y[0]
    flat = flattened(z)
    axes, deviations = principal_axes(flat)
    steps = torch.linspace(-_SPAN, _SPAN, _POINTS, dtype=torch.float64)
    paths = []
    for axis, deviation in list(zip(axes.T, deviations, strict=True))[:_PATHS]:
        middle = flat[0] - axis * (axis @ (flat[0] - flat.mean(0)))  # its own value on the other axes
        paths.append(middle + torch.outer(steps * deviation, axis))  # (points, D)
    points = torch.stack(paths, dim=1).float()  # (points, paths, D)
    return {"traversal": _decoded(model, [each.reshape(-1, *z.shape[1:]) for each in points], of)}


def _sample_paths(model: Model, data: Data, seed: int) -> dict[str, Any]:
    """The first samples on their way from noise, shape (paths, points, *shape), both ends included."""
    states = model.sample_path(_PATHS, seed=seed)
    chosen = torch.linspace(0, len(states) - 1, min(len(states), _POINTS)).round().long()
    return {"path": states[chosen].transpose(0, 1)}


def _codes(model: Model, data: Data, seed: int) -> dict[str, Any]:
    """Draws of the codes of test images and the codes that the sampler draws, on the first two axes of the former."""
    if model.plugin.card.latent not in ("real", "bits"):
        raise Unsupported("only vectors can be drawn on a map")
    real = _drawn_codes_of_data(model, data, seed)
    plane = Plane.through(real)
    found: dict[str, Any] = {"codes": plane.of(real), "codes_axes": plane.title}
    if data.test_labels is not None:
        found["code_labels"] = data.test_labels[:_CODES]
    with contextlib.suppress(Unsupported):
        found["drawn_codes"] = plane.of(model.sample_codes(len(real), seed=seed))
    return found


def _map(model: Model, data: Data, seed: int) -> dict[str, Any]:
    """Decoded points of a grid in the plane of the codes, 2.5 standard deviations around their mean, from the top down.

    A conditional model decodes them as examples of the first image's class. `map_axes` are the grid's coordinates,
    across and up.
    """
    if model.plugin.card.latent != "real":
        raise Unsupported("only real-valued codes have others between them")
    real = _drawn_codes_of_data(model, data, seed)
    plane, y = Plane.through(real), _test_y(model, data, 1)
    p = plane.of(real)
    across, up = (p.mean(0) + _SPAN * p.std(0) * torch.linspace(-1, 1, _SIDE, dtype=p.dtype)[:, None]).T
    rows = [plane.at(torch.stack([across, height.expand(_SIDE)], dim=1)).float() for height in up.flip(0)]
    images = _decoded(model, [row.reshape(-1, *real.shape[1:]) for row in rows], None if y is None else y[0])
    return {"map": images.transpose(0, 1), "map_axes": torch.stack([across, up])}


def _drawn_codes_of_data(model: Model, data: Data, seed: int) -> Tensor:
    """Draws of the codes of test images."""
    return model.encode(_test_as_trained(model, data)[:_CODES], _test_y(model, data, _CODES), seed=seed)


def _test_y(model: Model, data: Data, n: int) -> Tensor | None:
    """Return the classes of the first n test examples, if the model is conditional."""
    return data.test_labels[:n] if model.is_conditional and data.test_labels is not None else None


def _test_as_trained(model: Model, data: Data) -> Tensor:
    """Return the test split in the form the model was trained on: the bits on which likelihoods are measured, or it."""
    return bernoulli(data.test, generator(BITS_SEED, "bits of the test")) if model.trains_on_bits else data.test


def _decoded(model: Model, codes: list[Tensor], y: Tensor | None) -> Tensor:
    """Images of a list of batches of codes, shape (batch, list, *shape); y are the classes of every batch."""
    return torch.stack([model.decode(z, y) for z in codes], dim=1)


def _refuse_indices(model: Model) -> None:
    if model.plugin.card.latent not in ("real", "bits"):
        raise Unsupported("there is nothing between two indices")
