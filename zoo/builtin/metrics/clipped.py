"""Clipped Density and Clipped Coverage: fidelity and coverage of samples, linear in the share of good samples.

With reference examples x₁…x_N, samples s₁…s_M, R_i the distance from x_i to its k-th nearest other reference example,
and ρ_i = min(R_i, median of all R):

    a(s) = min(1, 1/k Σᵢ 1[|s - x_i| ≤ ρ_i])            Clipped Density  = min(1, mean a(s) / mean a(x))
    c_i  = 1/k min(k, Σⱼ 1[|sⱼ - x_i| ≤ R_i])           Clipped Coverage = min(1, f⁻¹(mean c) / M)

a(x_j) leaves i = j out. The clipping at 1 stops a few dense places from paying for stray samples, ρ stops outliers of
the reference from accepting everything. f(m) is the expectation of mean c for m samples of the distribution of the
reference: the mass of a ball is Beta(k, N - k), so that the number J of samples in it is beta-binomial,

    P(J = j) = C(m, j) B(k + j, N - k + m - j) / B(k, N - k),        f(m) = E[min(J, k)] / k.

If a share α of the samples is as good as real examples and the others are far away, both figures are α in expectation.

Ties: a point on the surface of a ball is inside, everywhere, as in `manifold`. Repeated rows enlarge balls: for two
sets of 500 rows of one distribution, 30 % of them drawn from 20 fixed rows, the density stays 1.0, and the coverage is
1.3 before the cap instead of 1.0. Open balls would bias both (1.05 and 1.03), and be empty around rows with k copies.

Reference: Salvy, Talbot and Thirion (2026), Enhanced Generative Model Evaluation with Clipped Density and Coverage,
arXiv:2507.01761.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.distances import TIE, reach, root, squares
from zoo.builtin.metrics.jackknife import GROUPS, groups, standard_error
from zoo.builtin.metrics.sets import checked_sets, once, real_and_fake

_K = 5  # as in the paper
_SPARE = 20  # neighbours listed beyond the k-th, to replace those of a left-out group
_RANGE = 4  # f⁻¹ is computed up to this multiple of M
_PAIRS = 2**16  # pairs of rows that are counted at a time
_REPEATED = 0.01  # share of repeated reference rows that is reported


def clipped_density(real: Tensor, fake: Tensor, k: int = _K) -> float:
    """Clipped Density of fakes, in [0, 1].

    Args:
        real, fake: features, shapes (N, d) and (M, d), N greater than k.
        k: number of neighbours that set the size of a ball.

    Raises:
        ValueError: if the numbers of columns differ, values are not finite, or there are at most k real rows.
        zoo.Unsupported: if most real rows have k copies, so that most balls have radius 0.
    """
    return min(1.0, float(_clipped(real, fake, k).density[0]))


def clipped_coverage(real: Tensor, fake: Tensor, k: int = _K) -> float:
    """Clipped Coverage of fakes, in [0, 1]; arguments and errors as `clipped_density`.

    Its expectation for real examples is 1 at any M, but with more fakes than real rows it is less sensitive.
    """
    return min(1.0, float(_clipped(real, fake, k).coverage[0]))


def expected_coverage(N: int, k: int, m: Tensor) -> Tensor:
    """f(m) = 1 - 1/k Σ_{j<k} (k - j) P(J = j) for N reference examples and whole m, shape (B,); float64, shape (B,).

    P(J = 0) = ∏_{i<k} (b + i) / (b + m + i),   P(J = j + 1) = P(J = j) (m - j)(k + j) / ((j + 1)(b + m - j - 1)),

    with b = N - k.
    """
    m, b = m.double(), N - k
    P, f = torch.ones_like(m), torch.ones_like(m)
    for i in range(k):
        P *= (b + i) / (b + m + i)
    for j in range(k):
        f -= (k - j) / k * P
        P *= (m - j).clamp(min=0) * (k + j) / ((j + 1) * (b + m - j - 1).clamp(min=1))
    return f


def _equivalent(y: Tensor, N: int, M: int, k: int) -> Tensor:
    """f⁻¹(y) / M, with f interpolated linearly between whole m; at most `_RANGE`; as y."""
    f = expected_coverage(N, k, torch.arange(_RANGE * M + 1))
    above = torch.searchsorted(f, y.contiguous()).clamp(1, len(f) - 1)
    below = above - 1
    return ((below + (y - f[below]) / (f[above] - f[below])) / M).clamp(0, _RANGE)


class _Balls(NamedTuple):
    """Balls around the rows of the reference, for the whole reference and for each of C - 1 subsets of it.

    Args:
        kept: whether a row is in a subset, shape (N, C).
        R: distance of a row to its k-th nearest other row in a subset, times `TIE`, shape (N, C).
        ρ: the same, at most the median of R in that subset, times `TIE`.
        repeated: share of rows that equal another one.
    """

    kept: Tensor
    R: Tensor
    ρ: Tensor
    repeated: float


def _balls(real: Tensor, k: int, kept: Tensor) -> _Balls:
    """Return the balls for subsets of shape (N, C); the first column is the whole reference."""
    if not 1 <= k < len(real):
        raise ValueError(f"k must be at least 1 and less than the number of rows, {len(real)}, got {k}; give more rows")
    R, nearest = _radii(real, k, kept, k + _SPARE)
    median = R.masked_fill(~kept, torch.nan).nanquantile(0.5, dim=0)
    if median[0] == 0:
        raise zoo.Unsupported(
            f"most reference examples equal {k} others or more in the feature space, so their neighbourhoods are points"
        )
    return _Balls(kept, TIE * R, TIE * R.minimum(median), float((nearest == 0).double().mean()))


def _radii(real: Tensor, k: int, kept: Tensor, listed: int) -> tuple[Tensor, Tensor]:
    """Return R, shape (N, C), found in a list of each row's nearest others, and the distance to the nearest, (N,)."""
    listed = min(listed, len(real) - 1)
    R, nearest = real.new_empty(kept.shape), real.new_empty(len(real))
    for rows, squared, real2, _ in squares(real, real):
        squared.diagonal(rows.start).fill_(torch.inf)  # a row is not its own neighbour
        found = squared.topk(listed, largest=False)
        apart = root(found.values, real2)
        passed = (kept[found.indices].cumsum(1) < k).sum(1)  # (B, C): place of the k-th neighbour in the subset
        if passed.max() == listed:
            return _radii(real, k, kept, 2 * listed)  # a list was too short
        R[rows], nearest[rows] = apart.gather(1, passed), apart[:, 0]
    return R, nearest


