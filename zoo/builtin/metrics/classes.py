"""Which classes the samples are of, where the data have labels: a model can leave one out and look well.

    TV = ½ Σ_c |p_c - q_c|

p_c and q_c are the shares of class c among samples and among test images, both as a linear discriminant sees them:
c(x) = argmax_c  μ_cᵀ C⁺ x - ½ μ_cᵀ C⁺ μ_c + log π_c, μ_c, π_c and C the classes' means, shares and common covariance
in the features of the training split. So a classifier's own preference for a class is on both sides.

Reference: Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, section 4.3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.sets import real_and_fake


class Discriminant(NamedTuple):
    """Scores of K classes, x W + b for features of shape (B, d): shapes (d, K) and (K,); `labels` has their names."""

    W: Tensor
    b: Tensor
    labels: Tensor

    def shares(self, x: Tensor) -> Tensor:
        """The share of each class among features of shape (B, d), shape (K,)."""
        return torch.bincount((x @ self.W + self.b).argmax(1), minlength=len(self.b)).double() / len(x)


def discriminant(x: Tensor, labels: Tensor) -> Discriminant:
    """The linear discriminant of features of shape (N, d), float64, with labels of shape (N,)."""
    names, classes, counts = labels.unique(return_inverse=True, return_counts=True)
    of_class = torch.nn.functional.one_hot(classes, len(names)).double()  # (N, K)
    μ = of_class.T @ x / counts[:, None]  # (K, d)
    within = x - μ[classes]
    W = torch.linalg.pinv(within.T @ within / len(x), hermitian=True) @ μ.T
    return Discriminant(W, -0.5 * (μ.T * W).sum(0) + (counts / len(x)).log(), names)


class Classes:
    """Whether samples have the classes that test images have."""

    card = zoo.MetricCard(
        name="classes",
        title="class shares",
        summary="half the sum of the differences between the class shares of samples and test images: 0 to 1",
        direction="lower",
        level="full",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """TV of the classes that a linear discriminant finds in samples and reference; the shares in the note."""
        real, fake = real_and_fake(evaluation, least=1)
        labels = evaluation.data.train_labels
        if labels is None or len(labels.unique()) < 2:
            raise zoo.Unsupported("needs data with labels of two classes at least")
        found = discriminant(_train_features(evaluation), labels)
        p, q = found.shares(fake), found.shares(real)
        shares = zip(found.labels.tolist(), p.tolist(), q.tolist(), strict=True)
        note = ", ".join(f"{label}: {here:.1%} ({there:.1%})" for label, here, there in shares)
        return zoo.Measurement(0.5 * float((p - q).abs().sum()), note=f"class: samples (test images): {note}")


def _train_features(evaluation: zoo.Evaluation) -> Tensor:
    """φ of the training split as samples and reference are compared: bits, or standardised real values."""
    data = evaluation.data
    if data.spec.support == "real":
        return evaluation.features(data.standardise(data.train))
    return evaluation.features(zoo.bernoulli(data.train, zoo.generator(zoo.BITS_SEED, "bits of the training split")))
