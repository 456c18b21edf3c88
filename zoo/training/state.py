"""Training state between two steps: tensors and plain values, saved and restored by each part of a training.

The parts are the module, the optimiser, the random number generators, the budget and, if used, the averaged weights and
early stopping. After all of them are restored, the next step is bit-identical to that of an uninterrupted training.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Generator, Tensor, nn

from zoo.errors import CheckpointError
from zoo.files.tensor_file import part
from zoo.runtime.devices import random_state, set_random_state
from zoo.runtime.ranks import Ranks


@dataclass(frozen=True)
class State:
    """Tensors, and plain values that can be stored as JSON."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Mapping[str, Part]) -> Self:
        """Collect the state of several parts; tensor names start with the name of their part."""
        states = {name: each.state() for name, each in parts.items()}
        tensors = {f"{name}.{key}": value for name, state in states.items() for key, value in state.tensors.items()}
        return cls(tensors, {name: state.facts for name, state in states.items()})

    def restore(self, parts: Mapping[str, Part]) -> None:
        """Restore each part; parts that the state does not contain keep their initial state."""
        for name, each in parts.items():
            if name in self.facts:
                try:
                    each.restore(self.part(name))
                except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
                    raise CheckpointError(
                        f"The checkpoint's {name} state cannot be restored ({type(error).__name__}: {error}); resume "
                        "with the version of genzoo that saved it, or train again."
                    ) from None

    def part(self, name: str) -> State:
        """Return the state of one part."""
        return State(part(self.tensors, f"{name}."), self.facts[name])

    def named(self, prefix: str) -> State:
        """Return the state with a prefix of all names."""
        return State({f"{prefix}.{name}": value for name, value in self.tensors.items()}, {prefix: self.facts})


class Part(Protocol):
    """Anything that changes during training."""

    def state(self) -> State:
        """Return the current state; tensors may be shared, not copied."""

    def restore(self, state: State) -> None:
        """Restore a saved state; its tensors are copied."""


class ModuleState:
    """Parameters and all buffers of a module, including those omitted from its model file: chains, offsets."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def state(self) -> State:
        """Return each tensor once, also if several names share it."""
        return State(dict(self._module.named_parameters()) | dict(self._module.named_buffers()))

    def check(self, state: State) -> None:
        """Refuse the state of another module.

        Raises:
            CheckpointError: if names or parameter shapes differ; the message lists both sides.
        """
        parameters, slots = dict(self._module.named_parameters()), _slots(self._module)
        there = {name: str(tuple(value.shape)) for name, value in state.tensors.items()}
        here = {name: str(tuple(value.shape)) for name, value in parameters.items()}
        here |= {name: there.get(name, "none") for name in slots}  # buffers may appear, disappear and change shape
        wrong = sorted(name for name in here | there if here.get(name, "none") != there.get(name, "none"))
        if wrong:
            sides = (f"{name}: {there.get(name, 'none')} instead of {here.get(name, 'none')}" for name in wrong)
            raise CheckpointError(
                f"The checkpoint does not match the model ({'; '.join(sides)}); install the plugin version that "
                "saved it."
            )

    def restore(self, state: State) -> None:
        """Copy all tensors in, or none if `check` raises."""
        self.check(state)
        with torch.no_grad():
            for name, parameter in self._module.named_parameters():
                parameter.copy_(state.tensors[name])
        _restore_buffers(self._module, state)


class BufferState:
    """The buffers of a module, which belong to a rank, as the chains do."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def state(self) -> State:
        """Return each buffer once, also if several names share it."""
        return State(dict(self._module.named_buffers()))

    def restore(self, state: State) -> None:
        """Copy all buffers in."""
        _restore_buffers(self._module, state)


