"""What happens inside the processes of a comparison. Every task takes and returns plain values."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.comparison.measuring import Measuring
from zoo.contestant import parse_contestant
from zoo.data.dataset import Data
from zoo.data.files import read_examples
from zoo.data.load import load_data
from zoo.engine.worker import Emit, failure
from zoo.errors import CheckpointError, DataError, Unsupported
from zoo.evaluation.features import feature_space
from zoo.evaluation.reference import halving, reference_split
from zoo.files.folder_lock import locked
from zoo.files.names import slug
from zoo.files.storage import cache_folder, remove_unfinished
from zoo.models.checkpoint import load_model
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.devices import describe_device, find_device
from zoo.runtime.interruption import Interruption
from zoo.runtime.randomness import bernoulli, generator
from zoo.runtime.seeds import BITS_SEED, REFERENCE_SEED, SPLIT_SEED
from zoo.runtime.threads import single_thread
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy, newest_state, remove_states
from zoo.training.log import Report
from zoo.training.module import train_module, versions
from zoo.training.record import FILE as RECORD
from zoo.training.resolved import resolve
from zoo.training.train import fit_density

default = PluginRegistry()
_PROBE_SECONDS = 2.0  # of training, for an estimate of the whole
_PROBE_SAMPLES = 50


def prepare(
    *, name: str | None, file: str, full: bool, device: str, emit: Emit, registry: PluginRegistry = default
) -> dict[str, Any]:
    """Write named data into `file`, train or find the feature network, and say how everything will be measured."""
    with single_thread():
        if name is not None:
            load_data(name, registry).save(Path(file))
        data = Data.open(Path(file))
        emit({"stage": "features"})
        features, split = feature_space(data, cache_folder("features")), reference_split(data)
        order = {metric: place for place, metric in enumerate(registry.catalogue.compare.metrics)}
        names = sorted(registry.names("zoo.metrics"), key=lambda metric: order.get(metric, len(order)))
        cards = [registry.plugin(metric, "zoo.metrics").card for metric in names]
        protocol = {
            "data": {
                "name": data.name,
                "sha256": data.sha256,
                "split_seed": SPLIT_SEED,
                "sizes": [len(data.train), len(data.valid), len(data.test)],
                "shape": data.spec.shape,
                "support": data.spec.support,
                "classes": None if data.train_labels is None else len(data.train_labels.unique()),
            },
            "reference": split.description,
            "reference_seed": REFERENCE_SEED,
            "binarisation_seed": BITS_SEED,
            "samples": split.n_samples,
            "features": {"description": features.description, "sha256": features.sha256},
            "versions": versions(),
            "extensions": [f"{plugin.qualified} {plugin.version}".strip() for plugin in registry.active_extensions()],
            "device": device if device == "cpu" else f"{device}, {describe_device(find_device(device))}",
            "threads_per_process": 1,
        }
        facts = ("name", "title", "summary", "direction", "level", "paper")
        metrics = [{key: getattr(card, key) for key in facts} for card in cards if full or card.level != "full"]
        facts_of_data = {"epochs": data.epochs, "exchangeable": split.exchangeable}
        return {**facts_of_data, "protocol": protocol, "metrics": metrics}


def describe(*, contestant: str, emit: Emit, registry: PluginRegistry = default) -> dict[str, Any]:
    """Load a contestant's plugins and return its complete settings; raise what is wrong with it."""
    resolved = resolve(registry, parse_contestant(contestant))
    card = resolved.plugin.card
    return {
        "name": card.name,
        "model": resolved.plugin.qualified,
        "version": resolved.plugin.version,
        "density": resolved.density.qualified if resolved.density else None,
        "trains_on": card.trains_on_with(resolved.config),
        "samples": card.samples,
        "config": resolved.config.model_dump(mode="json"),
        "training": resolved.training.model_dump(mode="json"),
        "options": resolved.options.model_dump(mode="json"),
        "sensitivity": {key: list(values) for key, values in card.sensitivity.items()},
    }


