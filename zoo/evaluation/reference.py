"""The real images that samples are compared with, and held-out real images that show the best reachable values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from zoo.runtime.randomness import generator
from zoo.runtime.seeds import REFERENCE_SEED

if TYPE_CHECKING:
    from zoo.data.dataset import Data


_ENUMERATED_SAMPLES = 10_000  # cheap with few patterns; gives the valid share to half a per cent


class Reference(NamedTuple):
    """The reference of all contestants on one data set.

    Attributes:
        images: real images of the test split, shape (N, *shape), in the user's units.
        real: other held-out real images, shape (N, *shape): the `real` row and the floor.
        n_samples: number of samples per contestant: N, or 10,000 on enumerated data.
        description: one sentence for the protocol.
        exchangeable: whether both sets are random halves of one pool, so that any other halving is equivalent.
    """

    images: Tensor
    real: Tensor
    n_samples: int
    description: str
    exchangeable: bool = False


def reference_split(data: Data) -> Reference:
    """Compare test with validation split if that is at least as large, otherwise two seeded halves of the test split.

    The Fréchet distance decreases with the number of images on either side, so contestants, floor and `real` row all
    use the same number N.
    """
    N = len(data.test)
    if data.enumerated:
        return Reference(data.test, data.valid, _ENUMERATED_SAMPLES, f"all {N:,} patterns, each once in every split")
    if len(data.valid) >= N:
        return Reference(data.test, data.valid[:N], N, f"{N:,} test images; real: {N:,} validation images")
    half = N // 2
    order = torch.randperm(N, generator=generator(REFERENCE_SEED, "reference split"))
    first, second = data.test[order[:half]], data.test[order[half : 2 * half]]
    sentence = f"{half:,} test images; real: {half:,} other test images (halved by seed {REFERENCE_SEED})"
    return Reference(first, second, half, sentence, exchangeable=True)


def halving(data: Data, number: int) -> tuple[Tensor, Tensor]:
    """Return two sets of N held-out real images: those of `reference_split`, or other halves of the same pool.

    A predefined test split can have another distribution than the training images (MNIST's has other writers), so it
    is never mixed with the validation split; then only number 0 exists.

    Args:
        data: all splits.
        number: 0 for the sets of `reference_split`; any other number is another random halving of an exchangeable
            pool. The spread over halvings is the noise that the choice of real images adds to the `real` row.
    """
    split = reference_split(data)
    if number == 0 or not split.exchangeable:
        return split.images, split.real
    pool = torch.cat([split.images, split.real])
    order = torch.randperm(len(pool), generator=generator(REFERENCE_SEED, f"halving {number}"))
    return pool[order[: split.n_samples]], pool[order[split.n_samples :]]
