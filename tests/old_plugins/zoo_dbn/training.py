"""Greedy training: each RBM for its part of the budget, on draws of the hidden units of the one below.

Gradient descent as the RBM's own plugin asks the zoo for it: a step size that falls to 0, a limit to the gradient's
norm, and weights averaged over the steps, a ← a + (w − a) (1 − d)/(1 − d^t), which the layers above then look at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn

import zoo
from zoo_dbn.model import DBN

_CLIP = 10.0  # largest norm of a gradient


def fit(model: DBN, train: Tensor, generator: Generator, budget: zoo.Budget) -> None:
    """Train RBM 1 … L in turn, each for 1/L of the budget.

    Args:
        model: the untrained stack.
        train: grey values, bits or real values, shape (N, *shape). Bits are drawn anew from grey values each epoch, and
            so are the hidden units below the RBM that is trained.
        generator: where all draws come from.
        budget: the meter.
    """
    for layer in range(len(model.rbms)):
        train_layer(model, layer, train, generator, budget)


def train_layer(model: DBN, layer: int, train: Tensor, generator: Generator, budget: zoo.Budget) -> None:
    """Train one RBM by the `loss` of its plugin, for its part of the budget; the others stay as they are."""
    rbm, config, L = model.rbms[layer], model.config, len(model.rbms)
    hooks, parameters = rbm.plugin.hooks, list(rbm.module.parameters())
    with torch.no_grad():
        hooks.initialise(model=rbm.module, train=model.up(_bits(model, train, generator), layer, generator))
    optimiser = torch.optim.SGD(parameters, lr=config.learning_rate)
    average = [parameter.detach().clone() for parameter in parameters]
    rbm.module.train()
    for t, x in enumerate(_batches(model, layer, train, generator, budget), start=1):
        rate = config.learning_rate * (1 + layer - L * budget.progress)
        budget.learning_rate = optimiser.param_groups[0]["lr"] = rate
        step = zoo.Step(budget.index, budget.epoch, budget.progress)
        losses = hooks.loss(model=rbm.module, x=x, generator=generator, step=step)
        optimiser.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(parameters, _CLIP)
        optimiser.step()
        weight = (1 - config.average) / (1 - config.average**t)
        with torch.no_grad():
            torch._foreach_lerp_(average, parameters, weight)
        budget.step(model, **{f"rbm{layer + 1}": losses["loss"]})
    rbm.module.eval()
    with torch.no_grad():
        torch._foreach_copy_(parameters, average)


def _batches(model: DBN, layer: int, train: Tensor, generator: Generator, budget: zoo.Budget) -> Iterator[Tensor]:
    """What RBM `layer` is shown, batch by batch, until its part of the budget is used; new draws each epoch."""
    size, end = math.ceil(len(train) / budget.per_epoch), (layer + 1) / len(model.rbms)
    while True:
        x = model.up(_bits(model, train, generator), layer, generator)
        for index in torch.randperm(len(x), generator=generator, device=generator.device).split(size):
            if budget.exhausted or budget.progress >= end:
                return
            yield x[index]


def _bits(model: DBN, train: Tensor, generator: Generator) -> Tensor:
    """Bits drawn from grey values; real values as they are."""
    return train if model.real else zoo.bernoulli(train, generator)
