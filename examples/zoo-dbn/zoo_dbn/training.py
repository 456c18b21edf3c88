"""Greedy training: each RBM for its share of the budget, on draws of the hidden units of the RBM below it.

Gradient descent with a learning rate that falls to 0 in each layer, a limit on the norm of the gradient, and weights
averaged over the steps, a ← a + (w − a) (1 − d)/(1 − d^t). The layers above are trained on the averaged weights.
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
        train: grayscale values, bits or real values, shape (N, *shape). Bits are redrawn from grayscale values each
            epoch, and so are the hidden units below the RBM that is being trained.
        generator: source of all draws.
        budget: the meter.
    """
    for layer in range(len(model.rbms)):
        train_layer(model, layer, train, generator, budget)


@torch.no_grad()
def train_layer(model: DBN, layer: int, train: Tensor, generator: Generator, budget: zoo.Budget) -> None:
    """Train one RBM for its share of the budget; the others do not change."""
    rbm, config, L = model.rbms[layer], model.config, len(model.rbms)
    parameters = list(rbm.parameters())
    rbm.initialise(model.up(_bits(model, train, generator), layer, generator))
    optimiser = torch.optim.SGD(parameters, lr=config.learning_rate)
    average = [parameter.clone() for parameter in parameters]
    for t, v in enumerate(_batches(model, layer, train, generator, budget), start=1):
        rate = config.learning_rate * (1 + layer - L * budget.progress)
        budget.learning_rate = optimiser.param_groups[0]["lr"] = rate
        loss = rbm.contrast(v, generator)
        nn.utils.clip_grad_norm_(parameters, _CLIP)
        optimiser.step()
        torch._foreach_lerp_(average, parameters, (1 - config.average) / (1 - config.average**t))
        budget.step(model, **{f"rbm{layer + 1}": loss})
    optimiser.zero_grad()
    torch._foreach_copy_(parameters, average)


def _batches(model: DBN, layer: int, train: Tensor, generator: Generator, budget: zoo.Budget) -> Iterator[Tensor]:
    """Yield batches for RBM `layer`, shape (B, V), until its share of the budget is used; new draws each epoch."""
    size, end = math.ceil(len(train) / budget.per_epoch), (layer + 1) / len(model.rbms)
    while True:
        x = model.up(_bits(model, train, generator), layer, generator)
        for index in torch.randperm(len(x), generator=generator, device=generator.device).split(size):
            if budget.exhausted or budget.progress >= end:
                return
            yield x[index]


def _bits(model: DBN, train: Tensor, generator: Generator) -> Tensor:
    """Bits drawn from grayscale values; real values as they are."""
    return train if model.real else zoo.bernoulli(train, generator)
