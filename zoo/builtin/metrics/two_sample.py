"""The classifier two-sample test: can a classifier trained on half of both sets separate the other halves?

    accuracy = 1/n Σᵢ 1[predicted label of zᵢ = its label],   p = P(Bin(n, ½) ≥ n · accuracy)

over the n held-out rows: 1/2 for equal distributions, 1 for separable ones. For N(0, 1) against N(δ, 1) no classifier
exceeds Φ(δ/2). The classifier is a logistic regression on the features and their pairwise products, which is optimal
between any two Gaussians; it sees means, scales and correlations. With more than 64 columns it uses only their squares.

Reference: Lopez-Paz and Oquab (2017), Revisiting Classifier Two-Sample Tests, arXiv:1610.06545.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.sets import checked_sets, real_and_fake

_SEED = 0  # choice of the halves; never used for training
_MOST_PAIRED = 64  # columns: 2,144 features
_PENALTY = 30.0  # λ of λ/2 |w|²: a prior of about 0.2 for each weight of standardised features


class TwoSampleTest(NamedTuple):
    """Accuracy on n held-out rows, and its p-value under the hypothesis of equal distributions.

    The classes of the held-out rows are balanced, so the binomial p-value is exact or slightly too large.
    """

    accuracy: float
    p_value: float
    n: int

    @property
    def stderr(self) -> float:
        """Standard error of the accuracy, sqrt(a (1 - a) / n)."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.n)


def c2st(real: Tensor, fake: Tensor) -> TwoSampleTest:
    """Train on a random half of either set and test on the rest; the halves are drawn with a fixed seed.

    Args:
        real, fake: features, both of shape (N, d), N at least 4.

    Raises:
        ValueError: if the shapes differ, a set has too few rows, or values are not finite.
    """
    from scipy.stats import binom
    from sklearn.linear_model import LogisticRegression

    real, fake = checked_sets(4, real=real, fake=fake)
    if len(real) != len(fake):
        raise ValueError(f"real and fake must have equal length, got {len(real)} and {len(fake)} rows; subsample one")
    half, halves = len(real) // 2, zoo.generator(_SEED, "halves of the two-sample test")
    sets = [z[torch.randperm(len(z), generator=halves)] for z in (real, fake)]
    seen, unseen = torch.cat([z[:half] for z in sets]), torch.cat([z[half:] for z in sets])
    labels = torch.arange(2).repeat_interleave(half)
    seen, unseen = _standardised(*map(_products, _standardised(seen, unseen)))
    classifier = LogisticRegression(C=1 / _PENALTY, max_iter=1000).fit(seen.numpy(), labels.numpy())
    truth = torch.arange(2).repeat_interleave(len(unseen) // 2)
    right = int((torch.from_numpy(classifier.predict(unseen.numpy())) == truth).sum())
    return TwoSampleTest(right / len(unseen), float(binom.sf(right - 1, len(unseen), 0.5)), len(unseen))


def _standardised(seen: Tensor, unseen: Tensor) -> tuple[Tensor, Tensor]:
    """(z - m) / s with mean and standard deviation of the training rows; s = 1 for constant columns."""
    m, s = seen.mean(0), seen.std(0, correction=0)
    s = s.masked_fill(s <= 1e-9 * (1 + m.abs()), 1)
    return (seen - m) / s, (unseen - m) / s


def _products(z: Tensor) -> Tensor:
    """The columns and their pairwise products, shape (N, d + d(d+1)/2), or only their squares, (N, 2d), for large d."""
    d = z.shape[1]
    i, j = torch.triu_indices(d, d) if d <= _MOST_PAIRED else (torch.arange(d), torch.arange(d))
    return torch.cat([z, z[:, i] * z[:, j]], 1)


class C2ST:
    """How well a classifier separates samples and test images."""

    card = zoo.MetricCard(
        name="c2st",
        title="two-sample test",
        summary="held-out accuracy of a classifier between samples and test images: 0.5 is perfect, 1 the worst",
        direction="lower",
        level="headline",
        paper="arXiv:1610.06545",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Accuracy on held-out features, with its binomial standard error; the p-value is in the note."""
        real, fake = real_and_fake(evaluation, least=4)
        if len(real) != len(fake):
            raise zoo.Unsupported(f"needs equal numbers of samples and real examples, got {len(fake)} and {len(real)}")
        test = c2st(real, fake)
        return zoo.Measurement(test.accuracy, stderr=test.stderr, note=f"p = {test.p_value:.2g}")
