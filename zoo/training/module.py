"""`train_module`: one model, from its seed to its trained weights, with its run folder if it has one."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zoo.contract.config import Config
from zoo.contract.data_spec import DataSpec
from zoo.data.dataset import Data
from zoo.errors import PluginError
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin
from zoo.runtime.devices import CPU, describe_device, device_of
from zoo.runtime.interruption import Interruption
from zoo.runtime.randomness import derive_seed, generator, scoped_randomness
from zoo.runtime.seeds import SPLIT_SEED
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy, States
from zoo.training.divergence import check_weights
from zoo.training.log import Log
from zoo.training.loop import run
from zoo.training.meter import Meter, Progress
from zoo.training.record import Record
from zoo.training.start_point import StartPoint
from zoo.training.state import ModuleState

if TYPE_CHECKING:
    from zoo.training.resolved import Resolved


def train_module(
    resolved: Resolved,
    data: Data,
    seed: int,
    amount: TrainingBudget,
    folder: Path | None = None,
    progress: Progress | None = None,
    saving: CheckpointPolicy | None = None,
    interruption: Interruption | None = None,
    about: Mapping[str, Any] | None = None,
    device: torch.device = CPU,
) -> Model:
    """Train the model of a contestant, without a latent density, on one thread as `single_thread` sets it.

    The caller's global random state is left as it was.

    Args:
        resolved: the contestant.
        data: what it is trained on.
        seed: of everything random.
        amount: the budget.
        folder: where `metrics.jsonl`, `run.json` and the states are written; None writes nothing.
        progress: takes the reports.
        saving: how the state is saved, and where to begin; None saves none and begins at the first step.
        interruption: the signals that the training obeys between two steps.
        about: further plain values for `run.json`.
        device: where it is trained, and stays.

    Raises:
        CheckpointError: if the state to begin with does not fit.
        DivergedError: if a loss or weight is not finite.
        Interrupted: after Ctrl-C or SIGTERM, once the state is saved.
    """
    plugin, settings = resolved.plugin, resolved.training
    bits = plugin.card.trains_on_bits(resolved.config, data.spec.support)
    interruption = interruption or Interruption()
    protocol = {
        "data": {"name": data.name, "sha256": data.sha256, "split_seed": SPLIT_SEED},
        "seed": seed,
        "budget": str(amount),
        "training": settings.model_dump(mode="json"),
        "versions": versions(plugin, *plugin.extensions),
        "extensions": [extension.qualified for extension in plugin.extensions],
        "device": str(device),
    }
    chosen = {"plugin": plugin.qualified, "config": resolved.config.model_dump(mode="json")}
    depends_on = {
        **chosen,
        **protocol,
        "data": data.sha256,
        "budget": f"{amount.value} {amount.unit}",
        **_machine(device),
    }
    beginning = StartPoint.of(depends_on, saving, Log(folder))
    if beginning.changes:
        protocol["changes"] = beginning.changes
    record = Record(folder, {**(about or {}), **chosen, "amount": asdict(amount), **beginning.history, **protocol})
    with scoped_randomness(derive_seed(seed, "build")):
        module = built(plugin, resolved.config, data.spec)
        if plugin.implements("initialise"):
            plugin.hooks.initialise(model=module, train=data.standardise(data.train))
    module.to(device)
    if beginning.state:
        ModuleState(module).check(beginning.state.part("module"))  # before the run is written down as another
    record.begin()
    budget = Meter(amount, ceil(len(data.train) / settings.batch_size), folder, progress)
    with record.ending(budget), scoped_randomness(derive_seed(seed, "train")):
        if plugin.implements("fit"):
            _fit(plugin, module, data, seed, budget)
        else:
            states = None
            if folder and saving:
                states = States(folder, saving, beginning.facts, interruption, beginning.newest)
            with interruption.held():
                run(plugin, module, settings, budget, seed, data, bits=bits, states=states, begin=beginning.state)
    return Model(
        plugin,
        module.eval(),
        resolved.config,
        data.spec,
        standardisation=data.standardisation,
        options=_changes(resolved.options),
        columns=data.columns,
        protocol=protocol,
    )


def built(plugin: Plugin, config: Config, spec: DataSpec) -> nn.Module:
    """The untrained module of a plugin."""
    module = plugin.hooks.build(config=config, data=spec)
    if not isinstance(module, nn.Module):
        raise PluginError(
            f"The hook 'build' of {plugin.source} must return a torch.nn.Module, got {type(module).__name__}."
        )
    return module


def versions(*plugins: Plugin) -> dict[str, str]:
    """Of Python, torch, the core and these plugins' distributions."""
    from zoo.version import __version__

    found = {"python": platform.python_version(), "torch": torch.__version__, "genzoo": __version__}
    return found | {plugin.distribution: plugin.version for plugin in plugins if plugin.distribution}


def _fit(plugin: Plugin, module: nn.Module, data: Data, seed: int, budget: Meter) -> None:
    """Let a plugin train its module by itself."""
    device = device_of(module)
    train, valid = (data.standardise(split).to(device) for split in (data.train, data.valid))
    draws = generator(seed, "training", device)
    module.train()
    plugin.hooks.fit(model=module, train=train, valid=valid, generator=draws, budget=budget)
    budget.flush()
    check_weights(module, budget.index, budget.learning_rate)


def _machine(device: torch.device) -> dict[str, Any]:
    """What changes the last digits of a sum."""
    return {"threads": torch.get_num_threads(), "processor": describe_device(device)}


def _changes(options: Config) -> dict[str, Any]:
    """The settings that differ from the card's defaults."""
    return options.model_dump(mode="json", exclude_defaults=True)
