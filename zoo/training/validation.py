"""The loss of a trained model on the validation split, for comparison with its training loss."""

from __future__ import annotations

from itertools import repeat

import torch

from zoo.data.dataset import Data
from zoo.models.model import Model
from zoo.runtime.randomness import bernoulli, generator, scoped_randomness
from zoo.runtime.seeds import derive_seed
from zoo.training.meter import Step

_BATCH = 500


def validation_loss(model: Model, data: Data, seed: int, *, progress: float = 1.0) -> float | None:
    """Return the mean loss over the validation split in evaluation mode; None where it would not be comparable.

    That is so for a plugin with its own `fit`, for several players, and for a module with training-only state on which
    the loss depends, such as the chains of persistent contrastive divergence.

    Args:
        model: a trained model.
        data: what it was trained on.
        seed: seed of bits and of the loss's draws.
        progress: used share of the budget, which a schedule in the loss depends on.
    """
    plugin = model.plugin
    phases = plugin.card.phases_with(model.config)
    players = [player for phase in phases for player in phase.players]
    training_state = any(module._non_persistent_buffers_set for module in model.module.modules())
    if not plugin.implements("loss") or len(players) > 1 or training_state:
        return None
    draws = generator(seed, "validation", model.device)
    step = Step()
    step.progress, step.phase = progress, phases[0].name
    x = data.standardise(data.valid).to(model.device)
    y = data.valid_labels if model.is_conditional else None
    labels = repeat(None) if y is None else y.to(model.device).split(_BATCH)
    total = 0.0
    model.module.eval()
    with torch.no_grad(), scoped_randomness(derive_seed(seed, "validation")):
        for block, of in zip(x.split(_BATCH), labels, strict=False):
            shown = bernoulli(block, draws) if model.trains_on_bits else block
            losses = plugin.hooks.loss(
                model=model.module, x=shown, generator=draws, step=step, player=players[0].name, y=of
            )
            total += losses["loss"].item() * len(block)
    return total / len(x)
