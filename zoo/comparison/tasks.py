"""What happens inside the processes of a comparison. Every task takes and returns plain values."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from zoo.api import default
from zoo.comparison.names import slug
from zoo.contestant import parse_contestant
from zoo.data import SPLIT_SEED, Data, load_data
from zoo.engine.worker import Emit
from zoo.errors import Unsupported
from zoo.metrics import Evaluation, Measurement, feature_space, reference_split
from zoo.metrics.evaluation import BITS_SEED
from zoo.metrics.reference import REFERENCE_SEED
from zoo.model import Model
from zoo.registry import Registry
from zoo.storage import cache_folder
from zoo.threads import single_thread
from zoo.training import Amount, Report, fit_density, resolve, train_module, versions

SHOWN = 16  # samples kept for the picture


def prepare(*, name: str | None, file: str, folder: str, emit: Emit, registry: Registry = default) -> dict[str, Any]:
    """Load named data into `file`, train or find the feature network, and measure real images against real ones."""
    with single_thread():
        if name is not None:
            load_data(name, registry=registry).save(Path(file))
        data = Data.open(Path(file))
        emit({"stage": "features"})
        features, split = feature_space(data, cache_folder("features")), reference_split(data)
        np.save(Path(folder) / "real.samples.npy", data.test[:SHOWN].numpy())
        plugins = [registry.plugin(metric, "zoo.metrics") for metric in registry.names("zoo.metrics")]
        evaluation = Evaluation(None, data, split.real, features)
        protocol = {
            "data": {
                "name": data.name,
                "sha256": data.sha256,
                "split_seed": SPLIT_SEED,
                "sizes": [len(data.train), len(data.valid), len(data.test)],
                "shape": data.spec.shape,
                "support": data.spec.support,
            },
            "reference": split.description,
            "reference_seed": REFERENCE_SEED,
            "binarisation_seed": BITS_SEED,
            "samples": split.n_samples,
            "features": {"description": features.description, "sha256": features.sha256},
            "versions": versions(),
            "extensions": [f"{plugin.qualified} {plugin.version}".strip() for plugin in registry.active_extensions()],
            "threads_per_process": 1,
        }
        return {
            "epochs": data.epochs,
            "protocol": protocol,
            "metrics": [_metric_facts(plugin) for plugin in plugins],
            "real": {plugin.card.name: _measured(plugin, evaluation) for plugin in plugins},
        }


def describe(*, contestant: str, emit: Emit, registry: Registry = default) -> dict[str, Any]:
    """Load a contestant's plugins and return its complete settings; raise what is wrong with it."""
    resolved = resolve(registry, parse_contestant(contestant))
    card = resolved.plugin.card
    return {
        "name": card.name,
        "model": resolved.plugin.qualified,
        "version": resolved.plugin.version,
        "density": resolved.density.qualified if resolved.density else None,
        "trains_on": card.shown(resolved.config),
        "samples": card.samples,
        "config": resolved.config.model_dump(mode="json"),
        "training": resolved.training.model_dump(mode="json"),
        "options": resolved.options.model_dump(mode="json"),
    }


def cell(
    *,
    contestants: list[str],
    file: str,
    seed: int,
    budget: dict[str, Any],
    folder: str,
    metrics: list[str],
    emit: Emit,
    registry: Registry = default,
) -> dict[str, Any]:
    """Train once; then, for each contestant that shares the training, fit its density, export, sample and measure."""
    run = Path(folder)
    with single_thread():
        data = Data.open(Path(file))
        resolved = {text: resolve(registry, parse_contestant(text)) for text in contestants}
        began = time.monotonic()
        trained = train_module(
            resolved[contestants[0]], data, seed, Amount(**budget), run, lambda report: emit(_progress(report))
        )
        shared = {"train_seconds": time.monotonic() - began, "parameters": trained.parameters}
        features, split = feature_space(data, cache_folder("features")), reference_split(data)
        plugins = [registry.plugin(metric, "zoo.metrics") for metric in metrics]
        results = {}
        for text in contestants:
            emit({"stage": f"evaluating {text}"})
            model = replace(trained, options=parse_contestant(text).options)
            if density := resolved[text].density:
                model = fit_density(model, density, data, seed)
            model.save(run / f"{slug(text)}.safetensors")
            began = time.monotonic()
            samples = _samples(model, split.n_samples, seed)
            seconds = time.monotonic() - began
            if isinstance(samples, Tensor):
                np.save(run / f"{slug(text)}.samples.npy", samples[:SHOWN].numpy())
            evaluation = Evaluation(model, data, samples, features)
            results[text] = {
                "sample_seconds_per_1000": seconds / split.n_samples * 1000 if isinstance(samples, Tensor) else None,
                "metrics": {plugin.card.name: _measured(plugin, evaluation) for plugin in plugins},
            }
    return {"shared": shared, "contestants": results}


def _samples(model: Model, n: int, seed: int) -> Tensor | Unsupported:
    """The samples, or why there are none."""
    try:
        return model.sample(n, seed=seed)
    except Unsupported as error:
        return error


def _measured(plugin: Any, evaluation: Evaluation) -> dict[str, Any]:
    """One figure as plain values, or why there is none; a metric that fails costs its own column alone."""
    try:
        answer = plugin.hooks.measure(evaluation=evaluation)
    except Unsupported as error:
        return {"unsupported": str(error)}
    except Exception as error:
        if plugin.distribution == "genzoo":
            raise
        return {"unsupported": f"the metric {plugin.source} failed: {type(error).__name__}: {error}"}
    measurement = answer if isinstance(answer, Measurement) else Measurement(float(answer))
    return {key: value for key, value in vars(measurement).items() if value not in (None, "")}


def _metric_facts(plugin: Any) -> dict[str, str]:
    card = plugin.card
    return {key: getattr(card, key) for key in ("name", "title", "summary", "direction", "paper")}


def _progress(report: Report) -> dict[str, Any]:
    return {"progress": report.progress, "epoch": report.epoch, "losses": report.losses}
