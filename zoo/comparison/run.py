"""`compare`: plan the grid, run its cells over processes, assemble the table. Imports no torch for named data."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.amount import Amount
from zoo.comparison.entrants import REAL, Entrant, parse_entrant
from zoo.comparison.grid import Grid, is_registered
from zoo.comparison.names import slug
from zoo.comparison.result import FILE, SCHEMA, Comparison, summarise
from zoo.comparison.standing import add_standings, differences, fooled
from zoo.contestant import Contestant
from zoo.data_paths import looks_like_a_path, split_path
from zoo.engine.pool import Method, OnEvent, Pool
from zoo.errors import CheckpointError, ConfigError, PluginError, ZooError
from zoo.storage import new_folder, write_atomically

if TYPE_CHECKING:
    from zoo.registry import Registry

FULL_SEEDS = 5  # of `full`: an interval over fewer says little


def compare(
    registry: Registry,
    contestants: Sequence[str] = (),
    data: Any = None,
    *,
    seeds: int | Iterable[int] | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    full: bool = False,
    out: str | Path = "runs",
    jobs: int | None = None,
    method: Method | None = None,
    timeout: float | None = None,
    on_event: OnEvent | None = None,
) -> Comparison:
    """Train every contestant with every seed and measure how each one generates.

    Args:
        registry: where names are looked up.
        contestants: `NAME[@DENSITY][:KEY=VALUE,…]` to be trained; the path of a finished run (and
            `:sample.KEY=VALUE,…`), or `samples:FILE`, to be measured as it is. None takes the catalogue's default.
        data: a name, array, tensor or `zoo.Data`; None takes the catalogue's.
        seeds: how many training seeds (0, 1, …), or which; None takes the catalogue's number, or 5 with `full`.
        epochs, steps, seconds: the budget of every contestant, one of them; by default the data set's epochs.
        full: every metric, the catalogue's control rows, five seeds at least, and what each model's card says about its
            sensitivity.
        out: folder in which the comparison makes a new one of its own.
        jobs: processes at once; by default one per core.
        method: `fork` or `spawn`; by default fork where there is one.
        timeout: seconds after which a cell is stopped.
        on_event: called with each job's events, and with full comparisons' estimate of the time (`{"estimate": s}`).

    Raises:
        ConfigError, PluginError, DataError, CheckpointError: before any training, for what is asked wrongly.
    """
    default = registry.catalogue.compare
    entrants = [parse_entrant(text) for text in contestants or default.contestants]
    named = [each.text for each in entrants]
    if doubles := sorted({text for text in named if named.count(text) > 1}):
        raise ConfigError(f"A contestant stands once in a comparison, got {', '.join(doubles)} twice.")
    if full:
        entrants += [parse_entrant(text, "control") for text in default.controls if text not in named]
    entrants.append(Entrant(REAL, "real", "real"))
    fewest = FULL_SEEDS if full else 1
    numbers = _seeds(max(default.seeds, fewest) if seeds is None else seeds, fewest)
    amount = Amount.choose(epochs=epochs, steps=steps, seconds=seconds)
    source = default.data if data is None else data
    if isinstance(source, str):
        _check_names(registry, [each.contestant for each in entrants if each.contestant], source)
    started = time.time()
    stem = "compare" if any(each.contestant for each in entrants) else "evaluate"
    folder = new_folder(Path(out), f"{stem}-{slug(_data_name(source))}")
    with tempfile.TemporaryDirectory(prefix="zoo-") as scratch, Pool(jobs, method, timeout) as pool:
        grid = Grid(registry, pool, entrants, numbers, folder, Path(scratch) / "data.safetensors", full, on_event)
        try:
            grid.prepare(source)
        except ZooError:
            shutil.rmtree(folder)  # nothing was computed
            raise
        grid.run(asdict(amount or Amount(grid.facts["epochs"], "epochs")))
    rows = [_row(grid, entrant) for entrant in entrants]
    metrics = grid.facts["metrics"]
    add_standings(rows, metrics)
    protocol = grid.facts["protocol"] | {
        "budget": grid.budget,
        "seeds": numbers,
        "full": full,
        "jobs": pool.slots,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv and sys.argv[0] else "",
        "wall_seconds": time.time() - started,
        "in_process": sorted({each.model for each in grid.trained() if is_registered(registry, each.model)}),
    }
    results = {
        "schema": SCHEMA,
        "protocol": protocol,
        "metrics": metrics,
        "rows": rows,
        "differences": differences(rows, metrics),
        "fooled": fooled(rows, metrics),
        "sensitivity": grid.sensitivity(),
        "pictures": grid.pictures(),
    }
    write_atomically(folder / FILE, json.dumps(results, indent=2).encode())
    comparison = Comparison(results, folder)
    comparison.write()
    return comparison


def evaluate(registry: Registry, source: str | Path, data: Any = None, **settings: Any) -> Comparison:
    """Measure one finished run or a file of samples (`samples:FILE`) beside real images, and with `full` the controls.

    Args:
        registry: where names are looked up.
        source: a run folder or a `.safetensors` file, and `:sample.KEY=VALUE,…`; or `samples:FILE`.
        data: as for `compare`; None takes the data set that the run was trained on.
        **settings: `full`, `out`, `jobs` and others of `compare`.

    Raises:
        ConfigError: for samples without data.
        CheckpointError: for a run that is damaged, or was trained on other data.
    """
    text = str(source)
    entrant = parse_entrant(text if "/" in text or text.startswith("samples:") else f"./{text}")
    if entrant.kind == "trained":
        raise CheckpointError(f"{text} is no run folder, model file or samples:FILE; train one with 'zoo train'.")
    if data is None:
        if entrant.kind == "samples":
            raise ConfigError(f"{text} does not say which data it is samples of; name them with --data.")
        assert entrant.source
        data = registry.load(entrant.source).protocol["data"]["name"]
    return compare(registry, [entrant.text], data, **settings)


def _data_name(source: Any) -> str:
    """What data are called before they are loaded; an array has no name."""
    if isinstance(source, str):
        return Path(split_path(source)[0]).stem if looks_like_a_path(source) else source
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "array"


def _seeds(seeds: int | Iterable[int], fewest: int) -> list[int]:
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not numbers or len(set(numbers)) < len(numbers) or any(type(seed) is not int or seed < 0 for seed in numbers):
        raise ConfigError(f"seeds must be how many (1 or more) or distinct whole numbers from 0, got {seeds!r}.")
    if len(numbers) < fewest:
        raise ConfigError(
            f"A full comparison needs {fewest} seeds at least, got {len(numbers)}; leave full out for fewer."
        )
    return numbers


def _check_names(registry: Registry, contestants: list[Contestant], data: str) -> None:
    """Refuse unknown names before a process is started; say at once everything that has to be installed."""
    if not looks_like_a_path(data):
        registry.find(data.partition(":")[0], "zoo.datasets")
    known = registry.names()
    entries = [registry.catalogue.find(contestant.model) for contestant in contestants if contestant.model not in known]
    missing = [entry.name for entry in entries if entry]
    if missing:
        commands = " && ".join(f"zoo install {name}" for name in missing)
        raise PluginError(
            f"Not installed: {', '.join(missing)}. Install with: {commands}; "
            "or compare others: 'zoo list' shows what is here."
        )
    for contestant in contestants:
        registry.find(contestant.model)
        if contestant.density:
            registry.find(contestant.density, "zoo.densities")


def _row(grid: Grid, entrant: Entrant) -> dict[str, Any]:
    """One contestant's line of the table: what it is, its cells, its costs and its summary."""
    cells = grid.cells(entrant)
    costs: dict[str, float | None] = {}
    for name in ("train_seconds", "sample_seconds_per_1000", "parameters"):
        values: list[float] = [cell[name] for cell in cells if cell.get(name) is not None]
        costs[name] = sum(values) / len(values) if values else None
    return {
        "contestant": entrant.text,
        "role": entrant.role,
        "kind": entrant.kind,
        "folder": grid.folder_of(entrant),
        "settings": grid.settings_of(entrant),
        "source": None if entrant.source is None else str(entrant.source),
        **costs,
        "summary": {metric["name"]: summarise(cells, metric["name"]) for metric in grid.facts["metrics"]},
        "cells": cells,
    }
