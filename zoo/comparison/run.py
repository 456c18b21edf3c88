"""`compare`: plan the grid, run its cells over processes, assemble the table. Imports no torch for named data."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.amount import Amount
from zoo.comparison.names import slug
from zoo.comparison.result import FILE, SCHEMA, Comparison, summarise
from zoo.contestant import Contestant, parse_contestant
from zoo.data_paths import looks_like_a_path, split_path
from zoo.engine.pool import Job, Method, OnEvent, Outcome, Pool
from zoo.errors import CheckpointError, ConfigError, DataError, DivergedError, PluginError, ZooError
from zoo.storage import new_folder, write_atomically

if TYPE_CHECKING:
    from zoo.registry import Registry

_ERRORS = {error.exit_code: error for error in (ConfigError, PluginError, DataError, CheckpointError, DivergedError)}


@dataclass
class _Group:
    """Contestants that share a training: equal model, settings and training; their densities and sampling differ."""

    model: str
    folder: str
    contestants: list[Contestant] = field(default_factory=list)


def compare(
    registry: Registry,
    contestants: Sequence[str] = (),
    data: Any = None,
    *,
    seeds: int | Iterable[int] | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    out: str | Path = "runs",
    jobs: int | None = None,
    method: Method | None = None,
    timeout: float | None = None,
    on_event: OnEvent | None = None,
) -> Comparison:
    """Train every contestant with every seed and measure how each one generates.

    Args:
        registry: where names are looked up.
        contestants: `NAME[@DENSITY][:KEY=VALUE,…]`; none takes the catalogue's default comparison.
        data: a name, array, tensor or `zoo.Data`; None takes the catalogue's.
        seeds: how many training seeds (0, 1, …), or which; None takes the catalogue's number.
        epochs, steps, seconds: the budget of every contestant, one of them; by default the data set's epochs.
        out: folder in which the comparison makes a new one of its own.
        jobs: processes at once; by default one per core.
        method: `fork` or `spawn`; by default fork where there is one.
        timeout: seconds after which a cell is stopped.
        on_event: called with each job's events.

    Raises:
        ConfigError, PluginError, DataError: before any training, for what is asked wrongly.
    """
    default = registry.catalogue.compare
    parsed = [parse_contestant(text) for text in contestants or default.contestants]
    if doubles := sorted({each.text for each in parsed if [other.text for other in parsed].count(each.text) > 1}):
        raise ConfigError(f"A contestant stands once in a comparison, got {', '.join(doubles)} twice.")
    numbers = _seeds(default.seeds if seeds is None else seeds)
    amount = Amount.choose(epochs=epochs, steps=steps, seconds=seconds)
    source = default.data if data is None else data
    if isinstance(source, str):
        _check_names(registry, parsed, source)
    started = time.time()
    folder = new_folder(Path(out), f"compare-{slug(_data_name(source))}")
    with tempfile.TemporaryDirectory(prefix="zoo-") as scratch, Pool(jobs, method, timeout) as pool:
        file = Path(scratch) / "data.safetensors"
        try:
            facts, resolved = _prepare(registry, pool, parsed, source, file, folder, on_event)
        except ZooError:
            shutil.rmtree(folder)  # nothing was computed
            raise
        budget = asdict(amount or Amount(facts["epochs"], "epochs"))
        groups = _groups(parsed, resolved)
        cells = _cells(registry, groups, numbers, budget, file, folder, facts)
        outcomes = pool.run([job for _, _, job in cells], on_event)
    rows = _rows(parsed, resolved, groups, [(group, seed) for group, seed, _ in cells], outcomes, facts["metrics"])
    protocol = facts["protocol"] | {
        "budget": budget,
        "seeds": numbers,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv and sys.argv[0] else "",
        "wall_seconds": time.time() - started,
        "in_process": sorted({group.model for group in groups if _is_registered(registry, group.model)}),
    }
    results = {"schema": SCHEMA, "protocol": protocol, "metrics": facts["metrics"], "rows": rows, "real": facts["real"]}
    write_atomically(folder / FILE, json.dumps(results, indent=2).encode())
    comparison = Comparison(results, folder)
    from zoo.report.grid import save_grid

    save_grid(comparison)
    return comparison


def _data_name(source: Any) -> str:
    """What data are called before they are loaded; an array has no name."""
    if isinstance(source, str):
        return Path(split_path(source)[0]).stem if looks_like_a_path(source) else source
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "array"


def _seeds(seeds: int | Iterable[int]) -> list[int]:
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not numbers or len(set(numbers)) < len(numbers) or any(type(seed) is not int or seed < 0 for seed in numbers):
        raise ConfigError(f"seeds must be how many (1 or more) or distinct whole numbers from 0, got {seeds!r}.")
    return numbers


def _check_names(registry: Registry, contestants: list[Contestant], data: str) -> None:
    """Refuse unknown names before a process is started; say at once everything that has to be installed."""
    if not looks_like_a_path(data):
        registry.find(data.partition(":")[0], "zoo.datasets")
    known = registry.names()
    entries = [registry.catalogue.find(contestant.model) for contestant in contestants if contestant.model not in known]
    missing = {entry.name: entry.package for entry in entries if entry}
    if missing:
        raise PluginError(
            f"Not installed: {', '.join(missing)}. Install with: pip install {' '.join(missing.values())}; "
            "or compare others: 'zoo list' shows what is here."
        )
    for contestant in contestants:
        registry.find(contestant.model)
        if contestant.density:
            registry.find(contestant.density, "zoo.densities")


def _prepare(
    registry: Registry,
    pool: Pool,
    contestants: list[Contestant],
    source: Any,
    file: Path,
    folder: Path,
    on_event: OnEvent | None,
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Write the data to `file`, train the feature network; load each contestant's plugins and check its settings."""
    name = source if isinstance(source, str) else None
    if name is None:
        from zoo.data import load_data

        load_data(source, registry=registry).save(file)
    inline = name is not None and _is_registered(registry, name.partition(":")[0], "zoo.datasets")
    arguments = {"name": name, "file": str(file), "folder": str(folder), **_registry_argument(registry, inline)}
    first = Job("data", "zoo.comparison.tasks:prepare", arguments, folder / "data.log", inline)
    checks = []
    for contestant in contestants:
        inline = _is_registered(registry, contestant.model)
        arguments = {"contestant": contestant.text, **_registry_argument(registry, inline)}
        checks.append(Job(contestant.text, "zoo.comparison.tasks:describe", arguments, folder / "plugins.log", inline))
    outcomes = pool.run([first, *checks], on_event)
    failed = [outcome for outcome in outcomes if outcome.failed]
    if failed:
        raise _as_error(failed)
    return outcomes[0].result, {outcome.job.name: outcome.result for outcome in outcomes[1:]}


