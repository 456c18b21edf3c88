"""Nearest-neighbour adversarial accuracy: are samples as far from real examples as real examples from each other?

    AA(T, S) = ½ (1/n Σᵢ 1[d_TS(i) > d_TT(i)] + 1/n Σᵢ 1[d_ST(i) > d_SS(i)])

d_TS(i) is the distance from the i-th row of T to the nearest row of S, d_TT(i) to the nearest other row of T. AA is
1/2 for two samples of one continuous distribution, 0 if S is a copy of T, and 1 if the two are far apart. A tie counts
as not greater, so that a copy of a set with repeated rows also has AA = 0; two samples of one distribution with
repeated rows have somewhat less than 1/2.

    privacy loss = AA(test, samples) - AA(train, samples)

is near 0 if samples are not nearer to training examples than to unseen ones. A random subset of n of the N training
examples is used, n being the number of samples: copies of these n examples have a loss of 1/2, copies of n random
training examples one of about n/(2N).

Reference: Yale et al. (2020), Generation and evaluation of privacy preserving synthetic health data, Neurocomputing
416, 244-255.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.distances import TIE, nearest, neighbour_distances
from zoo.builtin.metrics.sets import checked_sets, once, refuse_enumerated

_SEED = 0  # choice of rows from a larger set; never used for training


class AdversarialAccuracy(NamedTuple):
    """AA against the training examples and against held-out real examples, both in [0, 1]."""

    train: float
    test: float

    @property
    def privacy_loss(self) -> float:
        """AA of the test set minus AA of the training set, in [-1, 1]."""
        return self.test - self.train


def adversarial_accuracy(train: Tensor, test: Tensor, fake: Tensor) -> AdversarialAccuracy:
    """AA of fakes; all sets of shape (N, d). Larger sets are subsampled to the size of the smallest by a fixed seed.

    Raises:
        ValueError: if the numbers of columns differ, a set has fewer than two rows, or values are not finite.
    """
    train, test, fake = checked_sets(2, train=train, test=test, fake=fake)
    n = min(len(train), len(test), len(fake))
    train, test, fake = (_some(x, n) for x in (train, test, fake))
    own = TIE * neighbour_distances(fake)
    return AdversarialAccuracy(_accuracy(train, fake, own), _accuracy(test, fake, own))


def _accuracy(T: Tensor, S: Tensor, d_SS: Tensor) -> float:
    """AA(T, S)."""
    apart = [nearest(T, S)[0] > TIE * neighbour_distances(T), nearest(S, T)[0] > d_SS]
    return float(torch.cat(apart).double().mean())


def _some(x: Tensor, n: int) -> Tensor:
    """Return n random rows; all rows in order if there are n."""
    return x if len(x) == n else x[torch.randperm(len(x), generator=zoo.generator(_SEED, "rows of a larger set"))[:n]]


@once
def _measured(evaluation: zoo.Evaluation) -> AdversarialAccuracy:
    refuse_enumerated(evaluation.data)
    sets = evaluation.train_features, evaluation.held_out_features, evaluation.returned_features
    if min(map(len, sets)) < 2:
        raise zoo.Unsupported("needs at least two samples, training examples and test examples")
    return adversarial_accuracy(*sets)


class Adversarial:
    """How well samples mix with held-out real examples."""

    card = zoo.MetricCard(
        name="adversarial-accuracy",
        title="adversarial accuracy",
        summary="how often the nearest neighbour is from the same set, test examples or samples: 0.5 is perfect",
        direction="none",
        level="full",
        paper="doi:10.1016/j.neucom.2019.12.136",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """AA(test, samples) of the features of samples as returned; AA(train, samples) is in the note."""
        found = _measured(evaluation)
        return zoo.Measurement(found.test, note=f"training examples: {found.train:.3f}")


class PrivacyLoss:
    """Memorisation: how much nearer samples are to training examples than to unseen ones."""

    card = zoo.MetricCard(
        name="privacy-loss",
        title="privacy loss",
        summary="adversarial accuracy of test minus training examples: 0 without memorisation, at most 0.5",
        direction="lower",
        level="full",
        paper="doi:10.1016/j.neucom.2019.12.136",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """AA(test, samples) - AA(train, samples) of the features of samples as returned."""
        return _measured(evaluation).privacy_loss
