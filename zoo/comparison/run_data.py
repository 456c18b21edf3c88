"""Where the data of a finished run are: a run knows its source, so that nothing need be typed again.

`run.json` has the source of a run of `zoo train`, and `plan.json` that of the cells of a comparison. A model file alone
has the name of its data, and the options that they were read with. Imports no torch before a run is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.comparison.plan import FILE as PLAN
from zoo.data.paths import looks_like_a_path, split_path, with_options
from zoo.errors import ConfigError, DataError
from zoo.plugins.registry import PluginRegistry
from zoo.training.record import FILE as RECORD

if TYPE_CHECKING:
    from zoo.models.model import Model


def data_of_run(run: Path, model: Model, registry: PluginRegistry, data: str | None = None) -> str:
    """Return the data of a run, as `--data` takes them.

    Args:
        run: its folder or model file.
        model: the model of it.
        registry: where names of data sets are looked up.
        data: a name or path that takes the place of the run's; a path without options gets those of the run.

    Raises:
        ConfigError: for a run on an array, and a model file without its folder.
        DataError: if the run's file has been moved.
    """
    facts = model.protocol.get("data", {})
    source = _source(run)
    if data is not None:
        if not looks_like_a_path(data):
            return data
        return with_options(data, facts.get("reading", {}), split_path(source or "")[1])
    name = str(facts.get("name", "other data"))
    if source is None and name.partition(":")[0] in registry.names("zoo.datasets"):
        return name
    if source is None:
        raise ConfigError(f"{run} was trained on {name} and does not say where that is; name it with --data (data=…).")
    if looks_like_a_path(source) and not Path(path := split_path(source)[0]).exists():
        raise DataError(
            f"{path}, on which {run} was trained, does not exist any more; say where it is with --data PATH (data=…)."
        )
    return source


def data_of_runs(runs: Iterable[Path], registry: PluginRegistry, data: Any = None) -> Any:
    """Return the data that several runs were trained on, or `data` with the options of the runs.

    Raises:
        ConfigError: if the runs are of several data.
    """
    from zoo.models.checkpoint import load_model

    if not (data is None or isinstance(data, str | Path)):
        return data
    given = str(data) if data is not None else None
    if isinstance(data, Path) and not looks_like_a_path(str(data)):
        given = f"./{data}"
    found = {run: data_of_run(run, load_model(run, registry), registry, given) for run in runs}
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{run} on {source}" for run, source in found.items())
        raise ConfigError(f"The runs were trained on several data: {listed}; choose one with --data (data=…).")
    return next(iter(found.values()), data)


def _source(run: Path) -> str | None:
    """Return the source that a run's folder, or the comparison that it belongs to, has recorded; None without one."""
    folder = run.absolute() if run.is_dir() else run.absolute().parent
    for file in (folder / RECORD, folder.parent.parent / PLAN):
        try:
            source = json.loads(file.read_bytes()).get("source")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(source, str):
            return source
    return None
