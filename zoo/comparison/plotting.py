"""`zoo.plot` and `zoo plot`: one plot of a model, a run or a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.comparison.cells import VALIDATION
from zoo.comparison.result import Comparison
from zoo.errors import ConfigError
from zoo.files.path_inside import path_inside
from zoo.plugins.registry import PluginRegistry
from zoo.report.pictures import Arrays, load_pictures
from zoo.report.plots import KINDS, as_images, check_kind, curves, plot
from zoo.report.show import Picture
from zoo.report.table_view import ordered
from zoo.results.file import FILE as RESULTS
from zoo.runtime.seeds import checked_seed
from zoo.training.record import FILE as RECORD

if TYPE_CHECKING:
    from zoo.data.dataset import Data
    from zoo.models.model import Model

LOG = "metrics.jsonl"  # of a training


def plotted(registry: PluginRegistry, what: Any, kind: str, data: Any = None, *, seed: int = 0) -> Picture:
    """Return one plot; see `zoo.plot`."""
    check_kind(kind)
    seed = checked_seed(seed)
    if isinstance(what, str | Path):
        what = Path(what)
        if (what / RESULTS).is_file():
            what = Comparison.open(what)
    if isinstance(what, Comparison):
        return _of_comparison(what, kind)
    if kind == "curves":
        if not isinstance(what, Path):
            raise ConfigError("Curves are drawn from the log of a run; give the run's folder instead of its model.")
        folder = what if what.is_dir() else what.parent
        return curves({what.name: [[folder / LOG]]})
    model, place = what, None
    if isinstance(what, Path):
        from zoo.models.checkpoint import load_model

        model, place = load_model(what, registry), what
    if not hasattr(model, "plugin"):  # a `zoo.Model`, whose file imports torch
        raise ConfigError(f"what must be a zoo.Model, a zoo.Comparison or the path of one, got {what!r:.80}.")
    loaded = None if kind == "samples" else _data(registry, data, place)
    return plot(kind, {model.name: model_pictures(model, loaded, seed)})


def model_pictures(model: Model, data: Data | None, seed: int) -> Arrays:
    """Return the arrays of a model's pictures: its samples, or with data the other ones."""
    from zoo.models.pictures import model_arrays, sample_arrays

    found = sample_arrays(model, seed) if data is None else model_arrays(model, data, seed)
    return as_images(found, model.spec.shape, model.spec.support)


def available(path: Path) -> list[str]:
    """Return the kinds of plots that may exist for a path: a model without a log has no curves."""
    folder = path if path.is_dir() else path.parent
    logged = (path / RESULTS).is_file() or (folder / LOG).is_file()
    return [kind for kind in KINDS if kind != "curves" or logged]


def _of_comparison(comparison: Comparison, kind: str) -> Picture:
    results, folder = comparison.typed, comparison.path
    if kind == "curves":
        trained = {row.folder: row for row in results.rows if row.folder}
        seeds = {name: [cell.seed for cell in row.cells] for name, row in trained.items()}
        files = {
            name: [[path_inside(folder, f"{name}/seed-{seed}/{log}") for log in (LOG, VALIDATION)] for seed in its]
            for name, its in seeds.items()
        }
        return curves(files)
    pictures = load_pictures(folder, results)
    names = [row.contestant for row in ordered(results, "real", "contestant", "control")]
    return plot(kind, {name: pictures[name] for name in names if name in pictures})


def _data(registry: PluginRegistry, data: Any, path: Path | None) -> Data:
    """Return the data that are given, or those that a run was trained on.

    Raises:
        ConfigError: if neither says which.
    """
    from zoo.data.load import load_data

    if data is None and path is not None:
        record = (path if path.is_dir() else path.parent) / RECORD
        if record.is_file():
            facts = json.loads(record.read_bytes())
            data = facts.get("source") or facts["data"]["name"]
    if data is None:
        raise ConfigError("This plot shows test images; say which data they are from (--data, or data=).")
    return load_data(data, registry)
