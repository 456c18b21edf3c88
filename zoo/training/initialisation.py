"""Calls of the hook `initialise`: before the first step, and again at later phases if the hook asks for the phase."""

from __future__ import annotations

from torch import nn

from zoo.contract.training import Phase
from zoo.data.dataset import Data
from zoo.plugins.plugin import Plugin
from zoo.runtime.devices import device_of
from zoo.runtime.randomness import generator, scoped_randomness
from zoo.runtime.seeds import derive_seed


def initialise(plugin: Plugin, module: nn.Module, data: Data, seed: int, phase: Phase) -> None:
    """Let a plugin initialise a model from the training split, on the model's device, if it has the hook."""
    if plugin.implements("initialise"):
        device = device_of(module)
        draws = generator(seed, f"initialise {phase.name}", device)
        train = data.standardise(data.train).to(device)
        y = None if data.train_labels is None else data.train_labels.to(device)
        plugin.hooks.initialise(model=module, train=train, phase=phase.name, generator=draws, y=y)


def initialise_again(
    plugin: Plugin, module: nn.Module, data: Data, seed: int, phase: Phase, *, keep_weights: bool
) -> None:
    """Call `initialise` at the beginning of a later phase, if the hook names the argument `phase`.

    Args:
        plugin, module, data, seed, phase: see `initialise`.
        keep_weights: whether the saved weights stay as they are, so that only unsaved buffers are initialised.
    """
    if not plugin.names("initialise", "phase"):
        return
    kept = {name: value.clone() for name, value in module.state_dict().items()} if keep_weights else None
    with scoped_randomness(derive_seed(seed, f"initialise {phase.name}")):
        initialise(plugin, module, data, seed, phase)
    if kept is not None:
        module.load_state_dict(kept)
