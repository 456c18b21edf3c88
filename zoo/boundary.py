"""What a plugin returns is checked where it enters the core, and the message names the plugin and the hook."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import torch
from torch import Tensor

from zoo.errors import DivergedError, PluginError
from zoo.plugins import Plugin


def checked(
    value: Any, plugin: Plugin, hook: str, shape: tuple[int | EllipsisType, ...], support: str = "real"
) -> Tensor:
    """Return `value` if it is a finite floating-point tensor of the right shape and range.

    Args:
        value: what the hook returned.
        plugin, hook: whose it is.
        shape: what it must be; a final `...` leaves the rest open.
        support: `bits` and `unit` ask for values in [0, 1].

    Raises:
        PluginError: for anything that breaks the contract.
        DivergedError: for nan or infinity.
    """
    where = f"The hook {hook!r} of {plugin.source}"
    if value is None:
        raise PluginError(f"{where} returned None; return a tensor, or raise zoo.Unsupported with the reason.")
    if not isinstance(value, Tensor):
        raise PluginError(f"{where} must return a tensor, got {type(value).__name__}.")
    fixed = shape[:-1] if shape[-1] is ... else shape
    fits = value.shape[: len(fixed)] == fixed and (shape[-1] is ... or value.ndim == len(fixed))
    if not fits:
        wanted = ", ".join("…" if side is ... else str(side) for side in shape)
        raise PluginError(f"{where} must return shape ({wanted}), got {tuple(value.shape)}.")
    if not value.is_floating_point():
        raise PluginError(f"{where} must return floating-point values, got {value.dtype}.")
    if not torch.isfinite(value).all():
        raise DivergedError(f"{where} returned nan or infinity; the training diverged, or the hook has an error.")
    if support != "real" and not (value.min() >= 0 and value.max() <= 1):
        low, high = value.min().item(), value.max().item()
        raise PluginError(f"{where} must return values in [0, 1] for these data, got values in [{low:g}, {high:g}].")
    return value.detach()
