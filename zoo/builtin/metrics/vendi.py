"""The Vendi score: the effective number of different examples.

    VS = exp(-Σᵢ λᵢ log λᵢ),   λ: the eigenvalues of K/n

K is the similarity matrix of n examples, with ones on its diagonal: VS is 1 if all are alike and n if no two are
similar. It depends on the samples only, so noise can have a higher score than real examples.

Reference: Friedman and Dieng (2023), The Vendi Score: A Diversity Evaluation Metric for Machine Learning,
arXiv:2210.02410.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.sets import checked_sets, real_and_fake

_TOLERANCE = 1e-6  # for the symmetry and the unit diagonal of K


def vendi(x: Tensor) -> float:
    """VS under the cosine similarity k(x, y) = x·y / (|x| |y|) of features of shape (n, d); at most d + 1.

    XᵀX/n, with X the rows divided by their lengths, has the nonzero eigenvalues of K/n, so no matrix is larger than
    (d + 1) × (d + 1). A row of zeros has no direction: it is similar only to other rows of zeros.

    Raises:
        ValueError: if the features have another shape or are not finite.
    """
    (x,) = checked_sets(1, x=x)
    x = x / x.abs().amax(1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)  # a tiny row's square would be 0
    length = x.norm(dim=1, keepdim=True)
    X = torch.cat([x / length.clamp(min=1), (length == 0).double()], 1)
    return _score(X.T @ X / len(X))


def vendi_from_kernel(K: Tensor) -> float:
    """VS of a similarity matrix, shape (n, n): symmetric, positive semi-definite, ones on its diagonal.

    Raises:
        ValueError: if K is any other matrix.
    """
    if K.ndim != 2 or K.shape[0] != K.shape[1] or len(K) == 0:
        raise ValueError(f"K must have shape (n, n), n at least 1, got {tuple(K.shape)}")
    K = K.double()
    if not ((K - K.T).abs().max() <= _TOLERANCE and (K.diagonal() - 1).abs().max() <= _TOLERANCE):
        raise ValueError("K must be symmetric with ones on its diagonal; divide K by the root of diag ⊗ diag")
    return _score(K / len(K))


def _score(M: Tensor) -> float:
    """exp of the entropy of the eigenvalues of a matrix with trace 1; 0 log 0 is 0."""
    λ = torch.linalg.eigvalsh(M)
    if λ[0] < -_TOLERANCE:
        raise ValueError(f"K must be positive semi-definite, got the eigenvalue {float(λ[0]) * len(M):g}")
    return math.exp(float(torch.special.entr(λ.clamp(min=0)).sum()))


class Vendi:
    """The diversity of the samples, with that of real examples for comparison."""

    card = zoo.MetricCard(
        name="vendi",
        title="Vendi score",
        summary="effective number of different samples; best near that of real examples (in the note)",
        direction="none",
        level="full",
        paper="arXiv:2210.02410",
        limits=(
            "It depends on the samples only: noise can have a higher score than real images.",
            "Features x and -x count as one example, the score of x and -x is 1: Σ x xᵀ does not depend on signs. This "
            "matters for data without labels, whose features are centred.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """VS of the samples' features; VS of the reference is in the note."""
        real, fake = real_and_fake(evaluation, least=1)
        return zoo.Measurement(vendi(fake), note=f"test examples: {vendi(real):.2f}")
