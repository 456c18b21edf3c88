"""The real images that samples are compared with, and held-out real images that show the best reachable values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from zoo.data.dataset import Data


_FEWEST_PER_REFERENCE = 3  # sampling noise then adds a third of what the test set adds
_MOST_PER_REFERENCE = 10  # a small test set needs more: there, sampling noise is most of what hides a difference
_ENOUGH_SAMPLES = 10_000  # on enumerated data, gives the valid share to half a per cent


class Reference(NamedTuple):
    """The reference of all contestants on one data set.

    Attributes:
        images: the test split, shape (N, *shape), in the user's units.
        real: held-out real images, at most N: the `real` row. They are the validation images, which no model was
            fitted to.
        real_labels: their classes, or None.
        n_samples: number of samples per contestant: 10,000, but at least 3 N and at most 10 N, or 10,000 on enumerated
            data.
        description: one sentence for the protocol.
    """

    images: Tensor
    real: Tensor
    real_labels: Tensor | None
    n_samples: int
    description: str


def reference_split(data: Data) -> Reference:
    """Compare all contestants and the `real` row with the whole test split.

    The sets have unequal sizes, so metrics must not depend on the number of samples in expectation, or use as many as
    there are reference images.
    """
    N = len(data.test)
    if data.enumerated:
        sentence = f"all {N:,} patterns, each once in every split"
        return Reference(data.test, data.valid, data.valid_labels, _ENOUGH_SAMPLES, sentence)
    real, labels = data.valid[:N], None if data.valid_labels is None else data.valid_labels[:N]
    sentence = f"{N:,} test images; real: {len(real):,} validation images"
    n = min(max(_ENOUGH_SAMPLES, _FEWEST_PER_REFERENCE * N), _MOST_PER_REFERENCE * N)
    return Reference(data.test, real, labels, n, sentence)
