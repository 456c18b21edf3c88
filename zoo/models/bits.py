"""Bits of grayscale values, which have a likelihood under a distribution over bits."""

from __future__ import annotations

from torch import Generator, Tensor

from zoo.models.model import Model
from zoo.runtime.randomness import bernoulli

PURPOSE = "bits of the scores"  # of the generator


def bits_to_score(model: Model, x: Tensor, draws: Generator) -> Tensor:
    """Return x as `model.log_prob` takes it: one draw of bits of [0, 1] data, and other data as they are.

    Args:
        model: the model that scores x.
        x: examples in the data's units; values that are 0 or 1 already are kept.
        draws: source of the bits.
    """
    return bernoulli(x, draws) if model.spec.support == "unit" else x
