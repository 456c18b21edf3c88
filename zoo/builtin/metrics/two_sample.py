"""The classifier two-sample test: can a classifier trained on half of both sets separate the other halves?

    accuracy = 1/n Σᵢ 1[predicted label of zᵢ = its label],   p = P(Bin(n, ½) ≥ n · accuracy)

over the n held-out rows: 1/2 for equal distributions, 1 for separable ones. For N(0, 1) against N(δ, 1) no classifier
exceeds Φ(δ/2). An accuracy significantly below 1/2 is not better: it means that samples are copies of test images, of
which the classifier learned the opposite label. The classifier is a logistic regression on the features and their
pairwise products, which is optimal between any two Gaussians; it sees means, scales and correlations. With more than 64
columns it uses only their squares.

Reference: Lopez-Paz and Oquab (2017), Revisiting Classifier Two-Sample Tests, arXiv:1610.06545.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.jackknife import GROUPS, groups
from zoo.builtin.metrics.sets import checked_sets, matched

_SEED = 0  # choice of the halves; never used for training
_MOST_PAIRED = 64  # columns: 2,144 features
_PENALTY = 30.0  # λ of λ/2 |w|²: a prior of about 0.2 for each weight of standardised features
_BLOCK = 1000  # held-out rows at a time
_LEVEL = 0.01  # of the warning about copies


@dataclass(frozen=True, eq=False)
class TwoSampleTest:
    """The outcome on the held-out rows, as many real ones as fakes.

    Args:
        real_right, fake_right: whether the label of each held-out row was predicted, shapes (n/2,).
        rows: indices of the held-out real rows, shape (n/2,).
        of: number of all real rows.
    """

    real_right: Tensor
    fake_right: Tensor
    rows: Tensor
    of: int

    @cached_property
    def right(self) -> int:
        """Number of rows whose label was predicted."""
        return int(self.real_right.sum() + self.fake_right.sum())

    @property
    def n(self) -> int:
        """Number of held-out rows."""
        return 2 * len(self.rows)

    @property
    def accuracy(self) -> float:
        """Share of the held-out rows whose label was predicted."""
        return self.right / self.n

    @property
    def p_value(self) -> float:
        """P(Bin(n, ½) ≥ right): exact or slightly too large, since the classes are balanced."""
        from scipy.stats import binom

        return float(binom.sf(self.right - 1, self.n, 0.5))

    @property
    def p_below(self) -> float:
        """P(Bin(n, ½) ≤ right): small if the samples are copies of test images."""
        from scipy.stats import binom

        return float(binom.cdf(self.right, self.n, 0.5))

    @property
    def stderr(self) -> float:
        """Standard error of the accuracy from the held-out fakes, with the real rows held fixed."""
        a = float(self.fake_right.double().mean())
        return math.sqrt(a * (1 - a) / len(self.rows)) / 2

    @property
    def left_out(self) -> tuple[float, ...]:
        """The accuracy without each group of held-out real rows; () with fewer than two rows per group."""
        if self.of < 4 * GROUPS:
            return ()
        of, fake = groups(self.of)[self.rows], float(self.fake_right.double().mean())
        return tuple((float(self.real_right[of != g].double().mean()) + fake) / 2 for g in range(GROUPS))


def c2st(real: Tensor, fake: Tensor) -> TwoSampleTest:
    """Train on a random half of either set and test on the rest; the halves are drawn with a fixed seed.

    Args:
        real, fake: features, both of shape (N, d), N at least 4.

    Raises:
        ValueError: if the shapes differ, a set has too few rows, or values are not finite.
    """
    from sklearn.linear_model import LogisticRegression

    real, fake = checked_sets(4, real=real, fake=fake)
    if len(real) != len(fake):
        raise ValueError(f"real and fake must have equal length, got {len(real)} and {len(fake)} rows; subsample one")
    half, halves = len(real) // 2, zoo.generator(_SEED, "halves of the two-sample test")
    order = [torch.randperm(len(z), generator=halves) for z in (real, fake)]
    sets = [real[order[0]], fake[order[1]]]
    seen, unseen = torch.cat([z[:half] for z in sets]), torch.cat([z[half:] for z in sets])
    labels = torch.arange(2).repeat_interleave(half)
    of_columns = _scale(seen)
    x = _products(_standardised(seen, *of_columns))
    m, s = _scale(x)
    x.sub_(m).div_(s)  # in place: it is larger than all else
    classifier = LogisticRegression(C=1 / _PENALTY, max_iter=1000).fit(x.numpy(), labels.numpy())
    blocks = (_standardised(_products(_standardised(z, *of_columns)), m, s) for z in unseen.split(_BLOCK))
    predicted = torch.cat([torch.from_numpy(classifier.predict(block.numpy())) for block in blocks])
    truth = torch.arange(2).repeat_interleave(len(unseen) // 2)
    real_right, fake_right = (predicted == truth).chunk(2)
    return TwoSampleTest(real_right, fake_right, order[0][half:], len(real))


def _scale(z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the columns; 1 for the deviation of constant ones."""
    m, s = z.mean(0), z.std(0, correction=0)
    return m, s.masked_fill(s <= 1e-9 * (1 + m.abs()), 1)


def _standardised(z: Tensor, m: Tensor, s: Tensor) -> Tensor:
    """(z - m) / s."""
    return (z - m).div_(s)


def _products(z: Tensor) -> Tensor:
    """The columns and their pairwise products, shape (N, d + d(d+1)/2), or only their squares, (N, 2d), for large d."""
    d = z.shape[1]
    i, j = torch.triu_indices(d, d) if d <= _MOST_PAIRED else (torch.arange(d), torch.arange(d))
    return torch.cat([z, z[:, i].mul_(z[:, j])], 1)


class C2ST:
    """How well a classifier separates samples and test images."""

    card = zoo.MetricCard(
        name="c2st",
        title="two-sample test",
        summary="held-out accuracy of a classifier between samples and test images: 0.5 is perfect, 1 the worst",
        direction="lower",
        level="headline",
        paper="arXiv:1610.06545",
        ideal=0.5,
        two_sided=True,
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Accuracy on held-out features of as many samples as test images, with its errors and p-value."""
        test = c2st(*matched(evaluation, least=4))
        copies = f"significantly below 0.5 (p = {test.p_below:.2g}): the samples contain copies of test images"
        return zoo.Measurement(
            test.accuracy,
            stderr=test.stderr,
            left_out=test.left_out,
            p_value=test.p_value,
            warning=copies if test.p_below < _LEVEL else "",
        )
