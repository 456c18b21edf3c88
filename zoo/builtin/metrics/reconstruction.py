"""1/m Σᵢ ‖xᵢ - decode(encode(xᵢ))‖²: the reconstruction error of test images. It does not measure generation."""

from __future__ import annotations

import torch

import zoo

_BLOCK = 1024  # images at a time, as many as a model encodes in one call


class Reconstruction:
    """The reconstruction error on grayscale test images with mean codes, for all models alike."""

    card = zoo.MetricCard(
        name="reconstruction",
        title="reconstruction error",
        summary="squared error of decode(encode(x)), summed over an image's values, mean over the test images",
        direction="lower",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """1/m Σᵢ Σⱼ (x̂ᵢⱼ - xᵢⱼ)² over the m test images; real-valued data in standardised units."""
        if evaluation.model is None:
            raise zoo.Unsupported("bare samples have no encoder")
        standardise, y = evaluation.data.standardise, evaluation.test_y()
        errors = []
        for rows in torch.arange(len(evaluation.data.test)).split(_BLOCK):
            x = evaluation.data.test[rows]
            error = standardise(evaluation.model.reconstruct(x, None if y is None else y[rows])) - standardise(x)
            errors.append(error.double().square().flatten(1).sum(1))
        return torch.cat(errors).mean().item()
