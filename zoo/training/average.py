"""Bias-corrected exponential moving average of the weights.

a_t = a_{t-1} + (w_t - a_{t-1}) (1 - d) / (1 - d^t), which is the usual average divided by 1 - d^t (Adam's correction;
Kingma & Ba 2015, section 3): after one step it equals the weights, not a mixture with zeros.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import nn

from zoo.training.state import State


class Average:
    """The averages of parameters.

    Args:
        parameters: the parameters of a module or a part of it.
        decay: d, in (0, 1).
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        self._parameters: list[torch.Tensor] = list(parameters)
        self._decay = decay
        self._steps = 0
        self._values = [parameter.detach().clone() for parameter in self._parameters]

    def update(self) -> None:
        """Add the weights of one more step to the average."""
        self._steps += 1
        weight = (1 - self._decay) / (1 - self._decay**self._steps)
        with torch.no_grad():
            torch._foreach_lerp_(self._values, self._parameters, weight)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Use the averages as weights inside the block, and restore the last weights afterwards."""
        last = [parameter.detach().clone() for parameter in self._parameters]
        self.keep()
        try:
            yield
        finally:
            self._copy(last)

    def keep(self) -> None:
        """Replace the weights by the averages."""
        self._copy(self._values)

    def state(self) -> State:
        """Return the averages and their number of steps."""
        return State({str(number): value for number, value in enumerate(self._values)}, {"steps": self._steps})

    def restore(self, state: State) -> None:
        """Restore saved averages."""
        self._steps = state.facts["steps"]
        torch._foreach_copy_(self._values, [state.tensors[str(number)] for number in range(len(self._values))])

    def _copy(self, values: list[torch.Tensor]) -> None:
        with torch.no_grad():
            torch._foreach_copy_(self._parameters, values)
