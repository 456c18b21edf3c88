"""The Vendi score: how many different examples there are, in effect.

    VS = exp(-Σᵢ λᵢ log λᵢ),   λ: the eigenvalues of K/n

K is the matrix of similarities of n examples, with ones on its diagonal: VS is 1 if all are alike and n if no two are
similar. It looks at the samples alone, so that noise can have more of it than real examples have.

Reference: Friedman and Dieng (2023), The Vendi Score: A Diversity Evaluation Metric for Machine Learning,
arXiv:2210.02410.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.sets import checked_sets, real_and_fake

_TOLERANCE = 1e-6  # of a similarity: symmetric, and 1 with itself


def vendi(x: Tensor) -> float:
    """VS under the cosine similarity k(x, y) = x·y / (|x| |y|) of features of shape (n, d); at most d + 1.

    XᵀX/n has the eigenvalues of K/n other than 0, X being the rows divided by their lengths: no matrix is larger than
    d + 1 by d + 1. A row of zeros has no direction; it is alike to other rows of zeros, and to nothing else.

    Raises:
        ValueError: for features of another shape, or that are not finite.
    """
    (x,) = checked_sets(1, x=x)
    x = x / x.abs().amax(1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)  # a tiny row's square would be 0
    length = x.norm(dim=1, keepdim=True)
    X = torch.cat([x / length.clamp(min=1), (length == 0).double()], 1)
    return _score(X.T @ X / len(X))


def vendi_from_kernel(K: Tensor) -> float:
    """VS of a matrix of similarities, shape (n, n): symmetric, positive semi-definite, ones on its diagonal.

    Raises:
        ValueError: for any other matrix.
    """
    if K.ndim != 2 or K.shape[0] != K.shape[1] or len(K) == 0:
        raise ValueError(f"K must have shape (n, n), n at least 1, got {tuple(K.shape)}")
    K = K.double()
    if not ((K - K.T).abs().max() <= _TOLERANCE and (K.diagonal() - 1).abs().max() <= _TOLERANCE):
        raise ValueError("K must be symmetric with ones on its diagonal; divide K by the root of diag ⊗ diag")
    return _score(K / len(K))


def _score(M: Tensor) -> float:
    """exp of the entropy of the eigenvalues of a matrix of trace 1, 0 log 0 being 0."""
    λ = torch.linalg.eigvalsh(M)
    if λ[0] < -_TOLERANCE:
        raise ValueError(f"K must be positive semi-definite, got the eigenvalue {float(λ[0]) * len(M):g}")
    return math.exp(float(torch.special.entr(λ.clamp(min=0)).sum()))


class Vendi:
    """How varied the samples are, beside how varied real examples are."""

    card = zoo.MetricCard(
        name="vendi",
        title="Vendi score",
        summary="the effective number of different samples; good where it is that of real examples (in the note)",
        direction="none",
        level="full",
        paper="arXiv:2210.02410",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """VS of the samples' features; the note has that of the reference."""
        real, fake = real_and_fake(evaluation, least=1)
        return zoo.Measurement(vendi(fake), note=f"test examples: {vendi(real):.2f}")
