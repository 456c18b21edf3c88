"""The training loop for models with a `loss`: data in one tensor, indexed by one permutation per epoch.

On a GPU no step synchronises: losses are summed on the device and read at the end of an epoch.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Any

import torch
from torch import Generator, Tensor, nn

from zoo.contract.card import Training
from zoo.data.dataset import Data
from zoo.errors import PluginError
from zoo.plugins.plugin import Plugin
from zoo.runtime.devices import device_of
from zoo.runtime.randomness import bernoulli, generator
from zoo.training.average import Average
from zoo.training.checkpoints import States
from zoo.training.divergence import check_weights
from zoo.training.meter import Meter, Step
from zoo.training.state import ModuleState, OptimiserState, Part, RandomState, State


def run(
    plugin: Plugin,
    module: nn.Module,
    settings: Training,
    budget: Meter,
    seed: int,
    data: Data,
    *,
    bits: bool,
    states: States | None = None,
    begin: State | None = None,
) -> None:
    """Minimise the plugin's `loss` until the budget is used up or early stopping ends the training.

    Args:
        plugin, module: the model to train.
        settings: optimiser settings.
        budget: the meter.
        seed: seed of the cell; the permutation is a pure function of (seed, epoch).
        data: the training split, and the validation split for early stopping; with labels for a conditional model only.
        bits: whether the model is trained on bits, drawn anew each epoch with the examples as probabilities.
        states: writes checkpoints when due, and at the end.
        begin: training state to resume from; None starts at the first step.

    Raises:
        DivergedError: if a loss, or at the end a weight, is not finite.
    """
    device, count = device_of(module), len(data.train)
    train, valid = _examples(data, device), data.standardise(data.valid).to(device)
    labels, valid_labels = (None if y is None else y.to(device) for y in (data.train_labels, data.valid_labels))
    draws = generator(seed, "training", device)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimiser = _optimiser(settings, trained)
    average = Average(module, settings.average) if settings.average else None
    stopping = _EarlyStopping(settings.patience, module) if settings.patience else None
    loss, step, update = plugin.hooks.loss, Step(), _update(settings, optimiser)
    parts = _parts(module, optimiser, draws, budget, average, stopping)
    if begin:
        begin.restore(parts)
    module.train()
    while not budget.exhausted:
        order = torch.randperm(count, generator=generator(seed, f"epoch {budget.epoch}")).to(device)
        for index in order.split(settings.batch_size)[budget.index % budget.per_epoch :]:
            step.index, step.epoch, step.progress = budget.index, budget.epoch, budget.progress
            budget.learning_rate = _set_rate(optimiser, settings, step.progress)
            x = train(index)
            y = None if labels is None else labels.index_select(0, index)
            losses = loss(model=module, x=bernoulli(x, draws) if bits else x, generator=draws, step=step, y=y)
            if step.index == 0:
                _check_losses(losses, plugin)
            for parameter in trained:  # ten times as fast as the optimiser's zero_grad
                parameter.grad = None
            losses["loss"].backward()
            if settings.clip:
                nn.utils.clip_grad_norm_(trained, settings.clip)
            update()
            if average:
                average.update()
            budget.step(module, **losses)
            if budget.exhausted or budget.index % budget.per_epoch == 0:
                break  # validation and checkpoint at the end of an epoch follow its last step
            if states and states.due:
                _save(states, parts, module, budget)
        if stopping:
            with average.applied() if average else contextlib.nullcontext():
                value = _validate(plugin, module, valid, valid_labels, step, seed, settings.batch_size, bits=bits)
                budget.stopped = stopping.update(value)
            budget.flush(valid_loss=value)
        if states and states.due and not budget.exhausted:
            _save(states, parts, module, budget)
    budget.flush()
    check_weights(module, budget.index, budget.learning_rate)
    if states and states.newest != budget.index:
        _save(states, parts, module, budget)
    if stopping:
        stopping.keep_best()
    elif average:
        average.keep()


def _parts(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    draws: Generator,
    budget: Meter,
    average: Average | None,
    stopping: _EarlyStopping | None,
) -> dict[str, Part]:
    """Return everything that changes from step to step, by name."""
    found: dict[str, Part | None] = {
        "module": ModuleState(module),
        "optimiser": OptimiserState(optimiser),
        "random": RandomState(draws),
        "budget": budget,
        "average": average,
        "stopping": stopping,
    }
    return {name: each for name, each in found.items() if each is not None}


def _save(states: States, parts: Mapping[str, Part], module: nn.Module, budget: Meter) -> None:
    """Save a checkpoint, after checking that the weights are finite."""
    check_weights(module, budget.index, budget.learning_rate)
    states.save(parts, budget.index)


def _examples(data: Data, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return a function from indices to standardised training examples on the device; it copies only the batch."""
    train = data.train.to(device)
    if data.standardisation is None:
        return lambda index: train.index_select(0, index)
    offset, scale = (value.to(device) for value in data.standardisation)
    return lambda index: (train.index_select(0, index) - offset) / scale


