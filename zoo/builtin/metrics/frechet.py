"""The Fréchet distance between two sets of features: the distance of two Gaussians with their moments.

    FD = |m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁^½ C₂ C₁^½)^½)

the squared 2-Wasserstein distance between N(m₁, C₁) and N(m₂, C₂), in squared units of the features. Two samples of
size N from one N(m, I_d) have an expected FD of (2d + d(d+1)/2) / N to first order in 1/N, not 0. The jackknife removes
this bias, so that sets of different sizes are comparable: samples of the distribution of the test set have an expected
corrected FD near 0, and a single one can be below 0.

References: Heusel et al. (2017), GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium,
arXiv:1706.08500, with features of an Inception network; here with those of `zoo.evaluation.features`. Chong and Forsyth
(2020), Effectively Unbiased FID and Inception Score and where to find them, arXiv:1911.07023.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.jackknife import corrected, standard_error, without_each_group
from zoo.builtin.metrics.sets import checked_sets, real_and_fake, refuse_enumerated, refuse_few


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """FD between the means and unbiased covariances of two sets of features.

    Args:
        x, y: features, shapes (N, d) and (M, d), N and M at least 2.

    Raises:
        ValueError: if the numbers of columns differ, a set has too few rows, or values are not finite.
    """
    x, y = checked_sets(2, x=x, y=y)
    return _gaussian(x).distance(_gaussian(y))


def corrected_frechet_distance(x: Tensor, y: Tensor) -> float:
    """Bias-corrected FD; FD itself with fewer than 40 rows in either set."""
    x, y = checked_sets(2, x=x, y=y)
    return _corrected(_gaussians(x), _gaussians(y))


def frechet_from_moments(m1: Tensor, C1: Tensor, m2: Tensor, C2: Tensor) -> float:
    """|m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁^½ C₂ C₁^½)^½) for means of shape (d,) and covariances of shape (d, d).

    The trace of the last root is the sum of the singular values of C₁^½ C₂^½, also for singular covariances.
    """
    return _Gaussian.of(m1.double(), C1.double()).distance(_Gaussian.of(m2.double(), C2.double()))


def _covariance(x: Tensor) -> Tensor:
    """1/(N-1) Σᵢ (xᵢ - m)(xᵢ - m)ᵀ, shape (d, d)."""
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)


class _Gaussian(NamedTuple):
    """N(m, C), as FD needs it."""

    mean: Tensor  # (d,)
    root: Tensor  # C^½, (d, d)
    trace: Tensor  # of C

    @classmethod
    def of(cls, m: Tensor, C: Tensor) -> _Gaussian:
        """The Gaussian of a mean and a symmetric positive semi-definite covariance."""
        eigenvalues, V = torch.linalg.eigh(C)
        return cls(m, (V * eigenvalues.clamp(min=0).sqrt()) @ V.T, C.trace())

    def distance(self, other: _Gaussian) -> float:
        """FD."""
        cross = torch.linalg.svdvals(self.root @ other.root).sum()
        distance = (self.mean - other.mean).square().sum() + self.trace + other.trace - 2 * cross
        return max(float(distance), 0.0)  # rounding can give a few ulp below 0 for equal moments


def _gaussian(x: Tensor) -> _Gaussian:
    """The Gaussian with the mean and covariance of the rows of x."""
    return _Gaussian.of(x.mean(0), _covariance(x))


def _gaussians(x: Tensor) -> tuple[_Gaussian, ...]:
    """The Gaussian of all rows, then those without each group of rows; with fewer than 40 rows only the first."""
    return _gaussian(x), *without_each_group(_gaussian, x)


def _corrected(x: tuple[_Gaussian, ...], y: tuple[_Gaussian, ...]) -> float:
    """Bias-corrected FD, or FD itself where groups are missing."""
    whole = x[0].distance(y[0])
    left_out = [a.distance(b) for a, b in zip(x[1:], y[1:], strict=False)]
    return corrected(whole, left_out) if left_out else whole


class Frechet:
    """The headline metric: samples against test images, both as bits for data in [0, 1]."""

    card = zoo.MetricCard(
        name="frechet",
        title="Fréchet distance",
        summary="between features of samples and of test images, both as bits on [0, 1] data; bias-corrected: 0 for a "
        "perfect model, up to noise",
        direction="lower",
        level="headline",
        paper="arXiv:1706.08500",
        ideal=0.0,
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Bias-corrected FD between the features of samples and reference, with the jackknife errors of both.

        With fewer than 40 rows in either set, FD is not corrected, and says so.
        """
        real, fake = real_and_fake(evaluation, least=2)
        fake, real = checked_sets(2, fake=fake, real=real)
        x, y = _gaussians(fake), _gaussians(real)
        return zoo.Measurement(
            _corrected(x, y),
            stderr=standard_error([each.distance(y[0]) for each in x[1:]]),
            left_out=tuple(x[0].distance(each) for each in y[1:]),
            note="" if min(len(x), len(y)) > 1 else "too few samples or test images to correct the bias",
        )


class FrechetGrey:
    """The secondary column: means against grayscale images. It rewards appearance, and ranks models differently."""

    card = zoo.MetricCard(
        name="frechet-grey",
        title="Fréchet distance (grayscale)",
        summary="between features of returned means and of grayscale test images: appearance, not distribution",
        direction="lower",
        paper="arXiv:1706.08500",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """Bias-corrected FD between the features of the samples as returned and of the grayscale reference.

        Samples of only 0 and 1 are draws, not means: even a perfect model's draws are far from grayscale images.
        """
        refuse_enumerated(evaluation.data)
        x = evaluation.samples
        if evaluation.data.spec.support != "unit":
            raise zoo.Unsupported(f"{evaluation.data.spec.support} data have no grayscale values; see frechet")
        if ((x == 0) | (x == 1)).all():
            raise zoo.Unsupported("samples are bits, not means to compare with grayscale images")
        refuse_few(evaluation, 2)
        fake, real = evaluation.features(x), evaluation.features(evaluation.reference)
        return corrected_frechet_distance(fake, real)


class _Elsewhere:
    """The Fréchet distance in another feature space, to see whether the order of models depends on the space."""

    space: str

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """Bias-corrected FD between samples and reference, as compared, in the other space."""
        refuse_enumerated(evaluation.data)
        refuse_few(evaluation, 2)
        φ = evaluation.features_in(self.space)
        fake, real = φ(evaluation.sample_bits), φ(evaluation.reference_bits)
        return corrected_frechet_distance(fake, real)


class FrechetSecond(_Elsewhere):
    """In the features of a classifier that was trained from other initial weights."""

    card = zoo.MetricCard(
        name="frechet-classifier-2",
        title="Fréchet distance (second classifier)",
        summary="in the features of a classifier from other initial weights: does the order of models hold?",
        direction="lower",
        level="full",
        paper="arXiv:1706.08500",
    )
    space = "classifier-2"


class FrechetComponents(_Elsewhere):
    """In the space of principal components, which needs no labels."""

    card = zoo.MetricCard(
        name="frechet-components",
        title="Fréchet distance (principal components)",
        summary="in the space of the leading principal components of the images: does the order of models hold?",
        direction="lower",
        level="full",
        paper="arXiv:1706.08500",
    )
    space = "components"
