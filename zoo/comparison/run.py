"""`compare`: plan the grid, run its cells over processes, assemble the table. Imports no torch for named data."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.comparison.contestants import PlannedRow, parse_row
from zoo.comparison.grid import Grid, is_registered
from zoo.comparison.journal import Journal
from zoo.comparison.plan import Plan
from zoo.comparison.result import FILE, SCHEMA, Comparison, summarise
from zoo.contestant import Contestant
from zoo.data.paths import looks_like_a_path, source_of, split_path
from zoo.engine.pool import Method, OnEvent, Pool
from zoo.errors import CheckpointError, ConfigError, PluginError, ZooError
from zoo.files.folder_lock import locked
from zoo.files.names import slug
from zoo.files.storage import new_folder, write_atomically
from zoo.plugins.registry import PluginRegistry
from zoo.results.ranking import add_standings, fooled, paired_differences
from zoo.runtime.interruption import Interruption
from zoo.training.budget import TrainingBudget, check_save_every
from zoo.training.differences import differences

FULL_SEEDS = 5  # of `full`: an interval over fewer says little


def compare(
    registry: PluginRegistry,
    contestants: Sequence[str] = (),
    data: Any = None,
    *,
    seeds: int | Iterable[int] | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    full: bool = False,
    device: str = "cpu",
    out: str | Path = "runs",
    jobs: int | None = None,
    method: Method | None = None,
    timeout: float | None = None,
    save_every: float = 30.0,
    resume: str | Path | None = None,
    allow_changes: bool = False,
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
        device: where models are trained and sampled: `cpu`, `cuda` or `cuda:1`, which all processes share. Metrics are
            always computed on the processor.
        out: folder in which the comparison makes a new one of its own.
        jobs: processes at once; by default one per core.
        method: `fork` or `spawn`; by default fork where there is one.
        timeout: seconds after which a try of a cell is stopped; as one that died it goes on from its last state, twice
            at most.
        save_every: seconds from one state of a training to the next.
        resume: folder of a comparison that was interrupted or has failed cells, to go on with: what it found stays. It
            knows all that it was begun with, but for `data` that were an array.
        allow_changes: go on although versions or settings are not those that it was begun with.
        on_event: called with each job's events, and with full comparisons' estimate of the time (`{"estimate": s}`).

    Raises:
        ConfigError, PluginError, DataError, CheckpointError: before any training, for what is asked wrongly.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the trainings' states are saved.
    """
    amount = TrainingBudget.choose(epochs=epochs, steps=steps, seconds=seconds)
    check_save_every(save_every)
    if resume is None:
        plan = _plan(registry, contestants, data, seeds, amount, full=full, device=device)
    else:
        if contestants or seeds is not None or amount or full or device != "cpu":
            raise ConfigError(
                "A comparison goes on with its own contestants, seeds, budget and device; leave them out, or begin a "
                "new one."
            )
        plan = Plan.read(Path(resume))
    if data is None and plan.source is None:
        raise ConfigError(f"{resume} was begun on an array, which no file holds; give it again as data.")
    source = plan.source if data is None else data
    entrants = plan.entrants
    trained = [each.contestant for each in entrants if each.contestant]
    if isinstance(source, str):
        _check_names(registry, trained, source)
    stem = f"{'compare' if trained else 'evaluate'}-{slug(_data_name(source))}"
    folder = new_folder(Path(out), stem) if resume is None else Path(resume)
    command = f"zoo compare --resume {shlex.quote(str(folder))}"
    with (
        locked(folder),
        Interruption(command),
        tempfile.TemporaryDirectory(prefix="zoo-") as scratch,
        Pool(jobs, method, timeout) as pool,
    ):
        if resume is None:
            plan.write(folder)
        journal = Journal(folder)
        grid = Grid(
            registry=registry,
            pool=pool,
            entrants=entrants,
            seeds=list(plan.seeds),
            folder=folder,
            file=Path(scratch) / "data.safetensors",
            full=plan.full,
            on_event=on_event,
            journal=journal,
            saving={"command": command, "save_every": save_every, "allow_changes": allow_changes},
            device=plan.device,
        )
        try:
            grid.prepare(source)
        except ZooError:
            if resume is None:
                shutil.rmtree(folder)  # nothing was computed
            raise
        plan = _continued(plan, grid.depends_on, folder, allow_changes=allow_changes)
        plan.write(folder)
        try:
            amount = plan.amount or TrainingBudget(grid.facts["epochs"], "epochs")
            grid.run({"value": float(amount.value), "unit": amount.unit})  # as it comes out of the plan, too
        except ZooError as error:
            raise type(error)(f"{error} Go on with: {command}") from error
        results = _results(registry, grid, plan, entrants, {"jobs": pool.slots, "wall_seconds": journal.seconds})
        write_atomically(folder / FILE, json.dumps(results, indent=2).encode())
        comparison = Comparison(results, folder)
        comparison.write()
    return comparison


