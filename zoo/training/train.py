"""`plan` and `train`: from a contestant to a `TrainingJob`, and from the job to a model and its run folder."""

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
from zoo.data.source import source_of
from zoo.errors import ConfigError, DataError, DivergedError, PluginError
from zoo.files.folder_lock import locked
from zoo.files.names import slug
from zoo.files.storage import new_folder, remove_unfinished, writing
from zoo.files.tensor_file import obstacle
from zoo.models.density import DensityPerClass, FittedDensity
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.devices import find_device
from zoo.runtime.interruption import Interruption
from zoo.runtime.randomness import bernoulli, generator, scoped_randomness
from zoo.runtime.ranks import ALONE, LostRankError, Ranks
from zoo.runtime.seeds import checked_seed, derive_seed
from zoo.runtime.threads import several_threads, single_thread
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import FILE, CheckpointPolicy
from zoo.training.initial_weights import InitialWeights
from zoo.training.job import TrainingJob
from zoo.training.meter import Progress
from zoo.training.module import built, spec_for, train_module
from zoo.training.record import check_unused
from zoo.training.resolved import Resolved, resolve

_FEWEST = 3  # examples of a class to which a density is fitted


def create(registry: PluginRegistry, contestant: Contestant, data: Data | DataSpec, seed: int) -> Model:
    """Return an untrained model; a latent density is fitted to the codes of a trained one, so it is refused here."""
    resolved = resolve(registry, contestant)
    if resolved.density:
        raise ConfigError(
            f"{contestant.text}: a latent density is fitted after training; create {contestant.model}, or train "
            f"{contestant.text}."
        )
    spec = spec_for(resolved.plugin, resolved.config, data)
    with scoped_randomness(derive_seed(seed, "build")):
        module = built(resolved.plugin, resolved.config, spec)
    return Model(resolved.plugin, module.eval(), resolved.config, spec, options=contestant.options)


def plan(
    registry: PluginRegistry,
    contestant: Contestant,
    data: Any,
    *,
    seed: int = 0,
    budget: TrainingBudget | None = None,
    folder: Path | None = None,
    out: Path | None = None,
    checkpoints: CheckpointPolicy | None = None,
    device: str = "cpu",
    source: str | None = None,
    resuming: bool = False,
    weights: Path | InitialWeights | None = None,
    threads: int = 1,
    ranks: Ranks = ALONE,
) -> TrainingJob:
    """Load the plugins and the data of a training and check everything that can be checked before work starts.

    Args:
        registry: where names are looked up.
        contestant, data, seed, device, threads: see `zoo.train`.
        budget: None takes the data set's number of epochs.
        folder: the run folder; None for none.
        out: a folder in which a new run folder is made, last of all; it takes the place of `folder`.
        checkpoints: how the training is saved; None takes the default.
        source: name or path under which the data are found again; None takes it from `data`.
        resuming: whether the folder may hold a run, which the job continues.
        weights: run folder or model file with whose weights the training starts, which is read and checked; or the
            weights with which the run that is continued was started.
        ranks: the processes that train the model together, all of which plan the same; only the first has a folder. A
            model whose plugin has its own `fit` is trained by each of them.

    Raises:
        ConfigError, PluginError, DataError, CheckpointError: for anything that is wrong.
    """
    seed = checked_seed(seed)
    resolved, place = resolve(registry, contestant), find_device(ranks.device(device))
    about = {"contestant": asdict(contestant), "source": source or source_of(data)}
    with single_thread():
        loaded = load_data(data, registry)
    check_labels(resolved, loaded)
    if isinstance(weights, Path):
        weights = InitialWeights.of(weights, registry, resolved, loaded.spec)
    if not ranks.is_first:
        folder = out = None
    if out is not None:
        name = resolved.plugin.card.name + (f"@{resolved.density.card.name}" if resolved.density else "")
        folder = new_folder(out, slug(f"{name}-{Path(loaded.name).stem}"))
    return TrainingJob(
        resolved,
        loaded,
        seed,
        budget or TrainingBudget(loaded.epochs, "epochs"),
        folder,
        checkpoints or CheckpointPolicy(),
        place,
        about,
        resuming,
        weights,
        threads=threads,
        ranks=ALONE if resolved.plugin.implements("fit") else ranks,
    )


