"""`train_module`: one model, from its seed to its trained weights, with its run folder if it has one."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import nn

from zoo.contract.config import Config
from zoo.contract.data_spec import DataSpec
from zoo.data.dataset import Data
from zoo.errors import ConfigError, DataError, PluginError
from zoo.files.tensor_file import obstacle
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin
from zoo.runtime.devices import describe_device, device_of, suited
from zoo.runtime.interruption import Interruption
from zoo.runtime.randomness import generator, scoped_randomness
from zoo.runtime.seeds import SPLIT_SEED, derive_seed
from zoo.training.checkpoints import States
from zoo.training.divergence import check_weights
from zoo.training.initialisation import initialise
from zoo.training.job import TrainingJob
from zoo.training.log import Log
from zoo.training.loop import Loop
from zoo.training.meter import Meter, Progress
from zoo.training.modules import check_players, set_mode
from zoo.training.record import Record
from zoo.training.start_point import StartPoint
from zoo.training.state import ModuleState


def train_module(job: TrainingJob, progress: Progress | None = None, interruption: Interruption | None = None) -> Model:
    """Train the model of a job, without a latent density, on the threads that the caller has set.

    The caller's global random state is left as it was.

    Args:
        job: what to train.
        progress: called with the reports.
        interruption: the signals that the training obeys between two steps.

    Raises:
        DataError: for a conditional model of data without classes.
        CheckpointError: if the checkpoint to start from does not fit.
        PluginError: if a model file or checkpoint could not hold the module.
        DivergedError: if a loss or weight is not finite.
        Interrupted: after Ctrl-C or SIGTERM, once a checkpoint is saved.
    """
    resolved, data, seed, folder = job.resolved, job.data, job.seed, job.folder
    plugin, phases = resolved.plugin, resolved.phases
    device = suited(job.device, float64=plugin.implements("fit"))
    bits = plugin.card.trains_on_bits(resolved.config, data.spec.support)
    spec = spec_for(plugin, resolved.config, data)
    interruption = interruption or Interruption()
    protocol = {
        "data": {"name": data.name, "sha256": data.sha256, "split_seed": SPLIT_SEED} | _reading(data),
        "seed": seed,
        "budget": str(job.budget),
        "training": resolved.training(),
        "versions": versions(plugin, *plugin.extensions),
        "extensions": [extension.qualified for extension in plugin.extensions],
        "device": str(device),
    }
    if job.weights:
        protocol["weights"] = asdict(job.weights)
    if job.threads > 1:
        protocol["threads"] = job.threads
    ranks = job.ranks
    if ranks.count > 1:
        protocol["ranks"] = ranks.count
    chosen = {"plugin": plugin.qualified, "config": resolved.config.model_dump(mode="json")}
    depends_on = {
        **chosen,
        **protocol,
        "data": data.sha256,
        "budget": f"{job.budget.value} {job.budget.unit}",
        **_machine(device),
    }
    if job.weights:
        depends_on["weights"] = job.weights.sha256
    start = ranks.on_first(lambda: StartPoint.of(depends_on, job.checkpoints, Log(folder)))
    if start.changes:
        protocol["changes"] = start.changes
    if not plugin.card.is_conditional_with(resolved.config):
        data = data.without_labels()
    record = Record(folder, {**job.about, **chosen, "amount": asdict(job.budget), **start.history, **protocol})
    with scoped_randomness(derive_seed(seed, "build")):
        module = built(plugin, resolved.config, spec)
        if plugin.implements("loss"):
            check_players(plugin, module, phases)
            set_mode(module, phases[0])
        initialise(plugin, module, data, seed, phases[0])
    model = Model(
        plugin,
        module,
        resolved.config,
        spec,
        standardisation=data.standardisation,
        options=_changes(resolved.options),
        columns=data.columns,
        protocol=protocol,
        table=data.table,
    )

    def take(epoch: int) -> None:
        if folder:
            model.save(folder / f"epoch-{epoch}")

    writes, saves = ranks.on_first(lambda: (bool(folder), bool(folder and job.checkpoints)))
    _check_storable(plugin, module, checkpoints=saves and not plugin.implements("fit"))
    if job.weights and not start.state:
        job.weights.load_into(module)
    module.to(device)
    if start.state:
        ModuleState(module).check(start.state.part("module"))  # before run.json is overwritten
    meter = Meter(job.budget, len(data.train), resolved.batch_size, folder, progress, ranks.clock)
    if start.state and start.changes:
        _check_budget(meter, start.state.facts["budget"])
    record.begin()
    with record.ending(meter), scoped_randomness(derive_seed(ranks.seed(seed), "train")):
        if plugin.implements("fit"):
            _fit(plugin, module, data, seed, meter)
        else:
            states = None
            if saves and job.checkpoints:
                states = States(folder, job.checkpoints, start.facts, interruption, start.newest, ranks.clock)
            with interruption.held():
                loop = Loop(
                    plugin,
                    module,
                    phases,
                    meter,
                    seed,
                    data,
                    bits=bits,
                    states=states,
                    keep_weights=bool(job.weights),
                    snapshots=job.snapshots if writes else (),
                    take=take,
                    ranks=ranks,
                    interruption=interruption,
                )
                loop.run(start.state)
    module.eval()
    return model


def spec_for(plugin: Plugin, config: Config, data: Data | DataSpec) -> DataSpec:
    """Return the spec from which a model is built: that of the data, with the classes if the model is conditional.

    Args:
        plugin, config: the model.
        data: the data set, or shape, support and classes of its examples.

    Raises:
        DataError: for a conditional model of data without classes.
    """
    spec, name = (data, "this zoo.DataSpec") if isinstance(data, DataSpec) else (data.spec, data.name)
    if not plugin.card.is_conditional_with(config):
        return replace(spec, class_shares=())
    if not data.class_shares:
        raise DataError(
            f"{plugin.card.name} is conditional here, so all examples need labels 0, 1, …, which "
            f"{name} does not have; choose other data or another setting."
        )
    return replace(spec, class_shares=data.class_shares)


def built(plugin: Plugin, config: Config, spec: DataSpec) -> nn.Module:
    """The untrained module of a plugin."""
    module = plugin.hooks.build(config=config, data=spec)
    if not isinstance(module, nn.Module):
        raise PluginError(
            f"The hook 'build' of {plugin.source} must return a torch.nn.Module, got {type(module).__name__}."
        )
    return module


def _check_storable(plugin: Plugin, module: nn.Module, *, checkpoints: bool) -> None:
    """Refuse tensors that a model file, or a checkpoint if there will be any, cannot hold or give back."""
    tensors: dict[str, Any] = module.state_dict()
    if checkpoints:
        tensors = tensors | dict(module.named_parameters()) | dict(module.named_buffers())
    for name, value in tensors.items():
        reason = obstacle(value)
        if not reason and any(size > 1 and step == 0 for size, step in zip(value.shape, value.stride(), strict=True)):
            reason = "is expanded, so that its values share memory and cannot be restored; use a copy (x.clone())"
        if reason:
            raise PluginError(f"The model of {plugin.source} cannot be saved: {name} {reason}.")


def _check_budget(meter: Meter, used: Mapping[str, Any]) -> None:
    """Refuse to resume with a total budget below what is done: nothing would be trained, and the record would be wrong.

    Raises:
        ConfigError: with what is done.
    """
    if meter.steps is None:
        done, exceeded = f"{used['seconds']:.3g} seconds", used["seconds"] > meter.amount.value
    else:
        epochs = used["steps"] / meter.per_epoch
        done = f"{epochs:g} epochs" if meter.amount.unit == "epochs" else f"{used['steps']:,} steps"
        exceeded = used["steps"] > meter.steps
    if exceeded:
        raise ConfigError(
            f"The run has trained for {done} already, more than the total budget of {meter.amount}; give a larger one."
        )


def versions(*plugins: Plugin) -> dict[str, str]:
    """Return the versions of Python, torch, genzoo and the given plugins."""
    from zoo.version import __version__

    found = {"python": platform.python_version(), "torch": torch.__version__, "genzoo": __version__}
    return found | {plugin.distribution: plugin.version for plugin in plugins if plugin.distribution}


def _fit(plugin: Plugin, module: nn.Module, data: Data, seed: int, meter: Meter) -> None:
    """Let a plugin train its module with its `fit` hook."""
    device = device_of(module)
    train, valid = (data.standardise(split).to(device) for split in (data.train, data.valid))
    y, valid_y = (None if labels is None else labels.to(device) for labels in (data.train_labels, data.valid_labels))
    draws = generator(seed, "training", device)
    module.train()
    meter.start()
    plugin.hooks.fit(model=module, train=train, valid=valid, generator=draws, budget=meter, y=y, valid_y=valid_y)
    meter.flush()
    check_weights(module, meter.index, meter.learning_rate)


def _reading(data: Data) -> dict[str, Any]:
    """Return how a user's file was read, so that further rows are read in the same way."""
    facts = {"reading": dict(data.reading), "class_names": list(data.class_names)}
    return {key: value for key, value in facts.items() if value}


def _machine(device: torch.device) -> dict[str, Any]:
    """Return what the last digits of a sum depend on."""
    return {"threads": torch.get_num_threads(), "processor": describe_device(device)}


def _changes(options: Config) -> dict[str, Any]:
    """Return the settings that differ from the card's defaults."""
    return options.model_dump(mode="json", exclude_defaults=True)
