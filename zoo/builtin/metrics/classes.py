"""Class shares of the samples, for data with labels: a model can miss a class and still look good.

    TV = ½ Σ_c |p_c - q_c|

p_c and q_c are the shares of class c among samples and among test images, both as predicted by a linear discriminant:
c(x) = argmax_c  μ_cᵀ C⁺ x - ½ μ_cᵀ C⁺ μ_c + log π_c, with the classes' means μ_c, shares π_c and common covariance C in
the features of the training split. The bias of the classifier is therefore on both sides.

Reference: Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, section 4.3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.sets import real_and_fake


class Discriminant(NamedTuple):
    """Class scores x W + b of features, shape (B, d): W (d, K), b (K,); `labels` are the names of the K classes."""

    W: Tensor
    b: Tensor
    labels: Tensor

    def shares(self, x: Tensor) -> Tensor:
        """Return the share of each class among features of shape (B, d), shape (K,)."""
        return torch.bincount((x @ self.W + self.b).argmax(1), minlength=len(self.b)).double() / len(x)


def discriminant(x: Tensor, labels: Tensor) -> Discriminant:
    """Fit the linear discriminant to features of shape (N, d), float64, with labels of shape (N,)."""
    names, classes, counts = labels.unique(return_inverse=True, return_counts=True)
    of_class = torch.nn.functional.one_hot(classes, len(names)).double()  # (N, K)
    μ = of_class.T @ x / counts[:, None]  # (K, d)
    within = x - μ[classes]
    W = torch.linalg.pinv(within.T @ within / len(x), hermitian=True) @ μ.T
    return Discriminant(W, -0.5 * (μ.T * W).sum(0) + (counts / len(x)).log(), names)


class Classes:
    """How far the class shares of samples are from those of test images."""

    card = zoo.MetricCard(
        name="classes",
        title="class shares",
        summary="half the sum of the differences between the class shares of samples and test images: 0 to 1",
        direction="lower",
        level="full",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """TV of the classes predicted for samples and reference; the shares are in the note."""
        real, fake = real_and_fake(evaluation, least=1)
        labels = evaluation.data.train_labels
        if labels is None or len(labels.unique()) < 2:
            raise zoo.Unsupported("needs data with labels of at least two classes")
        found = discriminant(evaluation.features(evaluation.train_bits), labels)
        p, q = found.shares(fake), found.shares(real)
        shares = zip(found.labels.tolist(), p.tolist(), q.tolist(), strict=True)
        note = ", ".join(f"{label}: {here:.1%} ({there:.1%})" for label, here, there in shares)
        return zoo.Measurement(0.5 * float((p - q).abs().sum()), note=f"class: samples (test images): {note}")
