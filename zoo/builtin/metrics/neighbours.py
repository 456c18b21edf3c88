"""Nearest training images. Those of real images are cached in files, because all contestants share them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.distances import nearest, neighbour_distances
from zoo.builtin.metrics.sets import once

_VERSION = 2  # of this file; cache files of other versions are ignored


def train_neighbours(evaluation: zoo.Evaluation) -> Tensor:
    """Return the distance of each training image to its nearest other one, for `evaluation.train_features`.

    Distances are in the feature space, float64, shape (N,). They are read from `ZOO_CACHE`, or computed and written
    there; a damaged file is replaced.

    Raises:
        ZooError: if the file cannot be written.
    """
    shape = (len(evaluation.data.train),)
    return _cached("train", evaluation, shape, lambda: neighbour_distances(evaluation.train_features))


def held_out_neighbours(evaluation: zoo.Evaluation) -> tuple[Tensor, Tensor]:
    """Return distance and index of the training image nearest to each reference image, cached as in `train_neighbours`.

    Shapes (N,).
    """

    def compute() -> Tensor:
        apart, which = nearest(evaluation.held_out_features, evaluation.train_features)
        return torch.stack([apart, which.double()])

    reference = evaluation.reference.contiguous()
    name = f"held-out-{hashlib.sha256(reference.numpy().tobytes()).hexdigest()[:16]}"
    apart, which = _cached(name, evaluation, (2, len(reference)), compute)
    return apart, which.long()


@once
def sample_neighbours(evaluation: zoo.Evaluation) -> tuple[Tensor, Tensor]:
    """Return distance and index of the training image nearest to each sample, as returned; shapes (M,)."""
    return nearest(evaluation.returned_features, evaluation.train_features)


def _cached(name: str, evaluation: zoo.Evaluation, shape: tuple[int, ...], compute: Callable[[], Tensor]) -> Tensor:
    data, space = evaluation.data.sha256[:16], evaluation.features.sha256[:16]
    form = "bits" if evaluation.returns_bits else "as-they-are"
    path = zoo.cache_folder("neighbours") / f"{name}-v{_VERSION}-{data}-{space}-{form}.npy"
    found = _read(path, shape)
    if found is None:
        found = compute()
        file = io.BytesIO()
        np.save(file, found.numpy())
        zoo.write_atomically(path, file.getvalue())
    return found


def _read(path: Path, shape: tuple[int, ...]) -> Tensor | None:
    """Read cached distances; None if the file is missing or damaged."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if not isinstance(found, np.ndarray) or found.dtype != np.float64 or found.shape != shape:
        return None
    return torch.from_numpy(found) if bool((found >= 0).all()) else None