class _EarlyStopping:
    """Keeps the best weights, and stops after `patience` epochs without a better validation loss."""

    def __init__(self, patience: int, module: nn.Module) -> None:
        self._patience = patience
        self._module = module
        self._best = math.inf
        self._waited = 0
        self._weights: dict[str, Tensor] = {}

    def update(self, value: float) -> bool:
        """Record the validation loss of the module's current weights; return True to stop."""
        if value < self._best:
            self._best, self._waited = value, 0
            self._weights = {key: tensor.clone() for key, tensor in self._module.state_dict().items()}
        else:
            self._waited += 1
        return self._waited >= self._patience

    def keep_best(self) -> None:
        """Load the best weights into the module."""
        if self._weights:
            self._module.load_state_dict(self._weights)

    def state(self) -> State:
        """Return the best weights so far, their loss, and the number of epochs since."""
        return State(self._weights, {"best": self._best if self._weights else None, "waited": self._waited})

    def restore(self, state: State) -> None:
        """Restore saved best weights."""
        self._best = math.inf if state.facts["best"] is None else state.facts["best"]
        self._waited = state.facts["waited"]
        self._weights = {name: value.clone() for name, value in state.tensors.items()}


def _validate(
    plugin: Plugin,
    module: nn.Module,
    valid: Tensor,
    labels: Tensor | None,
    step: Step,
    seed: int,
    size: int,
    *,
    bits: bool,
) -> float:
    """Return the mean `loss` over the validation split in evaluation mode, with the same draws at every epoch."""
    draws: Generator = generator(seed, "validation", valid.device)
    total = 0.0
    module.eval()
    with torch.no_grad():
        for x, y in zip(valid.split(size), repeat(None) if labels is None else labels.split(size), strict=False):
            shown = bernoulli(x, draws) if bits else x
            losses = plugin.hooks.loss(model=module, x=shown, generator=draws, step=step, y=y)
            total += losses["loss"].item() * len(x)
    module.train()
    return total / len(valid)


def _check_losses(losses: Any, plugin: Plugin) -> None:
    """Check the return value of `loss` at the first step; later steps only check that it is finite."""
    where = f"The hook 'loss' of {plugin.source}"
    if not isinstance(losses, dict) or "loss" not in losses:
        raise PluginError(f"{where} must return a dictionary with the key 'loss', got {losses!r:.80}.")
    for name, value in losses.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise PluginError(f"{where} must return scalars, got {name} = {value!r:.80}.")
    if not losses["loss"].requires_grad:
        raise PluginError(f"{where} must return a 'loss' that depends on the parameters, got one without a gradient.")


def _optimiser(settings: Training, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=settings.momentum, weight_decay=decay, fused=True)
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return kind(parameters, lr=rate, betas=settings.betas, eps=settings.epsilon, weight_decay=decay, fused=True)


def _update(settings: Training, optimiser: torch.optim.Optimizer) -> Callable[[], Any]:
    """Return the optimiser's step; for plain SGD its formula, because torch's overhead exceeds the computation."""
    if settings.optimiser != "sgd" or settings.momentum or settings.weight_decay:
        return optimiser.step

    @torch.no_grad()
    def plain() -> None:
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad, alpha=-group["lr"])

    return plain


def _set_rate(optimiser: torch.optim.Optimizer, settings: Training, progress: float) -> float:
    """Set and return the learning rate at this share of the budget."""
    rate = settings.learning_rate * schedule(settings, progress)
    for group in optimiser.param_groups:
        group["lr"] = rate
    return rate


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
