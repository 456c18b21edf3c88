"""The classifier two-sample test: can a classifier that saw half of both sets tell the other halves apart?

    accuracy = 1/n Σᵢ 1[predicted label of zᵢ = its label],   p = P(Bin(n, ½) ≥ n · accuracy)

over the n held-out rows: 1/2 if the two laws are one, 1 if nothing is alike. For N(0, 1) against N(δ, 1) no classifier
exceeds Φ(δ/2). This one is a logistic regression on the features and their products in pairs, the best one between any
two Gaussians; it sees means, scales and correlations. With more than 64 columns it takes their squares alone.

Reference: Lopez-Paz and Oquab (2017), Revisiting Classifier Two-Sample Tests, arXiv:1610.06545.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.sets import checked_sets, real_and_fake

_SEED = 0  # of the halves; never a training seed
_MOST_PAIRED = 64  # columns: 2,144 features
_PENALTY = 30.0  # λ of λ/2 |w|²: weights of about 0.2 each are expected of standardised features


class TwoSampleTest(NamedTuple):
    """The share of n held-out rows that are told apart, and how probable that many are if the two laws are one.

    The classes of the held-out rows being balanced, the binomial p-value is right or a little too large.
    """

    accuracy: float
    p_value: float
    n: int

    @property
    def stderr(self) -> float:
        """Standard error of the accuracy, sqrt(a (1 - a) / n)."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.n)


def c2st(real: Tensor, fake: Tensor) -> TwoSampleTest:
    """Train on a random half of either set and test on the rest; the halves have a fixed seed.

    Args:
        real, fake: features, both of shape (N, d), N at least 4.

    Raises:
        ValueError: for sets of unequal shapes, too few rows, or numbers that are not finite.
    """
    from scipy.stats import binom
    from sklearn.linear_model import LogisticRegression

    real, fake = checked_sets(4, real=real, fake=fake)
    if len(real) != len(fake):
        raise ValueError(f"real and fake must have as many rows, got {len(real)} and {len(fake)}; take as many of each")
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
    """(z - m) / s with the mean and deviation of the columns that are seen; s = 1 for a column that never changes."""
    m, s = seen.mean(0), seen.std(0, correction=0)
    s = s.masked_fill(s <= 1e-9 * (1 + m.abs()), 1)
    return (seen - m) / s, (unseen - m) / s


def _products(z: Tensor) -> Tensor:
    """The columns, and their products in pairs; shape (N, d + d(d+1)/2), or (N, 2d) where they would be too many."""
    d = z.shape[1]
    i, j = torch.triu_indices(d, d) if d <= _MOST_PAIRED else (torch.arange(d), torch.arange(d))
    return torch.cat([z, z[:, i] * z[:, j]], 1)


class C2ST:
    """How well samples and test images can be told apart."""

    card = zoo.MetricCard(
        name="c2st",
        title="two-sample test",
        summary="how often a classifier tells samples from test images it has not seen: 0.5 is perfect, 1 the worst",
        direction="lower",
        level="headline",
        paper="arXiv:1610.06545",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Accuracy on held-out features, with its binomial error; p, where the laws are one, in the note."""
        real, fake = real_and_fake(evaluation, least=4)
        if len(real) != len(fake):
            raise zoo.Unsupported(f"needs as many samples as real examples, got {len(fake)} and {len(real)}")
        test = c2st(real, fake)
        return zoo.Measurement(test.accuracy, stderr=test.stderr, note=f"p = {test.p_value:.2g}")
