"""The kernel distance (KID): the squared maximum mean discrepancy of two sets under a polynomial kernel, unbiased.

    KID = 1/(N(N-1)) Σ_{i≠j} k(xᵢ, xⱼ) + 1/(M(M-1)) Σ_{i≠j} k(yᵢ, yⱼ) - 2/(NM) Σ_{i,j} k(xᵢ, yⱼ)
    k(x, y) = (x·y/d + 1)³

Its expectation is 0 for two samples of one distribution at any N, so it can be negative, unlike the Fréchet distance.
It compares means, covariances and third moments.

With x̃ = (x/√d, 1), k(x, y) = (x̃·ỹ)³ = ⟨x̃ ⊗ x̃ ⊗ x̃, ỹ ⊗ ỹ ⊗ ỹ⟩. The sum over all pairs of two sets is therefore the
product of their sums of x̃ ⊗ x̃ ⊗ x̃, which takes N d³ operations instead of N² d. The pairs are computed where there
are few rows and many features.

Reference: Bińkowski et al. (2018), Demystifying MMD GANs, arXiv:1801.01401; here over all pairs, not random subsets.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.distances import blocks
from zoo.builtin.metrics.jackknife import GROUPS, groups, standard_error
from zoo.builtin.metrics.sets import checked_sets, real_and_fake

_ALL = torch.arange(GROUPS)


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """KID between two sets of features, without unit; invariant if both are rotated alike.

    Args:
        x, y: features, shapes (N, d) and (M, d), N and M at least 2.

    Raises:
        ValueError: if the numbers of columns differ, a set has too few rows, or values are not finite.
    """
    return _sums(x, y).distance()


class _Sums(NamedTuple):
    """Kernel values summed over pairs of groups of rows, so that leave-one-group-out values cost nothing.

    Shapes (G, G) for `xx` and `yy` (without pairs of a row with itself) and `xy`; (G,) for the group sizes `n` and `m`.
    """

    xx: Tensor
    yy: Tensor
    xy: Tensor
    n: Tensor
    m: Tensor

    def distance(self, x: Tensor = _ALL, y: Tensor = _ALL) -> float:
        """Return KID of the rows in the given groups of either set."""
        n, m = self.n[x].sum(), self.m[y].sum()
        xx, yy, xy = self.xx[x][:, x].sum(), self.yy[y][:, y].sum(), self.xy[x][:, y].sum()
        return float(xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m))


def _sums(x: Tensor, y: Tensor) -> _Sums:
    x, y = checked_sets(2, x=x, y=y)
    few = x.shape[1] ** 2 <= len(x) + len(y)
    xx, yy, xy = _moment_sums(x, y) if few else (_pair_sum(x, x), _pair_sum(y, y), _pair_sum(x, y))
    n, m = _members(len(x)).sum(0), _members(len(y)).sum(0)
    return _Sums(xx - _itself(x), yy - _itself(y), xy, n, m)


def _members(n: int) -> Tensor:
    """Return the indicator of each row's group, shape (n, G)."""
    return torch.nn.functional.one_hot(groups(n), GROUPS).double()


def _moment_sums(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Σ k over each pair of groups of x, of y, and of both, by third moments: three matrices of shape (G, G).

    T_abc is symmetric, so that only b, c ≥ a are computed, for one a at a time. Such an entry stands for 3 entries of
    the whole tensor, for 3/2 where either b or c equals a, and for 1 where both do.
    """
    xx, yy, xy = (x.new_zeros(GROUPS, GROUPS) for _ in range(3))
    x, y = _by_group(x), _by_group(y)
    for a in range(x.shape[2]):
        weight = x.new_full((x.shape[2] - a,) * 2, 3.0)
        weight[0], weight[:, 0], weight[0, 0] = 1.5, 1.5, 1.0
        T, S = (((z[..., a, None] * z[..., a:]).mT @ z[..., a:]) for z in (x, y))  # (G, b, c)
        T_weighted, S_weighted = ((each * weight).flatten(1) for each in (T, S))
        xx += T_weighted @ T.flatten(1).T
        yy += S_weighted @ S.flatten(1).T
        xy += T_weighted @ S.flatten(1).T
    return xx, yy, xy


def _by_group(x: Tensor) -> Tensor:
    """x̃ of the rows of each group, shape (G, ⌈N/G⌉, d + 1); shorter groups end in a row of zeros."""
    of, d = groups(len(x)), x.shape[1]
    found = x.new_zeros(GROUPS, -(-len(x) // GROUPS), d + 1)
    for g in range(GROUPS):
        rows = x[of == g]
        found[g, : len(rows), :d] = rows / d**0.5
        found[g, : len(rows), d] = 1
    return found


def _pair_sum(x: Tensor, y: Tensor) -> Tensor:
    """Σ k(xᵢ, yⱼ) over each pair of groups, pair by pair, shape (G, G)."""
    total, of_x, of_y = torch.zeros(GROUPS, GROUPS, dtype=x.dtype), _members(len(x)), _members(len(y))
    for rows in blocks(len(x), len(y)):
        k = (x[rows] @ y.T).div_(x.shape[1]).add_(1).pow_(3)
        total += of_x[rows].T @ (k @ of_y)
    return total


def _itself(x: Tensor) -> Tensor:
    """Σ k(xᵢ, xᵢ) over each group, on the diagonal of a matrix of shape (G, G)."""
    return ((x.square().mean(1) + 1) ** 3 @ _members(len(x))).diag()


class Kernel:
    """The unbiased distance: 0 in expectation for a perfect model, for any number of samples."""

    card = zoo.MetricCard(
        name="kernel",
        title="kernel distance",
        summary="unbiased squared distance of feature moments up to the third; 0 for a perfect model, up to noise",
        direction="lower",
        level="headline",
        paper="arXiv:1801.01401",
        ideal=0.0,
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """KID between the features of samples and reference, with the jackknife errors of both."""
        real, fake = real_and_fake(evaluation, least=2)
        sums = _sums(fake, real)
        kept = [_ALL[g != _ALL] for g in _ALL]
        return zoo.Measurement(
            sums.distance(),
            stderr=standard_error([sums.distance(x=its) for its in kept]) if len(fake) >= 2 * GROUPS else None,
            left_out=tuple(sums.distance(y=its) for its in kept) if len(real) >= 2 * GROUPS else (),
        )
