"""The two phases of training: the autoencoder with its codebook, then the prior over the codes that came of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

import zoo
from zoo_vqvae.model import VQVAE


def fit(model: VQVAE, train: Tensor, generator: Generator, budget: zoo.Budget) -> None:
    """Minimise L for the first share of the budget, and −log p(z(x)) with z(x) as it then is for the rest.

    Args:
        model: the untrained VQ-VAE.
        train: grey values, bits or real values, shape (N, *shape). Bits are drawn anew from grey values each time.
        generator: where bits, permutations and restarts come from.
        budget: the meter.
    """
    share = 1 - model.config.prior_share
    model.initialise(train, generator)
    learned = [parameter for name, parameter in model.named_parameters() if _of_autoencoder(name, parameter)]
    optimiser = torch.optim.Adam(learned, lr=model.config.learning_rate)
    for x in _batches(model, train, generator, budget, optimiser, 0.0, share):
        parts, z_e, z = model.objective(x)
        _descend(optimiser, parts["loss"])
        if model.config.update == "ema":
            model.update_codebook(z_e, z, generator)
        budget.step(model, **parts)

    optimiser = torch.optim.Adam(model.prior.parameters(), lr=model.config.learning_rate)
    for x in _batches(model, train, generator, budget, optimiser, share, 1.0):
        with torch.no_grad():
            z = model.encode(x)
        loss = -model.prior.log_prob(z).mean()
        _descend(optimiser, loss)
        budget.step(model, prior=loss)


def _of_autoencoder(name: str, parameter: Tensor) -> bool:
    return parameter.requires_grad and not name.startswith("prior.")


def _batches(
    model: VQVAE,
    train: Tensor,
    generator: Generator,
    budget: zoo.Budget,
    optimiser: torch.optim.Optimizer,
    start: float,
    end: float,
) -> Iterator[Tensor]:
    """Batches of a phase, from `start` to `end` of the budget; each sets the step size along a cosine down to 0."""
    size = math.ceil(len(train) / budget.per_epoch)
    while True:
        for index in torch.randperm(len(train), generator=generator, device=generator.device).split(size):
            if budget.exhausted or budget.progress >= end:
                return
            done = (budget.progress - start) / (end - start)
            budget.learning_rate = model.config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
            for group in optimiser.param_groups:
                group["lr"] = budget.learning_rate
            x = train[index]
            yield x if model.real else zoo.bernoulli(x, generator)


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
