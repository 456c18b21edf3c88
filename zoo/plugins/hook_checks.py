"""What a plugin returns is checked where it enters the core, and the message names the plugin and the hook."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from math import isfinite
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.errors import DivergedError, PluginError
from zoo.plugins.plugin import Plugin

Shape = tuple[int | EllipsisType, ...]


@contextlib.contextmanager
def guarded(plugin: Plugin, hook: str, *inputs: Tensor) -> Iterator[None]:
    """Call a hook inside: without a graph, and refused if it changed what is not its own.

    Args:
        plugin, hook: who is called.
        inputs: tensors that must be as they were afterwards.

    Raises:
        PluginError: if the hook wrote into an input, drew from the global random state (which is put back), or changed
            torch's number of threads or default dtype (which are put back).
    """
    versions = [tensor._version for tensor in inputs]
    states = _random_states()
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    with torch.no_grad():
        yield
    faults = []
    if versions != [tensor._version for tensor in inputs]:
        faults.append("wrote into its input; work on a copy (x.clone())")
    if _differ(states, _random_states()):
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        faults.append("drew from the global random state; draw from the generator that it is given")
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
        faults.append("changed the number of threads; leave it to the caller")
    if torch.get_default_dtype() != dtype:
        torch.set_default_dtype(dtype)
        faults.append("changed torch's default dtype; give dtype= where a tensor is made")
    if faults:
        raise PluginError(f"The hook {hook!r} of {plugin.source} {', and '.join(faults)}.")


def _random_states() -> tuple[Tensor, Any, Any]:
    """The global states of torch, numpy and random."""
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def _differ(before: tuple[Tensor, Any, Any], after: tuple[Tensor, Any, Any]) -> bool:
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
    """Return `value` if it is a finite floating-point tensor of the right shape and range, of its own.

    Args:
        value: what the hook returned.
        plugin, hook: whose it is.
        shape: what it must be; a final `...` leaves the rest open.
        support: `bits` and `unit` ask for values in [0, 1].
        given: what the hook was given: the value must be on its device, and not share its memory.

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
    if value.shape[: len(fixed)] != fixed or (shape[-1] is not ... and value.ndim != len(fixed)):
        wanted = ", ".join("…" if side is ... else str(side) for side in shape)
        raise PluginError(f"{where} must return shape ({wanted}), got {tuple(value.shape)}.")
    if not value.is_floating_point():
        raise PluginError(f"{where} must return floating-point values, got {value.dtype}.")
    if value.requires_grad:
        raise PluginError(
            f"{where} returned a tensor that requires grad, a parameter perhaps; return value.detach().clone()."
        )
    if given is not None:
        if value.device != given.device:
            raise PluginError(f"{where} must return a tensor on {given.device}, as it was given, got {value.device}.")
        if value.numel() and value.untyped_storage().data_ptr() == given.untyped_storage().data_ptr():
            raise PluginError(f"{where} returned its input's own memory; return a tensor of its own (x.clone()).")
    low, high = (bound.item() for bound in value.aminmax()) if value.numel() else (0.0, 0.0)  # nan, if there is one
    if not (isfinite(low) and isfinite(high)):
        raise DivergedError(f"{where} returned nan or infinity; the training diverged, or the hook has an error.")
    if support != "real" and not (low >= 0 and high <= 1):
        raise PluginError(f"{where} must return values in [0, 1] for these data, got values in [{low:g}, {high:g}].")
    return value