def train(job: TrainingJob, progress: Progress | None = None) -> Model:
    """Train a job's model, fit its latent density if it has one, and write its run folder if it has one.

    A finished model of a plugin with its own `fit` is returned as it is. Of several ranks, only the first fits the
    density and writes.

    Raises:
        ConfigError: if the folder already contains a run.
        DivergedError: if a loss or a weight is not finite.
        Interrupted: after Ctrl-C or SIGTERM; with a folder, once a checkpoint is saved.
    """
    if job.finished:
        return job.finished
    folder, density = job.folder, job.resolved.density
    with several_threads(job.threads):
        if folder:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
        held = locked(folder) if folder else contextlib.nullcontext()
        command = job.ranks.on_first(lambda: _command(folder, job.ranks.count) if folder else None)
        with held, Interruption(command, shared=job.ranks.count > 1) as interruption:
            if folder:
                remove_unfinished(folder) if job.resuming else check_unused(folder)
            try:
                model = train_module(job, progress, interruption)
            except LostRankError as error:
                raise LostRankError(f"{error}{_kept(folder, command)}") from error
            except DivergedError as error:
                raise DivergedError(f"{error}{_way_out(folder)}") from None
            if density and job.ranks.is_first:
                per_class = job.resolved.density_options.per_class
                model = fit_density(model, density, job.data, job.seed, per_class=per_class)
            if folder:
                model.save(folder)
    return model


def check_labels(resolved: Resolved, data: Data) -> None:
    """Check before a training that the data have the classes that the contestant needs.

    Raises:
        DataError: for data without classes, or with classes of too few examples for a density for each class.
    """
    spec_for(resolved.plugin, resolved.config, data)
    if not resolved.density_options.per_class:
        return
    if not data.class_shares:
        raise DataError(
            f"density.per_class needs a label 0, 1, … for every example, which {data.name} does not have; choose other "
            "data, or leave it out."
        )
    few = [c for c, share in enumerate(data.class_shares) if 0 < share < _FEWEST / len(data.train)]
    if few:
        raise DataError(
            f"density.per_class needs at least {_FEWEST} training examples of a class, and class {few[0]} of "
            f"{data.name} has fewer; leave density.per_class or that class out."
        )


def fit_density(model: Model, density: Plugin, data: Data, seed: int, *, per_class: bool = False) -> Model:
    """Return the model under a density fitted, in float64, to one draw of the code of each training example.

    The examples are given as training gave them: a model trained on bits gets one draw of the bits of each.

    Args:
        model, density, data, seed: the trained model, the density's plugin, and the data and seed of the training.
        per_class: whether to fit one density to the codes of each class.
    """
    x = data.train
    if model.trains_on_bits:
        x = bernoulli(x, generator(seed, "bits of the codes"))
    codes = model.encode(x, data.train_labels if model.is_conditional else None, seed=derive_seed(seed, "codes"))
    flat, latent = codes.reshape(len(codes), -1).double(), tuple(codes.shape[1:])
    if not per_class:
        return model.with_density(_fitted(density, flat, latent, seed))
    labels = data.train_labels
    assert labels is not None  # by check_labels
    of_class = [labels == c for c in range(len(data.class_shares))]
    classes = [_fitted(density, flat[rows], latent, seed) if rows.any() else None for rows in of_class]
    return model.with_density(DensityPerClass(tuple(classes), data.class_shares))


def _fitted(density: Plugin, flat: Tensor, latent: tuple[int, ...], seed: int) -> FittedDensity:
    """Return a density fitted to flat codes, float64, shape (N, D)."""
    with scoped_randomness(derive_seed(seed, "density")):
        state = density.hooks.fit(codes=flat, generator=generator(seed, "density"))
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise PluginError(f"The hook 'fit' of {density.source} must return a dictionary of tensors, got {state!r:.80}.")
    for name, value in state.items():
        if reason := obstacle(value):
            raise PluginError(
                f"The hook 'fit' of {density.source} returned a state that cannot be saved: {name} {reason}."
            )
    if any(value.isnan().any() for value in state.values()):
        raise DivergedError(
            f"The hook 'fit' of {density.source} returned nan; the training diverged, or the hook has an error."
        )
    return FittedDensity(density, state, latent)


def _command(folder: Path, processes: int) -> str:
    """Return the command that resumes a run."""
    return f"zoo train --resume {shlex.quote(str(folder))}" + (f" --processes {processes}" if processes > 1 else "")


def _kept(folder: Path | None, command: str | None) -> str:
    """Say how to continue from the last checkpoint, if there is one."""
    return f" Its last checkpoint is kept: {command}." if folder and (folder / FILE).exists() else ""


def _way_out(folder: Path | None) -> str:
    """Say how to continue from the last finite checkpoint, if there is one."""
    if folder is None or not (folder / FILE).exists():
        return ""
    return f" The last finite checkpoint is kept; resume it: zoo train CONTESTANT --resume {folder} --allow-changes."
