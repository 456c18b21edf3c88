"""Checks around hook calls: what a hook returns and what it modifies; errors name the plugin and the hook."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from math import isfinite
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.errors import DivergedError, PluginError
from zoo.plugins.plugin import Plugin
from zoo.runtime.threads import alone

Shape = tuple[int | EllipsisType, ...]


@contextlib.contextmanager
def guarded(plugin: Plugin, hook: str, *inputs: Tensor) -> Iterator[None]:
    """Context manager for a hook call: no autograd; fails if the hook modified its inputs or global state.

    Calls from several threads run one after another, because the global state is that of all threads.

    Args:
        plugin, hook: the plugin and the name of the hook, for messages.
        inputs: tensors that the hook must not modify.

    Raises:
        PluginError: if the hook wrote into an input, drew from the global random state, or changed torch's number of
            threads or default dtype. All but the inputs are restored first.
    """
    with alone():
        versions = [tensor._version for tensor in inputs]
        states = _random_states()
        threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
        with torch.no_grad():
            yield
        faults = _faults(inputs, versions, states, threads, dtype)
    if faults:
        raise PluginError(f"The hook {hook!r} of {plugin.source} {', and '.join(faults)}.")


def _faults(
    inputs: Sequence[Tensor], versions: list[int], states: tuple[Tensor, Any, Any], threads: int, dtype: torch.dtype
) -> list[str]:
    """Return what a hook changed, as clauses; global state is restored."""
    faults = []
    if versions != [tensor._version for tensor in inputs]:
        faults.append("wrote into its input; work on a copy (x.clone())")
    if _differ(states, _random_states()):
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        faults.append("drew from the global random state; draw from its generator argument")
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
        faults.append("changed the number of threads; leave it to the caller")
    if torch.get_default_dtype() != dtype:
        torch.set_default_dtype(dtype)
        faults.append("changed torch's default dtype; pass dtype= when creating tensors")
    return faults


def _random_states() -> tuple[Tensor, Any, Any]:
    """Return the global random states of torch, numpy and random."""
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def _differ(before: tuple[Tensor, Any, Any], after: tuple[Tensor, Any, Any]) -> bool:
    """Return whether two global random states differ."""
    words, position = 1, 2  # of numpy's state
    return (
        not torch.equal(before[0], after[0])
        or not np.array_equal(before[1][words], after[1][words])
        or before[1][position] != after[1][position]
        or before[2] != after[2]
    )


def checked(
    value: Any, plugin: Plugin, hook: str, shape: Shape, support: str = "real", given: Tensor | None = None
) -> Tensor:
    """Return what a hook returned if it is a finite floating-point tensor of the required shape and range.

    Args:
        value: the value that the hook returned.
        plugin, hook: the plugin and the name of the hook, for messages.
        shape: the required shape; a final `...` allows any further dimensions.
        support: `bits` and `unit` require values in [0, 1].
        given: the hook's input; the value must be on the same device and must not share its memory.

    Raises:
        PluginError: if the value violates the contract.
        DivergedError: for nan or infinity.
    """
    where = f"The hook {hook!r} of {plugin.source}"
    if value is None:
        raise PluginError(f"{where} returned None; return a tensor, or raise zoo.Unsupported with the reason.")
    if not isinstance(value, Tensor):
        raise PluginError(f"{where} must return a tensor, got {type(value).__name__}.")
    fixed = shape[:-1] if shape[-1] is ... else shape
    if value.shape[: len(fixed)] != fixed or (shape[-1] is not ... and value.ndim != len(fixed)):
        wanted = ", ".join("…" if side is ... else str(side) for side in shape)
        raise PluginError(f"{where} must return shape ({wanted}), got {tuple(value.shape)}.")
    if not value.is_floating_point():
        raise PluginError(f"{where} must return floating-point values, got {value.dtype}.")
    if value.requires_grad:
        raise PluginError(
            f"{where} returned a tensor that requires grad, such as a parameter; return value.detach().clone()."
        )
    if given is not None:
        if value.device != given.device:
            raise PluginError(
                f"{where} must return a tensor on {given.device}, the device of its input, got {value.device}."
            )
        if value.numel() and value.untyped_storage().data_ptr() == given.untyped_storage().data_ptr():
            raise PluginError(f"{where} returned its input or a view of it; return a separate tensor (x.clone()).")
    low, high = (bound.item() for bound in value.aminmax()) if value.numel() else (0.0, 0.0)  # nan if any value is nan
    if not (isfinite(low) and isfinite(high)):
        raise DivergedError(f"{where} returned nan or infinity; the training diverged, or the hook has an error.")
    if support != "real" and not (low >= 0 and high <= 1):
        raise PluginError(f"{where} must return values in [0, 1] for these data, got values in [{low:g}, {high:g}].")
    return value
