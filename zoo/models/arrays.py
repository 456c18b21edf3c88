"""NumPy arrays as tensors, at the door of `zoo.Model`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = Tensor | NDArray[Any]


def as_tensor(x: object, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a tensor as it is, and a NumPy array of numbers or booleans as a tensor on the CPU.

    Memory is shared where the array has the right type, is contiguous and can be written to; otherwise it is copied.

    Args:
        x: a tensor or array of any shape.
        name: of the argument, for messages.
        dtype: of the tensor made from an array.

    Raises:
        TypeError: for anything else, arrays of texts, objects or complex numbers included.
    """
    if isinstance(x, Tensor):
        return x
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name} must be a tensor or a NumPy array, got {type(x).__name__}")
    if x.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a tensor or a NumPy array of real numbers, got an array of {x.dtype}")
    with np.errstate(over="ignore"):  # beyond float32: infinite, as torch converts it
        numbers = x.astype(np.float64 if dtype == torch.float64 else np.float32, copy=False)
    return torch.as_tensor(np.require(numbers, requirements=["C", "W"]))
