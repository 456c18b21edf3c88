"""Nearest-neighbour adversarial accuracy: are the samples as far from real examples as these are from each other?

    AA(T, S) = ½ (1/n Σᵢ 1[d_TS(i) > d_TT(i)] + 1/n Σᵢ 1[d_ST(i) > d_SS(i)])

d_TS(i) is the distance from the i-th of T to the nearest of S, d_TT(i) to the nearest other of T. AA is 1/2 for two
samples of one continuous law, 0 if S is a copy of T, and 1 if the two are far apart. A tie counts as no greater: then
copies of a set with repeated rows have 0 as well, and two samples of one law with repeated rows somewhat less than 1/2.

    privacy loss = AA(test, samples) - AA(train, samples)

is near 0 if samples are no nearer to training examples than to unseen ones. Of N training examples n are taken, as many
as there are samples: copies of these n would lose 1/2, and n copies of random training examples lose about n/(2N).

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

_SEED = 0  # of the rows that are taken of a larger set; never a training seed


class AdversarialAccuracy(NamedTuple):
    """AA against the training examples and against unseen real ones, both in [0, 1]."""

    train: float
    test: float

    @property
    def privacy_loss(self) -> float:
        """AA of the test set minus AA of the training set, in [-1, 1]."""
        return self.test - self.train


def adversarial_accuracy(train: Tensor, test: Tensor, fake: Tensor) -> AdversarialAccuracy:
    """AA of fakes, all three sets of shape (N, d); of larger sets as many rows as the smallest has, by a fixed seed.

    Raises:
        ValueError: for sets that do not have as many columns, fewer than two rows, or numbers that are not finite.
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
    """n random rows, or all in their order."""
    return x if len(x) == n else x[torch.randperm(len(x), generator=zoo.generator(_SEED, "rows of a larger set"))[:n]]


@once
def _measured(evaluation: zoo.Evaluation) -> AdversarialAccuracy:
    refuse_enumerated(evaluation.data)
    sets = evaluation.train_features, evaluation.held_out_features, evaluation.returned_features
    if min(map(len, sets)) < 2:
        raise zoo.Unsupported("needs two samples, training examples and test examples at least")
    return adversarial_accuracy(*sets)


class Adversarial:
    """Whether samples mingle with real examples that nobody trained on."""

    card = zoo.MetricCard(
        name="adversarial-accuracy",
        title="adversarial accuracy",
        summary="how often the nearest neighbour is of one's own kind, test examples and samples: 0.5 is perfect",
        direction="none",
        level="full",
        paper="doi:10.1016/j.neucom.2019.12.136",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """AA(test, samples) between features of samples as they were returned; that of the training set in the note."""
        found = _measured(evaluation)
        return zoo.Measurement(found.test, note=f"training examples: {found.train:.3f}")


class PrivacyLoss:
    """Whether samples are nearer to training examples than to unseen ones: memorisation."""

    card = zoo.MetricCard(
        name="privacy-loss",
        title="privacy loss",
        summary="adversarial accuracy of test minus training examples: 0 if nothing is memorised, 0.5 at most",
        direction="lower",
        level="full",
        paper="doi:10.1016/j.neucom.2019.12.136",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """AA(test, samples) - AA(train, samples) between features of samples as they were returned."""
        return _measured(evaluation).privacy_loss
