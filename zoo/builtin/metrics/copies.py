"""The copy test: the share of samples that are nearer to a training image than nearly all held-out images are.

    copies = 1/M Σⱼ 1[d(sⱼ) < t],    t = d₍ᵣ₎, the r-th smallest d of N held-out images,    r = ⌈N/100⌉

d(x) is the distance from x to the nearest training image. If samples and held-out images are exchangeable given the
training images, the number J of samples below t has a negative hypergeometric distribution with mean M r/(N + 1), about
1 % of M, whatever the distribution of d is. With fewer than 100 held-out images, t is the smallest of their d, and the
mean M/(N + 1). J ≥ j says that at most r - 1 of the j + r - 1 smallest distances belong to held-out images, so

    p = P(J ≥ j) = P(H ≤ r - 1),    H ~ Hypergeometric(N + M, N, j + r - 1).

The test is one-sided and exact without ties; a sample at distance t is not counted, so ties make p larger. Distances
are those between features of images as returned, so that copies stay copies; where samples are bits, images are too.

Reference: Meehan, Chaudhuri and Dasgupta (2020), A Non-Parametric Test to Detect Data-Copying in Generative Models,
arXiv:2004.05675, who compare the same distances by their ranks.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

import zoo
from zoo.builtin.metrics.distances import TIE, nearest
from zoo.builtin.metrics.jackknife import GROUPS, groups
from zoo.builtin.metrics.neighbours import held_out_neighbours, sample_neighbours
from zoo.builtin.metrics.sets import checked_sets, refuse_enumerated

_LEVEL = 0.001  # of the warning
_QUANTILE = 100  # t is the 1/100 quantile of held-out distances


class Copies(NamedTuple):
    """Samples below the r-th of N held-out distances.

    Attributes:
        below: J, the number of samples below the threshold.
        share: J / M.
        nominal: the expected share for new images, r / (N + 1).
        p_value: P(J or more) for new images.
        threshold: t.
    """

    below: int
    share: float
    nominal: float
    p_value: float
    threshold: float


def copies(train: Tensor, held_out: Tensor, fake: Tensor) -> Copies:
    """Test whether fakes are nearer to training examples than held-out examples are.

    Args:
        train, held_out, fake: features, shapes (T, d), (N, d) and (M, d).

    Raises:
        ValueError: if the numbers of columns differ, a set is empty, or values are not finite.
    """
    train, held_out, fake = checked_sets(1, train=train, held_out=held_out, fake=fake)
    return copies_from_distances(nearest(held_out, train)[0], nearest(fake, train)[0])


def copies_from_distances(held_out: Tensor, fake: Tensor) -> Copies:
    """Test distances to the nearest training example, shapes (N,) and (M,)."""
    from scipy.stats import hypergeom

    N, M = len(held_out), len(fake)
    r = math.ceil(N / _QUANTILE)
    t = float(held_out.kthvalue(r).values)
    J = int((TIE * fake < t).sum())
    p = float(hypergeom.cdf(r - 1, N + M, N, J + r - 1))
    return Copies(J, J / M, r / (N + 1), p, t)


class CopyTest:
    """Whether samples are nearer to training images than new images are."""

    card = zoo.MetricCard(
        name="copies",
        title="near-copies, %",
        summary="per cent of samples that are nearer to a training image than all but 1 % of held-out images: at most "
        "about 1 % for new images, more for copies",
        direction="none",
        level="headline",
        paper="arXiv:2004.05675",
        limits=(
            "Copies shifted by one pixel are not found: to the features they are different images.",
            "Fresh bits of a training image are not found: of a model that returns draws, only exact copies are.",
            "A few copies are not found: among 7,180 samples, with 718 held-out images, 3 % are needed.",
            "A small share does not mean that samples are good: noise is far from every training image.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Per cent of near-copies by the features of images as returned, with its binomial standard error."""
        refuse_enumerated(evaluation.data)
        held_out, fake = held_out_neighbours(evaluation)[0], sample_neighbours(evaluation)[0]
        found = copies_from_distances(held_out, fake)
        if found.threshold == 0:
            raise zoo.Unsupported(
                "too many held-out images equal training images: copies cannot be told from new images"
            )
        some = (
            f"{found.share:.1%} of the samples are near-copies of training images, against {found.nominal:.1%} expected"
        )
        few = f"; with {len(held_out)} held-out images the threshold is the smallest of their distances"
        return zoo.Measurement(
            100 * found.share,
            stderr=100 * math.sqrt(found.share * (1 - found.share) / len(fake)),
            left_out=_left_out(held_out, fake),
            p_value=found.p_value,
            note=f"new images: {found.nominal:.1%}{few if len(held_out) <= _QUANTILE else ''}",
            warning=f"{some} of new images (p = {found.p_value:.2g})" if found.p_value < _LEVEL else "",
        )


def _left_out(held_out: Tensor, fake: Tensor) -> tuple[float, ...]:
    """Return the per cent without each group of held-out distances; () with fewer than two per group."""
    if len(held_out) < 2 * GROUPS:
        return ()
    of = groups(len(held_out))
    return tuple(100 * copies_from_distances(held_out[of != g], fake).share for g in range(GROUPS))
