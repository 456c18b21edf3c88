"""Authenticity: the share of samples that are farther from their nearest training example t than t's nearest neighbour.

    A = 1/M Σⱼ 1[d(fⱼ, t) > d(t, its nearest other training example)],   t: the training example nearest to fⱼ

Ties and copies are not authentic. New samples of the training distribution do not have A = 1: how often a new point is
that near depends on the dimension (in one dimension A is 1/3) and on the data. The table therefore shows A of the
samples minus A of held-out real examples.

Reference: Alaa et al. (2022), How Faithful is your Synthetic Data? Sample-level Metrics for Evaluating and Auditing
Generative Models, arXiv:2102.08921.
"""

from __future__ import annotations

import math

from torch import Tensor

import zoo
from zoo.builtin.metrics.distances import TIE, nearest, neighbour_distances
from zoo.builtin.metrics.neighbours import held_out_neighbours, sample_neighbours, train_neighbours
from zoo.builtin.metrics.sets import checked_sets, refuse_enumerated


def authenticity(train: Tensor, fake: Tensor, neighbours: Tensor | None = None) -> float:
    """Compute A of fakes, in [0, 1].

    Args:
        train, fake: features, shapes (N, d) and (M, d), N at least 2.
        neighbours: distance of each training example to its nearest other one, shape (N,); None computes it.

    Raises:
        ValueError: if the numbers of columns differ, a set has too few rows, or values are not finite.
    """
    train, fake = checked_sets(1, train=train, fake=fake)
    if neighbours is None:
        neighbours = neighbour_distances(train)
    if neighbours.shape != train.shape[:1]:
        raise ValueError(f"neighbours must have shape ({len(train)},), one per row of train, got {neighbours.shape}")
    return _authentic(*nearest(fake, train), neighbours)


def _authentic(distance: Tensor, t: Tensor, neighbours: Tensor) -> float:
    """A from the distance d(fⱼ, t) and the index t of each fake's nearest training example."""
    return float((distance > TIE * neighbours[t]).double().mean())


class Authenticity:
    """Whether samples are as far from training examples as held-out real examples are."""

    card = zoo.MetricCard(
        name="authenticity",
        title="authenticity",
        summary="share of samples that are not near-copies of training examples, minus that of held-out real examples; "
        "below 0: memorisation",
        direction="none",
        level="full",
        paper="arXiv:2102.08921",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """A(samples) - A(reference) of the features of samples as returned, with its binomial standard error."""
        refuse_enumerated(evaluation.data)
        if len(evaluation.data.train) < 2:
            raise zoo.Unsupported("needs at least two training examples")
        neighbours = train_neighbours(evaluation)
        found = sample_neighbours(evaluation), held_out_neighbours(evaluation)
        A, baseline = (_authentic(distance, t, neighbours) for distance, t in found)
        stderr = math.sqrt(sum(p * (1 - p) / len(t) for p, (_, t) in zip((A, baseline), found, strict=True)))
        note = f"samples {A:.3f}, held-out real examples {baseline:.3f}"
        return zoo.Measurement(A - baseline, stderr=stderr, note=note)
