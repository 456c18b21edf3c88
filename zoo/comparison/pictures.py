"""The pictures of one contestant of a comparison, in one `.npz`: those of its model, its samples, and the training
images nearest to them. The keys are in `docs/results-schema.md`.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.evaluation.evaluation import Evaluation
from zoo.files.storage import write_atomically
from zoo.models.pictures import SHOWN, made, model_arrays

_NEAREST = 16  # samples beside their nearest training image


def save_pictures(path: Path, evaluation: Evaluation, seed: int) -> None:
    """Write the arrays of one contestant; a picture that fails is left out."""
    arrays = made(_samples, evaluation) | made(_nearest, evaluation)
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
