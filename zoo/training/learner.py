"""`Learner`: a player in its phase, with its parameters, optimiser, schedule and averaged weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.contract.training import Player, Training
from zoo.training.average import Average
from zoo.training.optimisers import without_compiler
from zoo.training.state import OptimiserState, Part


class Learner:
    """Takes the optimiser's steps of a player; each step changes the parameters of this player only.

    Attributes:
        name, settings: of the player.
        checked: whether the first losses of the player have been checked.

    Args:
        player: the player.
        parameters: the parameters of its modules; those that require a gradient are trained.
    """

    def __init__(self, player: Player, parameters: list[nn.Parameter]) -> None:
        self.name, self.settings = player.name, player.settings
        self.checked = False
        self._average = Average(parameters, self.settings.average) if self.settings.average else None
        self._trained = [parameter for parameter in parameters if parameter.requires_grad]
        self._optimiser = _optimiser(self.settings, self._trained)
        self._update = _update(self.settings, self._optimiser)

    @property
    def parts(self) -> dict[str, Part]:
        """What changes from step to step, by name."""
        found: dict[str, Part] = {"optimiser": OptimiserState(self._optimiser)}
        return found | ({"average": self._average} if self._average else {})

    def set_rate(self, progress: float) -> float:
        """Set and return the learning rate at this share of the phase's budget."""
        rate = self.settings.learning_rate * schedule(self.settings, progress)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        return rate

    def differentiate(self, loss: Tensor) -> None:
        """Set the gradient of the loss."""
        for parameter in self._trained:  # ten times as fast as the optimiser's zero_grad
            parameter.grad = None
        loss.backward(inputs=self._trained)

    @property
    def gradients(self) -> list[Tensor]:
        """The gradient of each parameter; a loss that does not depend on one has none."""
        return [parameter.grad for parameter in self._trained if parameter.grad is not None]

    def update(self) -> None:
        """Take one step down the gradient."""
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self._trained, self.settings.clip)
        self._update()
        if self._average:
            self._average.update()

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Use the averaged weights, if there are any, inside the block."""
        return self._average.applied() if self._average else contextlib.nullcontext()

    def keep_average(self) -> None:
        """Replace the weights by their averages, if there are any."""
        if self._average:
            self._average.keep()


def schedule(settings: Training, progress: float) -> float:
    """Factor of the learning rate at `progress` in [0, 1]: a linear warm-up, then the card's schedule, down to 0."""
    if progress < settings.warmup:
        return progress / settings.warmup
    rest = (progress - settings.warmup) / (1 - settings.warmup)
    if settings.schedule == "linear":
        return 1 - rest
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * rest))
    return 1.0


def _optimiser(settings: Training, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "sgd":
        sgd = without_compiler(torch.optim.SGD)
        return sgd(parameters, lr=rate, momentum=settings.momentum, weight_decay=decay, fused=True)
    adam = without_compiler(torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW)
    return adam(parameters, lr=rate, betas=settings.betas, eps=settings.epsilon, weight_decay=decay, fused=True)


def _update(settings: Training, optimiser: torch.optim.Optimizer) -> Callable[[], Any]:
    """Return the optimiser's step; for plain SGD its formula, which takes a small model less time than torch's."""
    if settings.optimiser != "sgd" or settings.momentum or settings.weight_decay:
        return optimiser.step

    @torch.no_grad()
    def plain() -> None:
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad, alpha=-group["lr"])

    return plain