class _Clipped(NamedTuple):
    """Both figures before the cap at 1: of each subset of the reference, and without each group of samples.

    Shapes (C,) of `density` and `coverage`; (G,) of `density_without` and `coverage_without`, or (0,).
    """

    density: Tensor
    coverage: Tensor
    density_without: Tensor
    coverage_without: Tensor
    repeated: float


def _clipped(real: Tensor, fake: Tensor, k: int, n: int | None = None, kept: Tensor | None = None) -> _Clipped:
    """Measure the density at all fakes and the coverage by the first n, with every distance computed once.

    The second list of pairs of reference rows is needed because ρ depends on the radii of all rows.
    """
    real, fake = checked_sets(1, real=real, fake=fake)
    n = len(fake) if n is None else n
    balls = _balls(real, k, torch.ones(len(real), 1, dtype=torch.bool) if kept is None else kept)
    within, own = (real.new_zeros(len(x), balls.kept.shape[1]) for x in (fake, real))  # balls with each row, (·, C)
    inside, by = real.new_zeros(balls.kept.shape), real.new_zeros(len(real), GROUPS)  # fakes in each ball
    of = groups(n)
    for i, s, apart in _pairs(real, fake, balls):
        within.index_add_(0, s, ((apart <= balls.ρ[i]) & balls.kept[i]).double())
        i, s, apart = (x[s < n] for x in (i, s, apart))
        near = (apart <= balls.R[i]).double()
        inside.index_add_(0, i, near)
        by.index_put_((i, of[s]), near[:, 0], accumulate=True)
    for i, j, apart in _pairs(real, real, balls, itself=False):
        own.index_add_(0, j, ((apart <= balls.ρ[i]) & balls.kept[i]).double())
    a, c, kept = (within / k).clamp(max=1), (inside / k).clamp(max=1), balls.kept.double()
    a0 = ((own / k).clamp(max=1) * kept).sum(0) / kept.sum(0)
    y = (c * kept).sum(0) / kept.sum(0)
    coverage = [_equivalent(y_, int(size), n, k) for y_, size in zip(y, kept.sum(0), strict=True)]
    return _Clipped(a.mean(0) / a0, torch.stack(coverage), *_without(a[:, 0] / a0[0], inside, by, n, k), balls.repeated)