def _groups(contestants: list[Contestant], resolved: dict[str, dict[str, Any]]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for contestant in contestants:
        facts = resolved[contestant.text]
        key = json.dumps([facts["model"], facts["config"], facts["training"]], sort_keys=True)
        if key not in groups:
            taken = [group.folder for group in groups.values()]
            stem = facts["name"]
            folder = next(f"{stem}{suffix}" for suffix in _suffixes() if f"{stem}{suffix}" not in taken)
            groups[key] = _Group(contestant.model, folder)
        groups[key].contestants.append(contestant)
    return list(groups.values())


def _suffixes() -> Iterable[str]:
    """Nothing, then -2, -3, …"""
    yield ""
    number = 2
    while True:
        yield f"-{number}"
        number += 1


def _cells(
    registry: Registry,
    groups: list[_Group],
    seeds: list[int],
    budget: dict[str, Any],
    file: Path,
    folder: Path,
    facts: dict[str, Any],
) -> list[tuple[_Group, int, Job]]:
    """The grid: a job per training, seed by seed, so that every contestant has a result early."""
    cells = []
    for seed in seeds:
        for group in groups:
            run = folder / group.folder / f"seed-{seed}"
            run.mkdir(parents=True)
            inline = _is_registered(registry, group.model)
            arguments = {
                "contestants": [contestant.text for contestant in group.contestants],
                "file": str(file),
                "seed": seed,
                "budget": budget,
                "folder": str(run),
                "metrics": [metric["name"] for metric in facts["metrics"]],
                **_registry_argument(registry, inline),
            }
            job = Job(f"{group.folder} seed {seed}", "zoo.comparison.tasks:cell", arguments, run / "output.log", inline)
            cells.append((group, seed, job))
    return cells


def _rows(
    contestants: list[Contestant],
    resolved: dict[str, dict[str, Any]],
    groups: list[_Group],
    cells: list[tuple[_Group, int]],
    outcomes: list[Outcome],
    metrics: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    rows = []
    for contestant in contestants:
        group = next(group for group in groups if contestant in group.contestants)
        mine: list[dict[str, Any]] = []
        for (of, seed), outcome in zip(cells, outcomes, strict=True):
            if of is not group:
                continue
            if outcome.failed:
                mine.append({"seed": seed, "failed": outcome.reason, "exit_code": outcome.exit_code})
            else:
                mine.append(
                    {"seed": seed, **outcome.result["shared"], **outcome.result["contestants"][contestant.text]}
                )
        summary = {metric["name"]: summarise(mine, metric["name"]) for metric in metrics}
        costs: dict[str, float | None] = {}
        for name in ("train_seconds", "sample_seconds_per_1000", "parameters"):
            values: list[float] = [cell[name] for cell in mine if cell.get(name) is not None]
            costs[name] = sum(values) / len(values) if values else None
        rows.append(
            {
                "contestant": contestant.text,
                "folder": group.folder,
                "settings": resolved[contestant.text],
                **costs,
                "summary": summary,
                "cells": mine,
            }
        )
    return rows


def _as_error(failed: list[Outcome]) -> ZooError:
    """One error for everything that was asked wrongly, of the kind of the first."""
    kind = _ERRORS.get(failed[0].exit_code, ZooError)
    text = " ".join(dict.fromkeys(outcome.reason for outcome in failed))
    error = kind(text)
    error.__notes__ = [outcome.traceback for outcome in failed if outcome.traceback]
    return error


def _is_registered(registry: Registry, name: str, group: str = "zoo.models") -> bool:
    """Whether a plugin exists in this process alone, so that its jobs have to run here."""
    return any(plugin.card.name == name for plugin in registry.registered(group))


def _registry_argument(registry: Registry, inline: bool) -> dict[str, Any]:
    return {"registry": registry} if inline else {}
