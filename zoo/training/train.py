"""`train`: from a contestant to a model and its run folder. Everything random depends on the seed."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.contestant import Contestant
from zoo.contract.data_spec import DataSpec
from zoo.data.dataset import Data
from zoo.data.load import load_data
from zoo.data.paths import source_of
from zoo.errors import ConfigError, DivergedError, PluginError
from zoo.files.folder_lock import locked
from zoo.files.storage import remove_unfinished, writing
from zoo.models.density import FittedDensity
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.devices import find_device
from zoo.runtime.interruption import Interruption
from zoo.runtime.randomness import bernoulli, derive_seed, generator, scoped_randomness
from zoo.runtime.threads import single_thread
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import FILE, CheckpointPolicy
from zoo.training.meter import Progress
from zoo.training.module import built, train_module
from zoo.training.record import check_unused
from zoo.training.resolved import resolve


def create(registry: PluginRegistry, contestant: Contestant, spec: DataSpec, seed: int) -> Model:
    """An untrained model; a latent density cannot be attached to it, for it is fitted to the codes of a trained one."""
    resolved = resolve(registry, contestant)
    if resolved.density:
        raise ConfigError(
            f"{contestant.text}: a latent density is fitted after training; create {contestant.model}, or train this."
        )
    with scoped_randomness(derive_seed(seed, "build")):
        module = built(resolved.plugin, resolved.config, spec)
    return Model(resolved.plugin, module.eval(), resolved.config, spec, options=contestant.options)


def train(
    registry: PluginRegistry,
    contestant: Contestant,
    data: Any,
    *,
    seed: int,
    amount: TrainingBudget | None,
    folder: Path | None,
    progress: Progress | None = None,
    source: str | None = None,
    saving: CheckpointPolicy | None = None,
    resuming: bool = False,
    device: str = "cpu",
) -> Model:
    """Train one contestant; see `zoo.Registry.train`.

    Args:
        source: name or path under which the data are found again; None takes what `data` says.
        saving: how the run saves its state, and where it begins.
        resuming: whether the folder may hold a run, with which this goes on.
        device: where it is trained and stays: `cpu`, `cuda` or `cuda:1`.
    """
    resolved, place = resolve(registry, contestant), find_device(device)
    about = {"contestant": asdict(contestant), "source": source or source_of(data)}
    with single_thread():
        loaded = load_data(data, registry)
        if folder:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
        amount = amount or TrainingBudget(loaded.epochs, "epochs")
        held = locked(folder) if folder else contextlib.nullcontext()
        command = f"zoo train --resume {shlex.quote(str(folder))}" if folder else None
        with held, Interruption(command) as interruption:
            if folder:
                remove_unfinished(folder) if resuming else check_unused(folder)
            try:
                model = train_module(
                    resolved,
                    loaded,
                    seed,
                    amount,
                    folder,
                    progress,
                    saving or CheckpointPolicy(),
                    interruption,
                    about,
                    place,
                )
            except DivergedError as error:
                raise DivergedError(f"{error}{_way_on(folder)}") from None
            if resolved.density:
                model = fit_density(model, resolved.density, loaded, seed)
            if folder:
                model.save(folder)
    return model


def fit_density(model: Model, density: Plugin, data: Data, seed: int) -> Model:
    """The same model under a density fitted, in float64, to one draw of the code of each training example.

    The examples are shown as training showed them: a model of bits sees one draw of the bits of each.
    """
    x = data.train
    if model.trains_on_bits:
        x = bernoulli(x, generator(seed, "bits of the codes"))
    codes = model.encode(x, seed=derive_seed(seed, "codes"))
    flat = codes.reshape(len(codes), -1).double()
    with scoped_randomness(derive_seed(seed, "density")):
        state = density.hooks.fit(codes=flat, generator=generator(seed, "density"))
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise PluginError(f"The hook 'fit' of {density.source} must return a dictionary of tensors, got {state!r:.80}.")
    if any(value.isnan().any() for value in state.values()):
        raise DivergedError(
            f"The hook 'fit' of {density.source} returned nan; the training diverged, or the hook has an error."
        )
    return model.with_density(FittedDensity(density, state, tuple(codes.shape[1:])))


def _way_on(folder: Path | None) -> str:
    """How to go on from the last finite state, if there is one."""
    if folder is None or not (folder / FILE).exists():
        return ""
    return f" The last finite state is kept; go on from it: zoo train CONTESTANT --resume {folder} --allow-changes."
