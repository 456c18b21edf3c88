"""NumPy arrays as tensors, at the door of `zoo.Model`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.runtime.devices import moved

Array = Tensor | NDArray[Any]


def as_tensor(x: object, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a tensor or NumPy array of real numbers or booleans as a float tensor, on its device.

    Tensors that are float32 or of the wanted type are returned as they are. An array shares its memory with the tensor
    if it has the wanted type, is contiguous and can be written to; otherwise it is copied.

    Args:
        x: a tensor or array of any shape.
        name: of the argument, for messages.
        dtype: float32, or float64, which a tensor on a device without float64 does not become.

    Raises:
        TypeError: for anything else, sparse tensors and arrays of texts, objects or complex numbers included.
        ValueError: for an array of which values are masked.
    """
    if isinstance(x, Tensor):
        if x.is_complex() or x.layout != torch.strided:
            kind = x.dtype if x.is_complex() else "a sparse one; use x.to_dense()"
            raise TypeError(f"{name} must be a dense tensor of real numbers, got {kind}")
        return x if x.dtype in (torch.float32, dtype) else moved(x.cpu().to(dtype), x.device)
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name} must be a tensor or a NumPy array, got {type(x).__name__}")
    if x.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a tensor or a NumPy array of real numbers, got an array of {x.dtype}")
    if np.ma.is_masked(x):
        raise ValueError(
            f"{name} must have no masked values; fill them with x.filled(...), or leave those examples out"
        )
    with np.errstate(over="ignore"):  # beyond float32: infinite, as torch converts it
        numbers = x.astype(np.float64 if dtype == torch.float64 else np.float32, copy=False)
    return torch.as_tensor(np.require(numbers, requirements=["C", "W"]))
