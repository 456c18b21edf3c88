"""`Measuring`: every metric on a contestant's samples, wherever they were made."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.comparison.measurements import Measurements
from zoo.comparison.pictures import save_pictures
from zoo.data.dataset import Data
from zoo.engine.events import emit
from zoo.errors import DivergedError, Unsupported
from zoo.evaluation.evaluation import Evaluation, Measurement
from zoo.evaluation.features import feature_space
from zoo.evaluation.reference import reference_split
from zoo.files.names import slug
from zoo.files.storage import cache_folder
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry
from zoo.results.schema import Measured
from zoo.runtime.randomness import bernoulli, generator
from zoo.runtime.seeds import BITS_SEED
from zoo.scalars import plain

_DIAGNOSED = 2000  # examples of either split


class Measuring:
    """Measures one contestant after another on the same data, features and reference images.

    Args:
        data: all splits.
        folder: where the pictures go.
        metrics: names of the metrics.
        n: number of samples, and of test examples for all that is measured; None for those of `reference_split`.
        registry: where the metrics and features are.
        features: name of the feature space; "" for the default.
    """

    def __init__(
        self,
        data: Data,
        folder: Path,
        metrics: Sequence[str],
        n: int | None,
        registry: PluginRegistry,
        features: str = "",
    ) -> None:
        self._data = data if n is None or data.enumerated else data.with_first_test_examples(min(n, len(data.test)))
        self._folder, self._registry = folder, registry
        self._features = feature_space(data, cache_folder("features"), features, registry)
        self._complete = n is None
        self._plugins = [registry.plugin(metric, "zoo.metrics") for metric in metrics]
        enough = reference_split(data).n_samples
        self.n = min(n or enough, enough)

    def model(self, name: str, model: Model, seed: int, *, pictures: bool) -> Measurements:
        """Draw samples of a model and measure it."""
        began = time.monotonic()
        y = model.draw_labels(self.n, seed=seed) if model.class_shares else None
        samples = _samples(model, self.n, y, seed)
        seconds = (time.monotonic() - began) / self.n * 1000 if isinstance(samples, Tensor) else None
        evaluation = Evaluation(model, self._data, samples, self._features, labels=y, registry=self._registry)
        metrics = self._measured(name, evaluation, seed, pictures)
        if not self._complete:
            return Measurements(metrics=metrics, sample_seconds_per_1000=seconds)
        diagnostics = self._diagnostics(model, seed)
        return Measurements(metrics=metrics, sample_seconds_per_1000=seconds, diagnostics=diagnostics)

    def samples(
        self, name: str, samples: Tensor, seed: int, *, pictures: bool, labels: Tensor | None = None
    ) -> Measurements:
        """Measure samples that have no model."""
        evaluation = Evaluation(None, self._data, samples, self._features, labels=labels, registry=self._registry)
        return Measurements(metrics=self._measured(name, evaluation, seed, pictures))

    def _diagnostics(self, model: Model, seed: int) -> dict[str, Any]:
        """Return the model's own diagnostics, on examples in the form it was trained on."""
        x = [self._data.train[:_DIAGNOSED], self._data.valid[:_DIAGNOSED]]
        if model.trains_on_bits:
            x = [bernoulli(split, generator(BITS_SEED, "diagnosed")) for split in x]
        y: list[Tensor | None] = [None, None]
        if model.is_conditional:
            labels = (self._data.train_labels, self._data.valid_labels)
            y = [None if each is None else each[:_DIAGNOSED] for each in labels]
        return model.diagnose(*x, *y, seed=seed)

    def _measured(self, name: str, evaluation: Evaluation, seed: int, pictures: bool) -> dict[str, Measured]:
        found = {}
        for plugin in self._plugins:
            emit({"stage": f"{name}: {plugin.card.name}"})
            found[plugin.card.name] = _figure(plugin, evaluation)
        if pictures:
            save_pictures(self._folder / f"{slug(name)}.pictures.npz", evaluation, seed)
        return found


def _samples(model: Model, n: int, y: Tensor | None, seed: int) -> Tensor | Unsupported:
    """Return a model's samples, or why there are none."""
    try:
        return model.sample(n, y, seed=seed)
    except Unsupported as error:
        return error


def _figure(plugin: Plugin, evaluation: Evaluation) -> Measured:
    """Return a metric's figure, or why there is none; a third-party metric that fails affects its own column only."""
    try:
        answer = plugin.hooks.measure(evaluation=evaluation)
    except Unsupported as error:
        return Measured(unsupported=str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything
        if plugin.distribution == "genzoo":
            raise
        return Measured(unsupported=f"the metric {plugin.source} failed: {type(error).__name__}: {error}")
    measurement = answer if isinstance(answer, Measurement) else Measurement(float(answer))
    figures = [measurement.value, measurement.stderr or 0.0, *(measurement.bracket or ()), *measurement.left_out]
    if not all(map(math.isfinite, figures)):
        reason = f"the metric {plugin.source} gave {measurement.value}"
        if plugin.distribution == "genzoo":
            raise DivergedError(f"The training diverged, or the samples did: {reason}.")
        return Measured(unsupported=f"{reason}, which is not finite")
    given = ((each.name, plain(getattr(measurement, each.name)), each.default) for each in fields(measurement))
    return Measured(**{name: value for name, value, default in given if value != default})
