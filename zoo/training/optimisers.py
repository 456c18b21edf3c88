"""Optimisers of torch that start at once: `zoo.without_compiler(torch.optim.AdamW)`."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import torch

T = TypeVar("T", bound=torch.optim.Optimizer)


def without_compiler(kind: type[T]) -> type[T]:
    """Return the optimiser without torch's wrappers, which import its compiler on first use and take 2 s.

    It takes the same steps, to the bit. It cannot be used inside `torch.compile`.
    """
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in ("add_param_group", "zero_grad")}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    methods["step"].hooked = True  # torch wraps a step that is not
    return type(kind.__name__, (kind,), methods)
