"""Which real images samples are compared with, and which real images nobody trained on show what is reachable."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from zoo.runtime.randomness import generator
from zoo.runtime.seeds import REFERENCE_SEED

if TYPE_CHECKING:
    from zoo.data.dataset import Data


_ENUMERATED_SAMPLES = 10_000  # few patterns, cheap models: the share of valid ones is known to half a per cent


class Reference(NamedTuple):
    """What every contestant of one data set is compared with.

    Attributes:
        images: real images of the test split, shape (N, *shape), in the user's units.
        real: other real images that nobody trained on, shape (N, *shape): the `real` row and the floor.
        n_samples: how many samples each contestant draws: N, or 10,000 on enumerated data.
        description: one sentence for the protocol.
        exchangeable: whether both sets are halves of one pool, so that another halving is as good.
    """

    images: Tensor
    real: Tensor
    n_samples: int
    description: str
    exchangeable: bool = False


def reference_split(data: Data) -> Reference:
    """Test split against validation split where that is as large; otherwise the test split, halved by a fixed seed.

    The Fréchet distance falls with the number of images on either side, so everyone gets the same number N: the
    contestants, the floor and the `real` row.
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
    """Two sets of N real images that nobody trained on: those of `reference_split`, or other halves of the same pool.

    A test split that came with the data can be drawn otherwise than the training images (MNIST's has other writers), so
    it is never mixed with the validation split: then there is number 0 alone.

    Args:
        data: all splits.
        number: 0 for those of `reference_split`; each further one is another random halving of an exchangeable pool.
            The spread over them is what the choice of real images adds to the `real` row.
    """
    split = reference_split(data)
    if number == 0 or not split.exchangeable:
        return split.images, split.real
    pool = torch.cat([split.images, split.real])
    order = torch.randperm(len(pool), generator=generator(REFERENCE_SEED, f"halving {number}"))
    return pool[order[: split.n_samples]], pool[order[split.n_samples :]]
