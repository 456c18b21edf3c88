"""The pictures of one contestant of a comparison, in one `.npz`: those of its model, its samples, and the training
images nearest to them. The keys are in `docs/results-schema.md`.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.errors import Unsupported
from zoo.evaluation.evaluation import Evaluation
from zoo.files.storage import write_atomically
from zoo.models.pictures import SHOWN, made, model_arrays

_NEAREST = 16  # samples beside their nearest training image


def save_pictures(path: Path, evaluation: Evaluation, seed: int) -> None:
    """Write the arrays of one contestant; a picture that fails is left out."""
    arrays = made(_samples, evaluation) | made(_nearest, evaluation) | made(_classes, evaluation)
    if evaluation.model is not None:
        arrays |= model_arrays(evaluation.model, evaluation.data, seed)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def _samples(evaluation: Evaluation) -> dict[str, Any]:
    """The first samples."""
    return {"samples": evaluation.samples[:SHOWN]}


def _nearest(evaluation: Evaluation) -> dict[str, Any]:
    """The training image nearest to each of the first samples in the feature space, both as the samples are."""
    distances = torch.cdist(evaluation.returned_features[:_NEAREST], evaluation.train_features)
    return {"nearest": evaluation.data.train[distances.argmin(1)]}


def _classes(evaluation: Evaluation) -> dict[str, Any]:
    """Shares of the classes that the linear discriminant of the metric `classes` predicts for the samples.

    `confusion` has a row of them for each class that samples were drawn for.
    """
    labels = evaluation.data.train_labels
    if labels is None or len(labels.unique()) < 2:
        raise Unsupported("needs data with labels of at least two classes")
    names, classes, counts = labels.unique(return_inverse=True, return_counts=True)
    x, fake = evaluation.features(evaluation.train_bits), evaluation.sample_features
    means = torch.stack([x[classes == c].mean(0) for c in range(len(names))])  # (K, d)
    within = x - means[classes]
    W = torch.linalg.pinv(within.T @ within / len(x), hermitian=True) @ means.T
    predicted = (fake @ W - 0.5 * (means.T * W).sum(0) + (counts / len(x)).log()).argmax(1)  # (M,)
    one_hot = torch.nn.functional.one_hot(predicted, len(names)).double()
    found: dict[str, Any] = {"class_names": names, "class_shares": one_hot.mean(0)}
    if evaluation.labels is not None:
        of_class = [one_hot[evaluation.labels == name] for name in names]
        found["confusion"] = torch.stack([rows.mean(0) if len(rows) else torch.zeros(len(names)) for rows in of_class])
    return found
