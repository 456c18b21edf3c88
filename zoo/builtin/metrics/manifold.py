"""Precision, recall, density and coverage: fidelity and diversity of samples, from balls around each point.

B_k(x) is the closed ball around x up to its k-th nearest neighbour in the same set. With repeated rows the radius can
be 0; the ball then contains the rows equal to x. With real examples r₁…r_N and fakes f₁…f_M:

    precision = 1/M Σⱼ 1[fⱼ in some B_k(rᵢ)]        recall   = 1/N Σᵢ 1[rᵢ in some B_k(fⱼ)]
    density = 1/(kM) Σⱼ Σᵢ 1[fⱼ in B_k(rᵢ)]         coverage = 1/N Σᵢ 1[some fⱼ in B_k(rᵢ)]

Precision and recall are sensitive to outliers: the ball of one real outlier contains many samples, and the ball of one
stray sample many real examples. Density and coverage use the balls of real examples only. For two samples of one
distribution, the expected density is 1 and the expected coverage 1 - ∏ᵢ₌₁..ₖ (N - i)/(N + M - i).

References: Kynkäänniemi et al. (2019), Improved Precision and Recall Metric for Assessing Generative Models,
arXiv:1904.06991. Naeem et al. (2020), Reliable Fidelity and Diversity Metrics for Generative Models, arXiv:2002.09797.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.distances import TIE, neighbour_distances, reach, squares
from zoo.builtin.metrics.sets import checked_sets, matched, once

_K_PRECISION, _K_DENSITY = 3, 5  # as in the papers


class PrecisionRecall(NamedTuple):
    """The share of fakes inside the region of the real examples, and of real examples inside that of the fakes."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """The mean density of real examples at the fakes, 0 or more, and the share of real examples near a fake."""

    density: float
    coverage: float


def precision_recall(real: Tensor, fake: Tensor, k: int = _K_PRECISION) -> PrecisionRecall:
    """Precision and recall of fakes, shapes (N, d) and (M, d), with balls up to the k-th nearest neighbour.

    Raises:
        ValueError: if the numbers of columns differ, values are not finite, or a set has at most k rows.
    """
    real, fake = checked_sets(1, real=real, fake=fake)
    real_radii, fake_radii = TIE * neighbour_distances(real, k), TIE * neighbour_distances(fake, k)
    precise, recalled = torch.zeros(len(fake), dtype=torch.bool), torch.zeros(len(real), dtype=torch.bool)
    for rows, squared, real2, fake2 in squares(real, fake):
        precise |= (squared <= reach(real_radii[rows, None], real2)).any(0)
        recalled[rows] = (squared <= reach(fake_radii, fake2)).any(1)
    return PrecisionRecall(_share(precise), _share(recalled))


def density_coverage(real: Tensor, fake: Tensor, k: int = _K_DENSITY) -> DensityCoverage:
    """Density and coverage of fakes, shapes (N, d) and (M, d), with balls up to the k-th nearest neighbour.

    Raises:
        ValueError: if the numbers of columns differ, values are not finite, or there are at most k real rows.
    """
    real, fake = checked_sets(1, real=real, fake=fake)
    radii, within = TIE * neighbour_distances(real, k), torch.zeros(len(real), dtype=torch.int64)
    for rows, squared, real2, _ in squares(real, fake):
        within[rows] = (squared <= reach(radii[rows, None], real2)).sum(1)
    return DensityCoverage(int(within.sum()) / (k * len(fake)), _share(within > 0))


def _share(true: Tensor) -> float:
    return float(true.double().mean())


@once
def _precision_recall(evaluation: zoo.Evaluation) -> PrecisionRecall:
    return precision_recall(*matched(evaluation, least=_K_PRECISION + 1))


@once
def _density_coverage(evaluation: zoo.Evaluation) -> DensityCoverage:
    return density_coverage(*matched(evaluation, least=_K_DENSITY + 1))


class Density:
    """Whether samples lie where real examples are dense."""

    card = zoo.MetricCard(
        name="density",
        title="density",
        summary="density of real test examples around the samples: near 1 for a perfect model",
        direction="higher",
        level="full",
        paper="arXiv:2002.09797",
        limits=(
            "Fails the sanity checks 'better than real', 'one repeated sample', 'sphere', 'whole numbers'; see "
            "docs/trust.md.",
            "Balls are closed: with ties, as between bits, figures differ from those of open balls.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """Density with k = 5 between the features of reference and samples."""
        return _density_coverage(evaluation).density


class Coverage:
    """Whether each real example has samples nearby."""

    card = zoo.MetricCard(
        name="coverage",
        title="coverage",
        summary="share of real test examples with a sample among their neighbours: near 0.97 for a perfect model",
        direction="higher",
        level="full",
        paper="arXiv:2002.09797",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """Coverage with k = 5 between the features of reference and samples."""
        return _density_coverage(evaluation).coverage


class Precision:
    """Whether samples lie in the region of the real examples."""

    card = zoo.MetricCard(
        name="precision",
        title="precision",
        summary="share of samples inside the region of the real test examples; says nothing about variety",
        direction="higher",
        level="full",
        paper="arXiv:1904.06991",
        limits=(
            "Fails the sanity checks 'one repeated sample', 'outlier among real examples', 'invented modes', "
            "'hypercube', 'sphere', 'more samples'; see docs/trust.md.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """Precision with k = 3 between the features of reference and samples."""
        return _precision_recall(evaluation).precision


class Recall:
    """Whether real examples lie in the region of the samples."""

    card = zoo.MetricCard(
        name="recall",
        title="recall",
        summary="share of real test examples inside the region of the samples; a few stray samples raise it",
        direction="higher",
        level="full",
        paper="arXiv:1904.06991",
        limits=(
            "Fails the sanity checks 'mean shift', 'narrow samples', 'dropped modes', 'unequal shares', 'hypercube', "
            "'more samples'; see docs/trust.md.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """Recall with k = 3 between the features of reference and samples."""
        return _precision_recall(evaluation).recall
