"""The sliced 2-Wasserstein distance: optimal transport between two sets, averaged over one-dimensional projections.

    SW² = 1/L Σₗ W²(uₗ·X, uₗ·Y),        W²(a, b) = ∫₀¹ (F_a⁻¹(q) - F_b⁻¹(q))² dq,        SW = √SW²

u₁…u_L are fixed random unit vectors, the same for every contestant. F⁻¹ is the quantile function of a projected set, a
step function, so the integral is an exact sum, also for sets of unequal sizes. SW is in units of the features. For
N(0, aI) and N(0, bI) it is |√a - √b| in every direction. Two samples of one distribution have SW > 0, by an amount
that falls with their sizes; the row `real` shows it.

Reference: Rabin, Peyré, Delon and Bernot (2011), Wasserstein Barycenter and Its Application to Texture Mixing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.distances import blocks
from zoo.builtin.metrics.jackknife import GROUPS, groups, standard_error
from zoo.builtin.metrics.sets import checked_sets, matched

DIRECTIONS = 500
_SEED = 0  # of the directions; never used for training


def sliced_wasserstein(x: Tensor, y: Tensor, directions: int = DIRECTIONS) -> float:
    """SW between two sets of features, shapes (N, d) and (M, d).

    Raises:
        ValueError: if the numbers of columns differ, a set is empty, or values are not finite.
    """
    x, y = checked_sets(1, x=x, y=y)
    return math.sqrt(float(_squared(x, y, unit_vectors(x.shape[1], directions)).mean()))


def unit_vectors(d: int, count: int) -> Tensor:
    """Return random unit vectors by a fixed seed, shape (count, d), float64."""
    u = torch.randn(count, d, generator=zoo.generator(_SEED, "directions"), dtype=torch.float64)
    return torch.nn.functional.normalize(u)


def _squared(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    """W² in each direction, shape (L,)."""
    return torch.cat(
        [_between(*(_projected(z, u[some])[0] for z in (x, y))) for some in blocks(len(u), len(x) + len(y))]
    )


def _projected(x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Return u·x in ascending order, shape (L, N), and the rows they come from."""
    found = (u @ x.T).sort(1)
    return found.values, found.indices


def _between(a: Tensor, b: Tensor) -> Tensor:
    """W² between sorted values, shapes (L, N) and (L, M), one set of each per row; shape (L,).

    The quantile functions are constant between the multiples of 1/N and of 1/M, here in whole units of 1/NM.
    """
    N, M = a.shape[1], b.shape[1]
    if N == M:
        return (a - b).square().mean(1)
    ends = torch.cat([torch.arange(1, N + 1) * M, torch.arange(1, M + 1) * N]).unique()
    width: Tensor = ends.diff(prepend=ends.new_zeros(1)).double() / (N * M)
    apart = _columns(a, (ends - 1) // M).sub_(_columns(b, (ends - 1) // N))
    return apart.square_().mul_(width).sum(1)


def _columns(values: Tensor, places: Tensor) -> Tensor:
    """values[:, places], in a third of the time."""
    return values.gather(1, places.expand(len(values), -1))


class SlicedWasserstein:
    """How far the samples have to be moved to become the test images, in one-dimensional projections."""

    card = zoo.MetricCard(
        name="sliced-wasserstein",
        title="sliced Wasserstein distance",
        summary="root mean square distance by which samples and test images differ in random projections of the "
        "features; near the row real for a perfect model",
        direction="lower",
        level="full",
        paper="doi:10.1007/978-3-642-24785-9_37",
        limits=(
            "It is above 0 for real images, more so for fewer of them; compare it with the row real.",
            "Projections of many features are nearly Gaussian: differences in their dependence hardly show.",
            "Fails the sanity checks 'sphere' and 'more samples' (docs/trust.md).",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """SW of as many samples as test images, with the jackknife errors of both and the error of the directions."""
        real, fake = matched(evaluation, least=1)
        u = unit_vectors(real.shape[1], DIRECTIONS)
        squared, without_fake, without_real = (torch.cat(each) for each in zip(*_parts(real, fake, u), strict=True))
        value = math.sqrt(float(squared.mean()))
        error = float(squared.std()) / math.sqrt(len(u)) / (2 * value) if value else 0.0
        return zoo.Measurement(
            value,
            stderr=standard_error(without_fake.mean(0).sqrt().tolist()),
            left_out=tuple(without_real.mean(0).sqrt().tolist()),
            note=f"± {error:.2g} by the choice of {len(u)} directions",
        )


def _parts(real: Tensor, fake: Tensor, u: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield W² in some directions: of both sets, (L,), without each group of fakes and without each of reals, (L, G).

    A sorted set without a group is sorted, so every set is sorted once. With fewer than two rows per group, G is 0.
    """
    of = groups(len(real))
    each = range(GROUPS) if len(real) >= 2 * GROUPS else ()
    for some in blocks(len(u), len(real)):
        (a, its), (b, theirs) = _projected(real, u[some]), _projected(fake, u[some])
        none, of_its, of_theirs = a.new_empty(len(a), 0), of[its], of[theirs]
        fakes = [_between(a, _without(b, of_theirs != g))[:, None] for g in each]
        reals = [_between(_without(a, of_its != g), b)[:, None] for g in each]
        yield _between(a, b), torch.cat([none, *fakes], 1), torch.cat([none, *reals], 1)


def _without(values: Tensor, kept: Tensor) -> Tensor:
    """Return the kept values, equally many in each row."""
    return values.masked_select(kept).view(len(values), -1)