def _pairs(x: Tensor, y: Tensor, balls: _Balls, itself: bool = True) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield i, j and the distances, shape (P, 1), of the pairs (xᵢ, yⱼ) with yⱼ in a ball of xᵢ, some at a time."""
    largest = balls.R.amax(1, keepdim=True)
    for rows, squared, x2, _ in squares(x, y):
        if not itself:
            squared.diagonal(rows.start).fill_(torch.inf)
        for pairs in (squared <= reach(largest[rows], x2)).nonzero().split(_PAIRS):
            i, j = pairs.T
            yield i + rows.start, j, root(squared[i, j, None], x2[i])


def _without(a: Tensor, inside: Tensor, by: Tensor, n: int, k: int) -> tuple[Tensor, Tensor]:
    """Return both figures without each group of samples; empty with fewer than two samples per group."""
    M, density, coverage = len(a), a.new_empty(0), a.new_empty(0)
    if M >= 2 * GROUPS:
        members = torch.nn.functional.one_hot(groups(M), GROUPS).double()
        density = (a.sum() - a @ members) / (M - members.sum(0))
    if n >= 2 * GROUPS:
        sizes = n - torch.bincount(groups(n), minlength=GROUPS)
        y = ((inside[:, :1] - by) / k).clamp(max=1).mean(0)
        coverage = torch.stack([_equivalent(y_, len(inside), int(m), k) for y_, m in zip(y, sizes, strict=True)])
    return density, coverage


def _subsets(N: int) -> Tensor:
    """Return the whole reference and the reference without each group, shape (N, 1 + G); only the whole if small."""
    whole = torch.ones(N, 1, dtype=torch.bool)
    return torch.cat([whole, groups(N)[:, None] != torch.arange(GROUPS)], 1) if N >= 2 * GROUPS else whole


@once
def _of_evaluation(evaluation: zoo.Evaluation) -> _Clipped:
    real, fake = real_and_fake(evaluation, least=1)
    if len(real) <= _K:
        raise zoo.Unsupported(f"needs more than {_K} real examples, got {len(real)}")
    return _clipped(real, fake, _K, min(len(fake), len(real)), _subsets(len(real)))


def _measurement(figures: Tensor, without: Tensor, repeated: float) -> zoo.Measurement:
    """Cap the figure, but not its errors: a capped figure without error would look certain."""
    value = float(figures[0])
    distorted = f"{repeated:.1%} of the reference examples repeat others, which enlarges balls and distorts the figure"
    return zoo.Measurement(
        min(1.0, value),
        stderr=standard_error(without.tolist()),
        left_out=tuple(figures[1:].tolist()),
        note=f"{value:.3f} before the cap at 1" if value > 1 else "",
        warning=distorted if repeated > _REPEATED else "",
    )


class ClippedDensity:
    """Fidelity: whether samples lie where real examples are dense."""

    card = zoo.MetricCard(
        name="clipped-density",
        title="clipped density",
        summary="fidelity: density of real test examples around the samples, in units of that around real examples; "
        "with a share α of good samples, α",
        direction="higher",
        level="detail",
        paper="arXiv:2507.01761",
        ideal=1.0,
        limits=(
            "Fails the sanity checks 'one repeated sample', 'sphere' (docs/trust.md).",
            "Variety is not measured: one typical image, returned every time, can have 1.",
            "Copies of training images have 1.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Clipped Density with k = 5 of all samples, and its jackknife errors before the cap."""
        found = _of_evaluation(evaluation)
        return _measurement(found.density, found.density_without, found.repeated)


class ClippedCoverage:
    """Coverage: whether there are enough samples near each real example."""

    card = zoo.MetricCard(
        name="clipped-coverage",
        title="clipped coverage",
        summary="coverage: the share of good samples that would cover the real test examples as well as the samples do",
        direction="higher",
        level="headline",
        paper="arXiv:2507.01761",
        ideal=1.0,
        limits=(
            "Copies of training images have 1.",
            "A missing class can hide under the cap: training images without one of ten classes had 0.95 to 1.00 on "
            "the digits, where all training images had 1.10 before the cap; class shares shows it.",
            "With many dimensions and few real examples, one image at their centre can be in the balls of all of them.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Clipped Coverage with k = 5 by as many samples as test images, and its jackknife errors before the cap."""
        found = _of_evaluation(evaluation)
        return _measurement(found.coverage, found.coverage_without, found.repeated)
