"""Class labels at the door of `zoo.Model`: whole numbers from 0 on, given in any form or drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from zoo.errors import ConfigError
from zoo.models.arrays import Array

Labels = int | Sequence[int] | Array


def as_labels(y: Labels, count: int, classes: int) -> Tensor:
    """Return the classes of `count` examples as int64, shape (count,), on the CPU.

    Args:
        y: one class for all examples, or a sequence, array or tensor with one for each.
        count: number of examples.
        classes: number of classes.

    Raises:
        ConfigError: for anything but whole numbers from 0 to classes − 1, and for another number of them.
    """
    given = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y)
    if given.dtype.kind not in "iu":
        raise ConfigError(f"Classes y must be whole numbers, got {given.dtype}.")
    if given.shape not in ((), (count,)):
        raise ConfigError(
            f"Classes y must be one number, or one for each of the {count} examples, got shape {given.shape}."
        )
    if wrong := [each for each in given.flatten().tolist() if not 0 <= each < classes]:
        raise ConfigError(f"Classes y must be from 0 to {classes - 1}, got {wrong[0]}.")
    return torch.from_numpy(np.broadcast_to(given, (count,)).astype(np.int64))


def draw_labels(shares: Sequence[float], n: int, generator: Generator) -> Tensor:
    """Return n draws y with P(y = c) = shares[c], int64, shape (n,)."""
    return torch.multinomial(torch.tensor(shares, dtype=torch.float64), n, replacement=True, generator=generator)
