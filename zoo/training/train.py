"""`train`: build, initialise, train, fit the latent density, write the run. Everything random depends on the seed."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zoo.amount import Amount
from zoo.card import Training
from zoo.config import Config
from zoo.contestant import Contestant
from zoo.data import SPLIT_SEED, Data, DataSpec, load_data
from zoo.errors import ConfigError, PluginError
from zoo.model import Density, Model
from zoo.plugins import Plugin
from zoo.randomness import bernoulli, derive_seed, generator, scoped_randomness
from zoo.storage import write_atomically
from zoo.threads import single_thread
from zoo.training.budget import Budget, Progress
from zoo.training.loop import run

if TYPE_CHECKING:
    from zoo.registry import Registry


@dataclass(frozen=True)
class Resolved:
    """A contestant whose plugins are loaded and whose settings are checked and complete."""

    plugin: Plugin
    density: Plugin | None
    config: Config
    training: Training
    options: Config


def resolve(registry: Registry, contestant: Contestant) -> Resolved:
    """Load what a contestant names and check all its settings, before any work.

    Raises:
        ConfigError, PluginError: for an unknown or broken plugin, a wrong setting, or a density of other codes.
    """
    plugin = registry.plugin(contestant.model)
    card = plugin.card
    density = registry.plugin(contestant.density, "zoo.densities") if contestant.density else None
    if density and card.latent not in density.card.accepts:
        codes = f"codes of kind {card.latent!r}" if card.latent else "no codes"
        raise ConfigError(
            f"{contestant.text}: {card.name} has {codes}, and {density.card.name} is a density over "
            f"{' or '.join(map(repr, density.card.accepts))} codes; compare {card.name} without it."
        )
    return Resolved(
        plugin,
        density,
        card.config.parse(contestant.config, card.name),
        Training.parse({**card.training.model_dump(), **contestant.training}, f"the training of {card.name}"),
        card.options.parse(contestant.options, f"the sampling of {card.name}"),
    )


def create(registry: Registry, contestant: Contestant, spec: DataSpec, seed: int) -> Model:
    """An untrained model; a latent density cannot be attached to it, for it is fitted to the codes of a trained one."""
    resolved = resolve(registry, contestant)
    if resolved.density:
        raise ConfigError(
            f"{contestant.text}: a latent density is fitted after training; create {contestant.model}, or train this."
        )
    with scoped_randomness(derive_seed(seed, "build")):
        module = _built(resolved.plugin, resolved.config, spec)
    return Model(resolved.plugin, module.eval(), resolved.config, spec, options=contestant.options)


def train(
    registry: Registry,
    contestant: Contestant,
    data: Any,
    *,
    seed: int,
    amount: Amount | None,
    folder: Path | None,
    progress: Progress | None = None,
) -> Model:
    """Train one contestant; see `zoo.Registry.train`."""
    resolved = resolve(registry, contestant)
    with single_thread():
        loaded = load_data(data, registry=registry)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        model = train_module(resolved, loaded, seed, amount or Amount(loaded.epochs, "epochs"), folder, progress)
        if resolved.density:
            model = fit_density(model, resolved.density, loaded, seed)
    if folder:
        model.save(folder)
    return model


def train_module(
    resolved: Resolved,
    data: Data,
    seed: int,
    amount: Amount,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Model:
    """Train the model of a contestant, without a latent density, on one thread as `single_thread` sets it.

    The caller's global random state is left as it was. With a folder, `metrics.jsonl` and `run.json` are written.
    """
    plugin, settings = resolved.plugin, resolved.training
    bits = data.spec.support == "unit" and plugin.card.shown(resolved.config) == "bits"
    budget = Budget(amount, ceil(len(data.train) / settings.batch_size), folder, progress)
    started = datetime.now(UTC)
    with scoped_randomness(derive_seed(seed, "build")):
        module = _built(plugin, resolved.config, data.spec)
        if plugin.implements("initialise"):
            plugin.hooks.initialise(model=module, train=data.standardise(data.train))
    with scoped_randomness(derive_seed(seed, "train")):
        valid = data.standardise(data.valid)
        if plugin.implements("fit"):
            whole = data.standardise(data.train)
            draws = generator(seed, "training")
            module.train()
            plugin.hooks.fit(model=module, train=whole, valid=valid, generator=draws, budget=budget)
            budget.flush()
        else:
            examples = _examples(data)
            run(plugin, module, settings, budget, seed, examples, len(data.train), valid, bits=bits)
    protocol = {
        "data": {"name": data.name, "sha256": data.sha256, "split_seed": SPLIT_SEED},
        "seed": seed,
        "budget": str(amount),
        "training": settings.model_dump(mode="json"),
        "versions": versions(plugin, *plugin.extensions),
        "extensions": [extension.qualified for extension in plugin.extensions],
    }
    if folder:
        facts = {"started": started.isoformat(timespec="seconds"), "seconds": budget.seconds, "steps": budget.index}
        facts |= {"plugin": plugin.qualified, "config": resolved.config.model_dump(mode="json")}
        write_atomically(folder / "run.json", json.dumps({**facts, **protocol}, indent=2).encode())
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


def fit_density(model: Model, density: Plugin, data: Data, seed: int) -> Model:
    """The same model under a density fitted, in float64, to one draw of the code of each training example.

    The examples are shown as training showed them: a model of bits sees one draw of the bits of each.
    """
    x = data.train
    if model.sees_bits:
        x = bernoulli(x, generator(seed, "bits of the codes"))
    codes = model.encode(x, seed=derive_seed(seed, "codes"))
    flat = codes.reshape(len(codes), -1).double()
    with scoped_randomness(derive_seed(seed, "density")):
        state = density.hooks.fit(codes=flat, generator=generator(seed, "density"))
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise PluginError(f"The hook 'fit' of {density.source} must return a dictionary of tensors, got {state!r:.80}.")
    return model.with_density(Density(density, state, tuple(codes.shape[1:])))


def versions(*plugins: Plugin) -> dict[str, str]:
    """Of Python, torch, the core and these plugins' distributions."""
    from zoo import __version__

    found = {"python": platform.python_version(), "torch": torch.__version__, "genzoo": __version__}
    return found | {plugin.distribution: plugin.version for plugin in plugins if plugin.distribution}


def _built(plugin: Plugin, config: Config, spec: DataSpec) -> nn.Module:
    module = plugin.hooks.build(config=config, data=spec)
    if not isinstance(module, nn.Module):
        raise PluginError(
            f"The hook 'build' of {plugin.source} must return a torch.nn.Module, got {type(module).__name__}."
        )
    return module


def _examples(data: Data) -> Any:
    """From indices to standardised training examples; nothing is copied but the batch."""
    if data.standardisation is None:
        return lambda index: data.train.index_select(0, index)
    return lambda index: data.standardise(data.train.index_select(0, index))


def _changes(options: Config) -> dict[str, Any]:
    """The settings that differ from the card's defaults."""
    return options.model_dump(mode="json", exclude_defaults=True)