class RankStates:
    """What belongs to each rank after the first: its buffers and random numbers.

    Args:
        ranks: the ranks of the training.
        parts: this rank's own parts.
    """

    def __init__(self, ranks: Ranks, parts: Mapping[str, Part]) -> None:
        self._ranks, self._parts = ranks, parts

    def state(self) -> State:
        """Return the states of all other ranks under their numbers on rank 0, and nothing on others."""
        every = self._ranks.gather(None if self._ranks.is_first else State.of(self._parts))
        named = [state.named(str(rank)) for rank, state in enumerate(every) if state]
        tensors = {name: value for state in named for name, value in state.tensors.items()}
        return State(tensors, {rank: facts for state in named for rank, facts in state.facts.items()})

    def restore(self, state: State) -> None:
        """Restore this rank's own state; a rank that did not exist keeps its initial one."""
        if str(self._ranks.rank) in state.facts:
            state.part(str(self._ranks.rank)).restore(self._parts)


class OptimiserState:
    """The moments of an optimiser; its settings come from the run."""

    def __init__(self, optimiser: torch.optim.Optimizer) -> None:
        self._optimiser = optimiser
        self._parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]

    def state(self) -> State:
        """Return the moments, named by the index of their parameter."""
        tensors = {
            f"{number}.{name}": value
            for number, parameter in enumerate(self._parameters)
            for name, value in self._optimiser.state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }
        return State(tensors, {"kind": type(self._optimiser).__name__})

    def restore(self, state: State) -> None:
        """Copy the moments in, in the memory format of their parameters; another kind of optimiser starts without."""
        if state.facts["kind"] != type(self._optimiser).__name__:
            return
        for number, parameter in enumerate(self._parameters):
            for name, value in part(state.tensors, f"{number}.").items():
                like = torch.empty_like(parameter) if value.shape == parameter.shape else torch.empty_like(value)
                self._optimiser.state[parameter][name] = like.to(value.dtype).copy_(value)


class RandomState:
    """The global random states of torch (CPU and GPU), numpy and random, and the generator of the training."""

    def __init__(self, draws: Generator) -> None:
        self._draws = draws

    def state(self) -> State:
        """Return the words of each state as tensors, and the remaining values as plain values."""
        kind, words, position, has_gauss, gauss = np.random.get_state(legacy=True)
        version, numbers, normal = random.getstate()
        tensors = {
            "draws": self._draws.get_state(),
            "torch": torch.get_rng_state(),
            "numpy": torch.from_numpy(np.asarray(words).astype(np.int64)),
            "python": torch.tensor(numbers, dtype=torch.int64),
        }
        if (gpu := random_state(self._draws.device)) is not None:
            tensors[self._draws.device.type] = gpu
        rest = [str(kind), int(position), int(has_gauss), float(gauss)]
        return State(tensors, {"numpy": rest, "python": [version, normal]})

    def restore(self, state: State) -> None:
        """Restore all of them."""
        self._draws.set_state(state.tensors["draws"].clone())
        torch.set_rng_state(state.tensors["torch"].clone())
        if (gpu := state.tensors.get(self._draws.device.type)) is not None:
            set_random_state(self._draws.device, gpu.clone())
        kind, *rest = state.facts["numpy"]
        np.random.set_state((kind, state.tensors["numpy"].numpy().astype(np.uint32), *rest))
        version, normal = state.facts["python"]
        random.setstate((version, tuple(state.tensors["python"].tolist()), normal))


@torch.no_grad()
def _restore_buffers(module: nn.Module, state: State) -> None:
    """Copy buffers in; one that has changed its shape or dtype is replaced."""
    for name, (owner, key) in _slots(module).items():
        now, then = owner._buffers[key], state.tensors.get(name)
        if now is None or then is None or (now.shape, now.dtype) != (then.shape, then.dtype):
            owner._buffers[key] = None if then is None else then.clone()
        else:
            now.copy_(then)


def _slots(module: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """Return owner and key of each buffer of a module, by its first name, including buffers that are None."""
    found: dict[str, tuple[nn.Module, str]] = {}
    seen: set[int] = set()
    for prefix, owner in module.named_modules():
        for key, buffer in owner._buffers.items():
            if buffer is None or id(buffer) not in seen:
                found[f"{prefix}.{key}" if prefix else key] = (owner, key)
            seen.add(id(buffer))
    return found
