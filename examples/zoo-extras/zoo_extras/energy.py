"""The metric `energy`: the energy distance between samples and test examples.

    E(X, Y) = 2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ ≥ 0, with equality only for equal distributions

Székely & Rizzo (2013), Energy statistics: A class of statistics based on distances, doi:10.1016/j.jspi.2013.03.018.
"""

from __future__ import annotations

import torch
from torch import Tensor

import zoo

_BLOCK = 500  # rows whose distances to all others are in memory at once


class Energy:
    """The energy distance between samples and test examples: bits, or standardised values."""

    card = zoo.MetricCard(
        name="energy",
        title="energy distance",
        summary="energy distance between samples and test examples",
        direction="lower",
        level="detail",
        paper="doi:10.1016/j.jspi.2013.03.018",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """Return the unbiased estimate, which may be slightly below 0."""
        return energy_distance(evaluation.sample_bits, evaluation.reference_bits)


def energy_distance(x: Tensor, y: Tensor) -> float:
    """Return the unbiased estimate from the rows of x, shape (N, …), and y, shape (M, …)."""
    x, y = x.flatten(1).double(), y.flatten(1).double()
    within = sum(_sum_of_distances(each, each) / (len(each) * (len(each) - 1)) for each in (x, y))
    return 2 * _sum_of_distances(x, y) / (len(x) * len(y)) - within


def _sum_of_distances(x: Tensor, y: Tensor) -> float:
    """Σᵢⱼ ‖xᵢ − yⱼ‖ over rows."""
    return sum(torch.cdist(block, y).sum().item() for block in x.split(_BLOCK))
