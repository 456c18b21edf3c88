"""Conversions between zoo's tensors and generators and scikit-learn's arrays and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

import zoo

Array = NDArray[np.float64]


def rows(x: Tensor) -> Array:
    """Examples (N, *shape) as the float64 array (N, V) that scikit-learn computes with."""
    found: Array = x.detach().cpu().flatten(1).double().numpy()
    return found


def seed(generator: Generator) -> int:
    """A draw from the generator, for `random_state`."""
    return int(torch.randint(2**31, (), generator=generator, device=generator.device))


def fixed(*shape: int, fill: float = 0.0) -> nn.Parameter:
    """A float64 parameter that is fitted without gradients."""
    return nn.Parameter(torch.full(shape, fill, dtype=torch.float64), requires_grad=False)


def store(model: nn.Module, estimator: Any, *names: str) -> None:
    """Copy fitted arrays of an estimator into the tensors of the model that have the same names."""
    with torch.no_grad():
        for name in names:
            getattr(model, name).copy_(torch.as_tensor(np.asarray(getattr(estimator, name))))


def restore(model: nn.Module, estimator: Any, *names: str) -> Any:
    """Return the estimator with the arrays that `store` copied."""
    for name in names:
        setattr(estimator, name, getattr(model, name).detach().cpu().numpy())
    return estimator


def examples(x: Array, like: Tensor, shape: tuple[int, ...], real: bool) -> Tensor:
    """Rows (N, V) as examples (N, *shape) in float32, clipped to [0, 1] unless they are real values."""
    values = torch.from_numpy(np.ascontiguousarray(x)).float().to(like.device)
    return (values if real else values.clamp(0, 1)).reshape(-1, *shape)


def passes(budget: zoo.Meter, most: int) -> int:
    """The passes of EM that a budget allows, at most `most`: a pass looks at every example, as an epoch does."""
    return most if budget.steps is None else min(most, max(1, budget.steps // budget.per_epoch))