def describe_outside(
    *, source: str, samples: bool, options: dict[str, Any], file: str, emit: Emit, registry: PluginRegistry = default
) -> dict[str, Any]:
    """Check a finished run, under the sampling options given, or a file of samples against the comparison's data.

    Raises:
        ConfigError: for options that the run's model does not have.
        CheckpointError: for a run on other data.
        DataError: for samples of another shape, or fewer than every contestant draws.
    """
    data = Data.open(Path(file))
    if samples:
        _outside_samples(source, data)
        return {"seed": 0}
    model = load_model(Path(source), registry)
    trained_on = model.protocol.get("data", {})
    if trained_on.get("sha256") != data.sha256:
        raise CheckpointError(
            f"{source} was trained on {trained_on.get('name', 'other data')} with another content or split (sha256 "
            f"{str(trained_on.get('sha256'))[:12]}) than {data.name} (sha256 {data.sha256[:12]}); evaluate it alone."
        )
    model = model.with_options(options)
    facts = {"name": model.name, "model": model.plugin.qualified, "version": model.plugin.version}
    return {
        "seed": model.protocol["seed"],
        "settings": {
            **facts,
            "config": model.config.model_dump(mode="json"),
            "options": dict(model.options),
            "budget": model.protocol["budget"],
        },
    }


def probe(
    *,
    contestants: list[str],
    file: str,
    budget: dict[str, Any],
    device: str,
    emit: Emit,
    registry: PluginRegistry = default,
) -> Any:
    """Seconds that a cell will take without its metrics, from two seconds of training and a few samples."""
    with single_thread(), tempfile.TemporaryDirectory(prefix="zoo-") as scratch:
        data = Data.open(Path(file))
        resolved = resolve(registry, parse_contestant(contestants[0]))
        amount = TrainingBudget(_PROBE_SECONDS, "seconds")
        model = train_module(resolved, data, 0, amount, Path(scratch), device=find_device(device))
        run = json.loads((Path(scratch) / "run.json").read_text())
        seconds = run["seconds"]
        if budget["unit"] == "seconds":
            seconds = budget["value"]
        elif not resolved.plugin.implements("fit"):  # which has stopped by itself
            epochs = budget["value"] * ceil(len(data.train) / resolved.training.batch_size)
            seconds *= (budget["value"] if budget["unit"] == "steps" else epochs) / run["steps"]
        n, test = reference_split(data).n_samples, len(data.test)
        for text in contestants:
            each = replace(model, options=parse_contestant(text).options)
            if resolve(registry, parse_contestant(text)).density is None:
                seconds += _seconds(lambda: each.sample(_PROBE_SAMPLES, seed=0)) * n / _PROBE_SAMPLES  # noqa: B023
            x = bernoulli(data.test[:100], generator(0, "probe")) if data.spec.support == "unit" else data.test[:100]
            _, few, more = (_seconds(lambda: each.log_prob(x[:m])) for m in (10, 10, 100))  # noqa: B023
            seconds += more + max(0.0, more - few) / 90 * (test - 100)
        return seconds


def cell(
    *,
    contestants: list[str],
    file: str,
    seed: int,
    budget: dict[str, Any],
    folder: str,
    metrics: list[str],
    pictures: bool,
    command: str,
    save_every: float,
    allow_changes: bool,
    device: str,
    emit: Emit,
    n: int | None = None,
    registry: PluginRegistry = default,
) -> dict[str, Any]:
    """Train once; then, for each contestant that shares the training, fit its density, export, sample and measure.

    The training goes on from its last state, if one is in the folder; none is left once everything is measured. What
    fails for one contestant costs no other.
    """
    run = Path(folder)
    with single_thread(), locked(run), Interruption(command) as interruption:
        remove_unfinished(run)
        data = Data.open(Path(file))
        resolved = {text: resolve(registry, parse_contestant(text)) for text in contestants}
        saving = CheckpointPolicy(save_every, keep=1, begin=newest_state(run), allow_changes=allow_changes)
        trained = train_module(
            resolved[contestants[0]],
            data,
            seed,
            TrainingBudget(**budget),
            run,
            lambda report: emit(_progress(report)),
            saving,
            interruption,
            device=find_device(device),
        )
        seconds = json.loads((run / RECORD).read_bytes())["seconds"]  # those of earlier tries included
        measure = Measuring(data, run, metrics, n, registry, emit)

        def measured(text: str) -> dict[str, Any]:
            emit({"stage": f"evaluating {text}"})
            model = replace(trained, options=parse_contestant(text).options)
            if density := resolved[text].density:
                model = fit_density(model, density, data, seed)
            model.save(run / f"{slug(text)}.safetensors")
            return measure.model(text, model, seed, pictures=pictures)

        results = {text: _found(lambda: measured(text)) for text in contestants}  # noqa: B023
        if not any("failed" in each for each in results.values()):
            remove_states(run)
    return {"shared": {"train_seconds": seconds, "parameters": trained.parameters}, "contestants": results}


