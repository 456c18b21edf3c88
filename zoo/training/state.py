"""What a training is between two steps: tensors and plain values that each of its parts gives and takes back.

The parts are the module, the optimiser, the random numbers, the budget, and where they are used the averaged weights
and early stopping. With all of them put back, the next step is bit for bit the step that it would have been.
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


@dataclass(frozen=True)
class State:
    """Tensors, and plain values that survive JSON."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Mapping[str, Part]) -> Self:
        """The state of several parts; the name of a tensor begins with its part's."""
        states = {name: each.state() for name, each in parts.items()}
        tensors = {f"{name}.{key}": value for name, state in states.items() for key, value in state.tensors.items()}
        return cls(tensors, {name: state.facts for name, state in states.items()})

    def restore(self, parts: Mapping[str, Part]) -> None:
        """Put each part back; one that the state does not have begins as it is."""
        for name, each in parts.items():
            if name in self.facts:
                try:
                    each.restore(self.part(name))
                except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
                    raise CheckpointError(
                        f"The state of the {name} cannot be put back ({type(error).__name__}: {error}); go on with the "
                        "version of the zoo that saved it, or train again."
                    ) from None

    def part(self, name: str) -> State:
        """The state of one part."""
        return State(part(self.tensors, f"{name}."), self.facts[name])


class Part(Protocol):
    """Something that changes as training goes on."""

    def state(self) -> State:
        """What it is now; tensors may be its own."""

    def restore(self, state: State) -> None:
        """Become what it was; the tensors are copied."""


class ModuleState:
    """Parameters and all buffers of a module, also those that its model file leaves out: chains, offsets."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def state(self) -> State:
        """Each tensor once, however many names it has."""
        return State(dict(self._module.named_parameters()) | dict(self._module.named_buffers()))

    def check(self, state: State) -> None:
        """Refuse a state of another module.

        Raises:
            CheckpointError: if the names, or the shapes of parameters, differ; with both sides.
        """
        parameters, slots = dict(self._module.named_parameters()), _slots(self._module)
        there = {name: str(tuple(value.shape)) for name, value in state.tensors.items()}
        here = {name: str(tuple(value.shape)) for name, value in parameters.items()}
        here |= {name: there.get(name, "none") for name in slots}  # a buffer may come, go and change its shape
        wrong = sorted(name for name in here | there if here.get(name, "none") != there.get(name, "none"))
        if wrong:
            sides = (f"{name}: here {here.get(name, 'none')}, there {there.get(name, 'none')}" for name in wrong)
            raise CheckpointError(
                f"The state does not fit the model ({'; '.join(sides)}); install the plugin's version that it was made "
                "with."
            )

    def restore(self, state: State) -> None:
        """Copy the tensors in, all or none; raises as `check` does."""
        self.check(state)
        parameters, slots = dict(self._module.named_parameters()), _slots(self._module)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(state.tensors[name])
            for name, (owner, key) in slots.items():
                now, then = owner._buffers[key], state.tensors.get(name)
                if now is None or then is None or (now.shape, now.dtype) != (then.shape, then.dtype):
                    owner._buffers[key] = None if then is None else then.clone()
                else:
                    now.copy_(then)


class OptimiserState:
    """The moments of an optimiser; its settings are those of the run."""

    def __init__(self, optimiser: torch.optim.Optimizer) -> None:
        self._optimiser = optimiser
        self._parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]

    def state(self) -> State:
        """Tensors named after the number of their parameter."""
        tensors = {
            f"{number}.{name}": value
            for number, parameter in enumerate(self._parameters)
            for name, value in self._optimiser.state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }
        return State(tensors, {"kind": type(self._optimiser).__name__})

    def restore(self, state: State) -> None:
        """Copy the moments in, in their parameters' order of memory; another kind of optimiser starts afresh."""
        if state.facts["kind"] != type(self._optimiser).__name__:
            return
        for number, parameter in enumerate(self._parameters):
            for name, value in part(state.tensors, f"{number}.").items():
                like = torch.empty_like(parameter) if value.shape == parameter.shape else torch.empty_like(value)
                self._optimiser.state[parameter][name] = like.to(value.dtype).copy_(value)


class RandomState:
    """The global states of torch, numpy and random, a GPU's too, and the generator of the training's own draws."""

    def __init__(self, draws: Generator) -> None:
        self._draws = draws

    def state(self) -> State:
        """Words as tensors; what is no word as plain values."""
        kind, words, position, has_gauss, gauss = np.random.get_state(legacy=True)
        version, numbers, normal = random.getstate()
        tensors = {
            "draws": self._draws.get_state(),
            "torch": torch.get_rng_state(),
            "numpy": torch.from_numpy(np.asarray(words).astype(np.int64)),
            "python": torch.tensor(numbers, dtype=torch.int64),
        }
        if self._draws.device.type == "cuda":
            tensors["cuda"] = torch.cuda.get_rng_state(self._draws.device)
        rest = [str(kind), int(position), int(has_gauss), float(gauss)]
        return State(tensors, {"numpy": rest, "python": [version, normal]})

    def restore(self, state: State) -> None:
        """Put all of them back."""
        self._draws.set_state(state.tensors["draws"].clone())
        torch.set_rng_state(state.tensors["torch"].clone())
        if "cuda" in state.tensors:
            torch.cuda.set_rng_state(state.tensors["cuda"].clone(), self._draws.device)
        kind, *rest = state.facts["numpy"]
        np.random.set_state((kind, state.tensors["numpy"].numpy().astype(np.uint32), *rest))
        version, normal = state.facts["python"]
        random.setstate((version, tuple(state.tensors["python"].tolist()), normal))


def _slots(module: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """Where each buffer of a module is held, by its first name; those that are None too."""
    found: dict[str, tuple[nn.Module, str]] = {}
    seen: set[int] = set()
    for prefix, owner in module.named_modules():
        for key, buffer in owner._buffers.items():
            if buffer is None or id(buffer) not in seen:
                found[f"{prefix}.{key}" if prefix else key] = (owner, key)
            seen.add(id(buffer))
    return found
