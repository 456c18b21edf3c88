"""Averaged weights: an exponential moving average over the steps, bias-corrected.

a_t = a_{t-1} + (w_t - a_{t-1}) (1 - d) / (1 - d^t), which is the usual average divided by 1 - d^t (Adam's correction;
Kingma & Ba 2015, section 3): after one step it is the weights themselves, not a mixture with zeros.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from zoo.training.state import State


class Average:
    """The averaged parameters of a module.

    Args:
        module: whose parameters; buffers are left as they are.
        decay: d, in (0, 1).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._parameters: list[torch.Tensor] = list(module.parameters())
        self._decay = decay
        self._steps = 0
        self._values = [parameter.detach().clone() for parameter in self._parameters]

    def update(self) -> None:
        """Take the weights of one more step into the average."""
        self._steps += 1
        weight = (1 - self._decay) / (1 - self._decay**self._steps)
        with torch.no_grad():
            torch._foreach_lerp_(self._values, self._parameters, weight)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Put the averages into the module inside the block; the last weights after it."""
        last = [parameter.detach().clone() for parameter in self._parameters]
        self.keep()
        try:
            yield
        finally:
            self._copy(last)

    def keep(self) -> None:
        """Put the averages into the module for good."""
        self._copy(self._values)

    def state(self) -> State:
        """The averages, and over how many steps they are taken."""
        return State({str(number): value for number, value in enumerate(self._values)}, {"steps": self._steps})

    def restore(self, state: State) -> None:
        """Go on from averages taken before."""
        self._steps = state.facts["steps"]
        torch._foreach_copy_(self._values, [state.tensors[str(number)] for number in range(len(self._values))])

    def _copy(self, values: list[torch.Tensor]) -> None:
        with torch.no_grad():
            torch._foreach_copy_(self._parameters, values)
