"""Divergence checks: a loss or weight that is nan or infinite ends the training."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from zoo.errors import DivergedError


def check_values(values: Mapping[str, float], step: int, learning_rate: float) -> None:
    """Check that every mean loss is finite.

    Raises:
        DivergedError: names the first that is not.
    """
    for name, value in values.items():
        if not math.isfinite(value):
            raise _diverged(name, value, step, learning_rate)


def check_weights(module: nn.Module, step: int, learning_rate: float) -> None:
    """Check that every parameter is finite and no buffer is nan; buffers may be infinite (masks).

    Raises:
        DivergedError: names the first that is not.
    """
    for name, parameter in module.named_parameters():
        if not _finite(parameter):
            raise _diverged(name, "nan or infinite", step, learning_rate)
    for name, buffer in module.named_buffers():
        if buffer.isnan().any():
            raise _diverged(name, "nan", step, learning_rate)


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _diverged(name: str, value: float | str, step: int, learning_rate: float) -> DivergedError:
    return DivergedError(
        f"The training diverged: {name} is {value} at step {step}; "
        f"lower the learning rate (train.learning_rate, now {learning_rate:g})."
    )