def _found(measured: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was found of one contestant, or why nothing was; a traceback that its author needs goes to the log."""
    try:
        return measured()
    except Exception as error:
        failed = failure(error)
        print(failed["traceback"], end="", file=sys.stderr, flush=True)
        return {"failed": failed["reason"], "exit_code": failed["exit_code"]}


def evaluate(
    *,
    contestant: str,
    source: str,
    file: str,
    seed: int,
    folder: str,
    metrics: list[str],
    pictures: bool,
    device: str,
    emit: Emit,
    options: dict[str, Any] | None = None,
    n: int | None = None,
    registry: PluginRegistry = default,
) -> dict[str, Any]:
    """Measure a finished run, under other sampling options if some are given."""
    with single_thread():
        model = load_model(Path(source), registry, device).with_options(options or {})
        measure = Measuring(Data.open(Path(file)), Path(folder), metrics, n, registry, emit)
        return {
            "shared": {"parameters": model.parameters},
            "contestants": {contestant: measure.model(contestant, model, seed, pictures=pictures)},
        }


def evaluate_samples(
    *,
    contestant: str,
    source: str,
    file: str,
    seed: int,
    folder: str,
    metrics: list[str],
    pictures: bool,
    emit: Emit,
    registry: PluginRegistry = default,
) -> dict[str, Any]:
    """Measure samples that were made elsewhere."""
    with single_thread():
        data = Data.open(Path(file))
        measure = Measuring(data, Path(folder), metrics, None, registry, emit)
        samples = _outside_samples(source, data)[: measure.n]
        return {
            "shared": {},
            "contestants": {contestant: measure.samples(contestant, samples, seed, pictures=pictures)},
        }


def evaluate_real(
    *, number: int, file: str, folder: str, metrics: list[str], emit: Emit, registry: PluginRegistry = default
) -> dict[str, Any]:
    """Measure real images that nobody trained on against other ones: what a perfect model would reach."""
    with single_thread():
        data = Data.open(Path(file))
        against, real = halving(data, number)
        measure = Measuring(data, Path(folder), metrics, None, registry, emit, against)
        return {"shared": {}, "contestants": {"real": measure.samples("real", real, number, pictures=number == 0)}}


def _outside_samples(source: str, data: Data) -> Tensor:
    """Samples of a file, in the data's units; refused unless there are enough of the right shape.

    Raises:
        DataError: with the rule, what came, and the way out.
    """
    x, n = read_examples(source), reference_split(data).n_samples
    if tuple(x.shape[1:]) != data.spec.shape:
        shape = ", ".join(map(str, data.spec.shape))
        raise DataError(f"{source} must hold samples of shape (N, {shape}), got {tuple(x.shape)}.")
    if len(x) < n:
        raise DataError(
            f"{source} must hold {n:,} samples at least, as many as everyone draws, got {len(x):,}; add more."
        )
    if data.spec.support != "real" and not (x.min() >= 0 and x.max() <= 1):
        low, high = x.min().item(), x.max().item()
        raise DataError(f"{source} must hold values in [0, 1], got values in [{low:g}, {high:g}]; divide by 255.")
    return x


def _seconds(work: Callable[[], Any]) -> float:
    """How long something takes; nothing where it is unsupported."""
    began = time.monotonic()
    try:
        work()
    except Unsupported:
        return 0.0
    return time.monotonic() - began


def _progress(report: Report) -> dict[str, Any]:
    return {"progress": report.progress, "epoch": report.epoch, "losses": report.losses}