def evaluate(registry: PluginRegistry, source: str | Path, data: Any = None, **settings: Any) -> Comparison:
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
    entrant = parse_row(text if "/" in text or text.startswith("samples:") else f"./{text}")
    if entrant.kind == "trained":
        raise CheckpointError(f"{text} is no run folder, model file or samples:FILE; train one with 'zoo train'.")
    if data is None:
        if entrant.kind == "samples":
            raise ConfigError(f"{text} does not say which data it is samples of; name them with --data.")
        assert entrant.source
        from zoo.models.checkpoint import load_model

        data = load_model(entrant.source, registry).protocol["data"]["name"]
    return compare(registry, [entrant.text], data, **settings)


def _plan(
    registry: PluginRegistry,
    contestants: Sequence[str],
    data: Any,
    seeds: int | Iterable[int] | None,
    amount: TrainingBudget | None,
    *,
    full: bool,
    device: str,
) -> Plan:
    """What is asked for, completed by the catalogue."""
    default = registry.catalogue.compare
    fewest = FULL_SEEDS if full else 1
    return Plan(
        contestants=tuple(contestants or default.contestants),
        controls=tuple(default.controls) if full else (),
        source=source_of(default.data if data is None else data),
        seeds=tuple(_seeds(max(default.seeds, fewest) if seeds is None else seeds, fewest)),
        amount=amount,
        full=full,
        directory=str(Path.cwd()),
        device=device,
    )


def _continued(plan: Plan, depends_on: dict[str, Any], folder: Path, *, allow_changes: bool) -> Plan:
    """The plan with what its results depend on, which has to be what it was when the comparison was begun.

    Raises:
        CheckpointError: if it is not, and changes are not allowed, or the data are others.
    """
    if not plan.depends_on:
        return replace(plan, depends_on=depends_on)
    found = differences(plan.depends_on, depends_on)
    if plan.depends_on["data"] != depends_on["data"]:
        raise CheckpointError(f"{folder} was begun on other data: {found[0]}. Begin a new comparison on these.")
    if found and not allow_changes:
        raise CheckpointError(
            f"{folder} was begun under other conditions: {'; '.join(found)}. Begin a new comparison, or go on with it "
            "all the same, its rows under more than one protocol, with --allow-changes (allow_changes=True)."
        )
    return replace(plan, depends_on=depends_on, changes=(*plan.changes, *found))


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


def _check_names(registry: PluginRegistry, contestants: list[Contestant], data: str) -> None:
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


def _results(
    registry: PluginRegistry, grid: Grid, plan: Plan, entrants: list[PlannedRow], facts: dict[str, Any]
) -> dict[str, Any]:
    """All that `results.json` says; `facts` are further ones of the protocol."""
    rows = [_row(grid, entrant) for entrant in entrants]
    metrics = grid.facts["metrics"]
    add_standings(rows, metrics)
    protocol = grid.facts["protocol"] | {
        "budget": grid.budget,
        "seeds": list(plan.seeds),
        "full": plan.full,
        "changes": list(plan.changes),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv and sys.argv[0] else "",
        "in_process": sorted({each.model for each in grid.trained() if is_registered(registry, each.model)}),
    }
    return {
        "schema": SCHEMA,
        "protocol": protocol | facts,
        "metrics": metrics,
        "rows": rows,
        "differences": paired_differences(rows, metrics),
        "fooled": fooled(rows, metrics),
        "sensitivity": grid.sensitivity(),
        "pictures": grid.pictures(),
    }


def _row(grid: Grid, entrant: PlannedRow) -> dict[str, Any]:
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
