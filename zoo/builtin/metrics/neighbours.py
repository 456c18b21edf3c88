"""Nearest-neighbour distances within the training split, cached in a file because all contestants share them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.distances import neighbour_distances

_VERSION = 1  # of this file; cache files of other versions are ignored


def train_neighbours(evaluation: zoo.Evaluation) -> Tensor:
    """Return distances in the feature space, float64, shape (N,), for `evaluation.train_features`.

    They are read from `ZOO_CACHE`, or computed and written there; a damaged file is replaced.

    Raises:
        ZooError: if the file cannot be written.
    """
    data, space = evaluation.data.sha256[:16], evaluation.features.sha256[:16]
    form = "bits" if evaluation.returns_bits else "as-they-are"
    path = zoo.cache_folder("neighbours") / f"neighbours-v{_VERSION}-{data}-{space}-{form}.npy"
    found = _read(path, len(evaluation.data.train))
    if found is None:
        found = neighbour_distances(evaluation.train_features)
        file = io.BytesIO()
        np.save(file, found.numpy())
        zoo.write_atomically(path, file.getvalue())
    return found


def _read(path: Path, count: int) -> Tensor | None:
    """Read cached distances; None if the file is missing or damaged."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if not isinstance(found, np.ndarray) or found.dtype != np.float64 or found.shape != (count,):
        return None
    return torch.from_numpy(found) if bool((found >= 0).all()) else None
