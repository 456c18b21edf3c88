"""`compare`: plan the grid, run its jobs on an executor, assemble the results. Imports no torch."""

from __future__ import annotations

import contextlib
import importlib
import shlex
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.comparison.cells import CellResult
from zoo.comparison.contestants import PlannedRow, parse_row
from zoo.comparison.elsewhere import Elsewhere
from zoo.comparison.estimate import estimated
from zoo.comparison.experiment import FILE as EXPERIMENT
from zoo.comparison.experiment import Experiment
from zoo.comparison.first_seed import FirstSeed
from zoo.comparison.grid import CheckpointSettings, Grid, PlannedCell, is_registered, trained
from zoo.comparison.journal import Journal
from zoo.comparison.measures import MEASURES
from zoo.comparison.over_epochs import at_epoch, chosen_epochs, planned_epochs
from zoo.comparison.plan import Plan
from zoo.comparison.prepared import Prepared, prepare, with_contestants
from zoo.comparison.result import Comparison
from zoo.comparison.run_data import data_of_runs
from zoo.comparison.schedule import OnEvent, Outcome, ScheduledJob, Scheduler
from zoo.comparison.sensitivity import measured, varied_samplings, varied_trainings
from zoo.comparison.tuning import STUDY, Search, tune_contestants
from zoo.contestant import as_texts, expand
from zoo.data.paths import looks_like_a_path, split_path
from zoo.data.source import source_of
from zoo.engine.dask import client_of, dask_executor
from zoo.engine.executor import RemoteExecutor
from zoo.engine.processes import Method, process_executor
from zoo.errors import CheckpointError, ConfigError, ZooError
from zoo.files.folder_lock import locked
from zoo.files.names import slug
from zoo.files.paths import as_path
from zoo.files.storage import new_folder
from zoo.plugins.registry import PluginRegistry
from zoo.results.file import write_results
from zoo.results.ranking import fools_metrics, rank
from zoo.results.schema import AtEpoch, BudgetFacts, Cell, Protocol, Results, Row, Tuning, Variation
from zoo.results.summary import summarise
from zoo.runtime.extras import optional
from zoo.runtime.interruption import Interruption
from zoo.runtime.seeds import is_seed
from zoo.scalars import plain
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy
from zoo.training.differences import differences
from zoo.training.names import check_names

_SCRATCH = ".data-"  # prefix of a folder's name
FULL_SEEDS = 5  # of `full`: an interval over fewer says little
QUICK_SEEDS, QUICK_EPOCHS = 1, 20  # of `quick`, unless others are given
_MOST_SEEDS = 1000

# What the cells import: each would otherwise pay for it again.
PRELOAD = (
    "sklearn.datasets",
    "sklearn.linear_model",
    "sklearn.mixture",
    "zoo.models.checkpoint",
    "zoo.comparison.jobs",
    "zoo.comparison.measuring",
    "zoo.training.train",
)

# What this process imports for the results and the report.
AFTERWARDS = ("scipy.special", "plotly.offline", "jinja2", "zoo.report.grid", "zoo.report.html", "zoo.report.latex")


def compare(
    registry: PluginRegistry,
    contestants: str | Iterable[str] = (),
    data: Any = None,
    *,
    seeds: int | Iterable[int] | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    full: bool = False,
    quick: bool = False,
    controls: bool = False,
    n: int | None = None,
    device: str = "cpu",
    features: str = "",
    metrics: Iterable[str] = (),
    over_epochs: Iterable[int] | None = None,
    tune: int = 0,
    measure: str = "kernel",
    out: str | Path = "runs",
    jobs: int | None = None,
    method: Method | None = None,
    executor: Any = None,
    timeout: float | None = None,
    save_every: float = 30.0,
    resume: str | Path | None = None,
    allow_changes: bool = False,
    experiment: str | Path | None = None,
    save: str | Path | None = None,
    on_event: OnEvent | None = None,
    directory: str | None = None,
    place: Path | None = None,
) -> Comparison:
    """Train every contestant with every seed and measure how each one generates; see `zoo.compare`.

    Args:
        place: the comparison's new folder; None makes one in `out`.
        directory: the folder that relative paths of contestants start from; None takes the current one.
    """
    given = as_texts(contestants)
    lengths = (epochs, steps, seconds, over_epochs)
    n, jobs, timeout = plain(n), plain(jobs), plain(timeout)
    _check_types(n=n, jobs=jobs, timeout=timeout, method=method, device=device, features=features, metrics=metrics)
    metrics = tuple(metrics)
    asked = bool(given or full or quick or controls or features or metrics or tune)
    asked = asked or device != "cpu" or measure != "kernel"
    asked = asked or any(each is not None for each in (seeds, n, *lengths))
    if experiment is not None:
        if asked or data is not None or resume is not None:
            raise ConfigError(
                f"{experiment} says what is compared, how, and on which data; change it there, and leave out all else "
                "but out, jobs, method, executor, timeout, save_every, save and track."
            )
        arguments = Experiment.read(as_path(experiment, "experiment")).arguments
        _check_data(arguments["data"])
        own = {"jobs": jobs, "timeout": timeout, "method": method}
        arguments |= {name: value for name, value in own.items() if value is not None}
        if executor is not None:
            arguments["method"] = method
        return compare(
            registry,
            **arguments,
            out=out,
            executor=executor,
            save_every=save_every,
            save=save,
            on_event=on_event,
        )
    _check_data(data)
    chosen = tuple(each for text in given for each in expand(text))
    base = Path(directory or "")
    runs = [row.source for row in (parse_row(text, base) for text in chosen) if row.kind == "run" and row.source]
    if runs and resume is None:
        data = data_of_runs(runs, registry, data)
    budget = TrainingBudget.choose(epochs=epochs, steps=steps, seconds=seconds)
    save_every = CheckpointPolicy(save_every).every  # refuses a wrong time
    tune = plain(tune)
    if type(tune) is not int or tune < 0:
        raise ConfigError(f"tune must be a number of trials >= 1, or 0 for none, got {tune!r}.")
    points = () if over_epochs is None else chosen_epochs(over_epochs)
    if quick and full:
        raise ConfigError("A full comparison is not a quick one; leave out full or quick.")
    if quick:
        seeds = QUICK_SEEDS if seeds is None else seeds
        budget = budget or (None if points else TrainingBudget(float(QUICK_EPOCHS), "epochs"))
    if points and budget:
        raise ConfigError(f"The last of over_epochs, {points[-1]}, is the budget; leave {budget} out.")
    if points:
        budget = TrainingBudget(float(points[-1]), "epochs")
    if resume is None:
        plan = plan_of(
            registry,
            chosen,
            data,
            seeds,
            budget,
            full=full,
            controls=controls,
            n=n,
            device=device,
            features=features,
            metrics=metrics,
            over_epochs=points,
            tune=tune,
            measure=measure,
            directory=directory,
        )
    else:
        if asked:
            raise ConfigError(
                "A resumed comparison keeps its contestants, seeds, budget, device, features and n; remove them, or "
                "start a new one."
            )
        plan = Plan.read(as_path(resume, "resume"))
    started = begun(
        registry,
        plan,
        data,
        folder=place if resume is None else as_path(resume, "resume"),
        resumed=resume is not None,
        out=as_path(out, "out"),
        jobs=jobs,
        method=method,
        executor=executor,
        timeout=timeout,
        allow_changes=allow_changes,
        save=save,
        on_event=on_event,
    )
    with started as start:
        plan, scheduler = start.plan, start.scheduler
        grid = Grid(
            registry,
            plan.rows,
            start.prepared,
            list(plan.seeds),
            start.budget,
            start.folder.absolute(),
            start.file,
            plan.device,
            plan.features,
            CheckpointSettings(start.command, save_every, allow_changes),
            snapshots=plan.over_epochs[:-1],
            elsewhere=start.elsewhere,
        )
        try:
            cells, variations = _run(grid, plan, scheduler, start.journal)
            planned = planned_epochs(grid)
            outcomes = _run_announced(grid, [each.job for each in planned], scheduler, start.journal)
            over = [at_epoch(each, outcome) for each, outcome in zip(planned, outcomes, strict=True)]
        except ZooError as error:
            raise type(error)(f"{error} Resume with: {start.command}") from error
        results = _results(
            grid, plan, cells, variations, over, jobs=scheduler.slots, wall_seconds=start.journal.seconds
        )
        folder = start.folder
        write_results(folder, results)
        comparison = Comparison(results, folder)
        try:
            comparison.write()
        except Exception as error:  # the results are complete, and stay so
            text = f"The report of {folder} is incomplete ({type(error).__name__}: {error}); results.json is complete"
            scheduler.on_event(ScheduledJob("report", None), {"warning": f"{text}. Retry with: zoo report {folder}"})
    return comparison


@dataclass(frozen=True)
class Begun:
    """A comparison before its cells: all settings are valid, and contestants are tuned if the plan asks for it.

    Attributes:
        budget: of each training.
        folder: of the comparison.
        file: the data, for all processes.
        elsewhere: what other machines must have, if cells run there.
        command: resumes it.
    """

    plan: Plan
    prepared: Prepared
    budget: TrainingBudget
    folder: Path
    file: Path
    scheduler: Scheduler
    journal: Journal
    elsewhere: Elsewhere | None
    command: str


@contextlib.contextmanager
def begun(
    registry: PluginRegistry,
    plan: Plan,
    data: Any,
    *,
    folder: Path | None,
    resumed: bool,
    out: Path,
    jobs: int | None,
    method: Method | None,
    executor: Any,
    timeout: float | None,
    allow_changes: bool = False,
    save: str | Path | None = None,
    on_event: OnEvent | None = None,
    verb: str = "",
) -> Iterator[Begun]:
    """Start or resume a comparison up to its first cell; its folder is locked and its executor runs until the end.

    Args:
        plan: what is compared.
        data: None takes those that the plan names.
        folder: of the comparison, which is made if it is not resumed; None makes one in `out`.
        verb: command that resumes it, and start of the folder's name; "" for those of a comparison.
        out, jobs, method, executor, timeout, allow_changes, save, on_event: see `zoo.compare`.

    Raises:
        ZooError: for everything that is wrong, before any training.
    """
    jobs, timeout = plain(jobs), plain(timeout)
    if not (executor is None or isinstance(executor, str) or hasattr(executor, "submit")):
        raise ConfigError(
            "executor must be a concurrent.futures.Executor, a Dask client or the address of a Dask scheduler, got "
            f"{executor!r:.80}."
        )
    save = None if save is None else as_path(save, "save")
    if executor is not None and method is not None:
        raise ConfigError("method chooses an executor, and executor is one; give one of them.")
    if save is not None and plan.source is None:
        raise ConfigError(
            "An experiment file cannot hold an array; write the data to a file, and give its path as data."
        )
    if data is None and plan.source is None:
        raise ConfigError(f"{folder} compares on an array, which no file holds; give it again as data.")
    source, rows = plan.source if data is None else data, plan.rows
    if plan.tune:
        optional("optuna", "tune", "Tuning")
    if executor is not None:
        source = source_of(source) or source  # absolute: its processes may work in another folder
    contestants_trained = trained(rows)
    check_names(registry, contestants_trained, source)
    stem = f"{verb or ('compare' if contestants_trained else 'evaluate')}-{slug(data_name(source))}"
    folder = folder or new_folder(out, stem)
    folder.mkdir(exist_ok=True)
    command = f"zoo {verb or 'compare'} --resume {shlex.quote(str(folder))}"
    command += f" --executor {shlex.quote(executor)}" if isinstance(executor, str) else ""
    with locked(folder), Interruption(command), contextlib.ExitStack() as stack:
        place = folder.absolute()
        try:
            running = stack.enter_context(_running(executor, jobs, method))
            threading.Thread(target=_import_afterwards).start()  # this process waits while the server starts
            if not resumed:
                plan.write(folder)
            is_remote = isinstance(running, RemoteExecutor)
            file = Path(stack.enter_context(_scratch(place if is_remote else None))) / "data.safetensors"
            journal = Journal(place)
            scheduler = Scheduler(running, registry, slots=jobs, timeout=timeout, on_event=on_event)
            with _here(running, method) as here:
                prepared = prepare(
                    Scheduler(here, registry, timeout=timeout, on_event=on_event) if is_remote else scheduler,
                    registry,
                    rows,
                    source,
                    folder=place,
                    file=file,
                    full=plan.full,
                    device=plan.device,
                    features=plan.features,
                    n=plan.n,
                    metrics=plan.metrics,
                )
        except ZooError:
            if not resumed:
                shutil.rmtree(folder)  # nothing was computed
            raise
        if len(prepared.data.conditions.data.shape) > 1:
            for_tables = registry.catalogue.compare.table_controls
            plan = replace(plan, controls=tuple(name for name in plan.controls if name not in for_tables))
            contestants_trained = trained(plan.rows)
            prepared = prepared.only(plan.rows)
        elsewhere = Elsewhere.of(registry, prepared, contestants_trained, plan.features) if is_remote else None
        plan = _continued(plan, prepared.depends_on, folder, allow_changes=allow_changes)
        plan = replace(plan, distributions=elsewhere.fingerprints if elsewhere else {})
        plan.write(folder)
        budget = plan.amount or TrainingBudget(prepared.data.epochs, "epochs")
        if plan.source is not None:
            executor_settings = {"jobs": jobs, "method": method, "timeout": timeout}
            repeating = Experiment.of(plan, budget if contestants_trained else None, executor_settings)
            for path in (place / EXPERIMENT, save):
                if path is not None:
                    repeating.write(path)
        budget = TrainingBudget(float(budget.value), budget.unit)  # as it comes out of the plan, too
        if plan.tune and plan.tuning is None:
            try:
                search = Search(
                    plan.tune, plan.measure, budget, file, place / "tuning", plan.device, plan.features, elsewhere
                )
                plan, prepared = _tuned(plan, prepared, search, scheduler, registry)
            except ZooError as error:
                if not resumed and not (place / "tuning" / STUDY).exists():
                    shutil.rmtree(folder)  # nothing was computed
                    raise
                raise type(error)(f"{error} Resume with: {command}") from error
            if elsewhere:
                elsewhere = Elsewhere.of(registry, prepared, trained(plan.rows), plan.features)
            plan.write(folder)
        yield Begun(plan, prepared, budget, folder, file, scheduler, journal, elsewhere, command)


def evaluated(registry: PluginRegistry, source: str | Path, data: Any = None) -> tuple[str, Any]:
    """Return what `compare` takes to measure one finished run or file of samples: its text, and the data.

    Args:
        registry: where names are looked up.
        source: a run folder or a `.safetensors` file, and `:sample.KEY=VALUE,…`; or `samples:FILE`.
        data: as for `compare`; None takes the data set that the run was trained on.

    Raises:
        ConfigError: for samples without data, and for a source that is not a path.
        CheckpointError: for anything but a run or samples, and for a damaged run.
    """
    text = str(source if isinstance(source, str) else as_path(source, "source"))
    row = parse_row(text if "/" in text or text.startswith("samples:") else f"./{text}")
    if row.kind == "trained":
        raise CheckpointError(f"{text} is not a run folder, model file or samples:FILE; train one with 'zoo train'.")
    if data is None and row.kind == "samples":
        raise ConfigError(f"{text} does not say which data it is samples of; name them with --data.")
    if row.kind == "run":
        assert row.source
        data = data_of_runs([row.source], registry, data)
    return row.text, data


def _import_afterwards() -> None:
    """Import AFTERWARDS; what cannot be imported is reported when it is needed."""
    with contextlib.suppress(Exception):
        for name in AFTERWARDS:
            importlib.import_module(name)


@contextlib.contextmanager
def _running(executor: Any, jobs: int | None, method: Method | None) -> Iterator[Executor]:
    """The executor that was given, which stays open; or one of our own, which ends with the comparison.

    On a Dask cluster the executor is ours, whether its client is or not.
    """
    dask = executor if isinstance(executor, str) else client_of(executor)
    if dask is not None:
        with dask_executor(dask, preload=PRELOAD) as own:
            yield own
    elif executor is not None:
        yield executor
    else:
        with process_executor(jobs, method, preload=PRELOAD) as own:
            yield own


@contextlib.contextmanager
def _here(running: Executor, method: Method | None) -> Iterator[Executor]:
    """The executor of the jobs that prepare a comparison, on this machine: the data and the plan are here.

    Local workers take them, too, as another server would import everything once more.
    """
    if isinstance(running, RemoteExecutor) and not running.is_local:
        with process_executor(None, method, preload=PRELOAD) as own:
            yield own
    else:
        yield running


@contextlib.contextmanager
def _scratch(folder: Path | None) -> Iterator[str]:
    """A folder for the data: in the comparison's, where other machines may see it, or among the temporary ones."""
    for left in folder.glob(f"{_SCRATCH}*") if folder else ():
        shutil.rmtree(left)  # by a process that was killed
    with tempfile.TemporaryDirectory(prefix=_SCRATCH if folder else "zoo-", dir=folder) as scratch:
        yield scratch


def _run(
    grid: Grid, plan: Plan, scheduler: Scheduler, journal: Journal
) -> tuple[list[tuple[PlannedCell, Outcome]], list[Variation]]:
    """Run every cell; a full comparison announces an estimate first, and varies the settings as well.

    Once every row has its first seed, an event has the results so far.
    """
    full = plan.full

    def run(jobs: list[ScheduledJob]) -> list[Outcome]:
        return _run_announced(grid, jobs, scheduler, journal)

    done: list[tuple[PlannedCell, Outcome]] = []
    if full:
        seconds, cells, done = estimated(grid, lambda jobs: journal.run(jobs, scheduler), scheduler.slots)
        scheduler.on_event(ScheduledJob("estimate", None), {"estimate": seconds})
    else:
        cells = [*grid.cells(), grid.real_cell()]
    retrained = varied_trainings(grid) if full else []
    first_seed = FirstSeed(
        cells, journal, lambda found: _first_results(grid, plan, [*done, *found], scheduler, journal)
    )
    with first_seed.announced(scheduler):
        outcomes = run([each.job for each in cells] + [each.job for each in retrained])
    done += zip(cells, outcomes, strict=False)
    resampled = varied_samplings(grid) if full else []
    more = run([each.job for each in resampled])
    planned = zip([*retrained, *resampled], [*outcomes[len(cells) :], *more], strict=True)
    return done, [each for variation, outcome in planned for each in measured(variation, outcome)]


def _first_results(
    grid: Grid, plan: Plan, found: list[tuple[PlannedCell, Outcome]], scheduler: Scheduler, journal: Journal
) -> Results:
    """Return the results of the first seed alone."""
    one = replace(plan, seeds=plan.seeds[:1])
    return _results(grid, one, found, [], [], jobs=scheduler.slots, wall_seconds=journal.seconds)


def _run_announced(grid: Grid, jobs: list[ScheduledJob], scheduler: Scheduler, journal: Journal) -> list[Outcome]:
    """Run cells after an event that says how many there are, how many are done, and which metric matters first."""
    metrics = [metric for metric in grid.prepared.data.metrics if metric.sign and metric.level == "headline"]
    first = next((metric for metric in metrics if metric.name == "frechet"), metrics[0] if metrics else None)
    done = sum(journal.find(job) is not None for job in jobs)
    named = {"metric": first.name if first else "", "title": first.title if first else ""}
    scheduler.on_event(ScheduledJob("cells", None), {"cells": len(jobs), "done": done, **named})
    return journal.run(jobs, scheduler)


def plan_of(
    registry: PluginRegistry,
    contestants: Sequence[str],
    data: Any,
    seeds: int | Iterable[int] | None,
    budget: TrainingBudget | None,
    *,
    full: bool = False,
    controls: bool = False,
    n: int | None = None,
    device: str,
    features: str,
    metrics: tuple[str, ...] = (),
    over_epochs: tuple[int, ...] = (),
    tune: int,
    measure: str,
    directory: str | None = None,
) -> Plan:
    """Return what is asked for, completed by the catalogue."""
    if measure not in MEASURES:
        raise ConfigError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}.")
    for metric in metrics:
        registry.find(metric, "zoo.metrics")
    if device == "auto":
        from zoo.runtime.devices import find_device

        device = str(find_device(device))
    default = registry.catalogue.compare
    fewest = FULL_SEEDS if full else 1
    return Plan(
        contestants=tuple(contestants or default.contestants),
        controls=(*default.controls, *default.table_controls) if full or controls else (),
        source=source_of(default.data if data is None else data),
        seeds=tuple(_seeds(max(default.seeds, fewest) if seeds is None else seeds, fewest)),
        amount=budget,
        full=full,
        n=n,
        directory=str(Path(directory or "").absolute()),
        device=device,
        features=features,
        metrics=tuple(dict.fromkeys(metrics)),
        over_epochs=over_epochs,
        tune=tune,
        measure=measure,
    )


def _tuned(
    plan: Plan, prepared: Prepared, search: Search, scheduler: Scheduler, registry: PluginRegistry
) -> tuple[Plan, Prepared]:
    """Tune the contestants that are trained; return the plan and what is known with the rows that were chosen."""
    contestants = [row.contestant for row in plan.rows if row.role == "contestant" and row.contestant]
    found = tune_contestants(scheduler, registry, contestants, search)
    plan = replace(plan, tuning=found.model_dump(mode="json"))
    prepared = with_contestants(prepared, scheduler, registry, plan.rows, search.folder.parent)
    return replace(plan, depends_on=prepared.depends_on), prepared


def _continued(plan: Plan, depends_on: dict[str, Any], folder: Path, *, allow_changes: bool) -> Plan:
    """Return the plan with what its results depend on, which must be unchanged since the comparison started.

    Raises:
        CheckpointError: if it changed and changes are not allowed, or the data changed.
    """
    if not plan.depends_on:
        return replace(plan, depends_on=depends_on)
    found = differences(plan.depends_on, depends_on)
    if plan.depends_on["data"] != depends_on["data"]:
        raise CheckpointError(f"{folder} compares on other data: {found[0]}. Start a new comparison on these.")
    if found and not allow_changes:
        raise CheckpointError(
            f"{folder} was started under other conditions: {'; '.join(found)}. Start a new comparison, or resume it "
            "with rows under more than one protocol: --allow-changes (allow_changes=True)."
        )
    return replace(plan, depends_on=depends_on, changes=(*plan.changes, *found))


def data_name(source: Any) -> str:
    """Return the name of data before they are loaded; an array has no name."""
    if isinstance(source, str):
        return Path(split_path(source)[0]).stem if looks_like_a_path(source) else source
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "array"


def _check_data(data: Any) -> None:
    """Refuse several data sets: each has a comparison of its own."""
    if isinstance(data, list | tuple) and len(data) and all(isinstance(each, str) for each in data):
        raise ConfigError(f"zoo.compare takes one data set, got {', '.join(data)}; use zoo.compare_each for several.")


def _check_types(*, n: Any, jobs: Any, timeout: Any, method: Any, device: Any, features: Any, metrics: Any) -> None:
    """Refuse arguments of another type, or out of range, which the jobs could not be given."""
    seconds = type(timeout) in (int, float)
    several = isinstance(metrics, Iterable) and not isinstance(metrics, str)
    rules = {
        "n must be a whole number >= 2, or None": (n, n is None or type(n) is int),
        "jobs must be a whole number >= 1, or None": (jobs, jobs is None or (type(jobs) is int and jobs >= 1)),
        "timeout must be a number of seconds > 0, or None": (timeout, timeout is None or (seconds and timeout > 0)),
        "method must be fork, spawn or None": (method, method in (None, "fork", "spawn")),
        "device must be text, such as cpu": (device, isinstance(device, str)),
        'features must be a name, or ""': (features, isinstance(features, str)),
        "metrics must be a list of names": (metrics, several),
    }
    for rule, (given, is_valid) in rules.items():
        if not is_valid:
            raise ConfigError(f"{rule}, got {given!r:.80}.")


def _seeds(seeds: int | Iterable[int], fewest: int) -> list[int]:
    given = plain(seeds)
    if type(given) is int:
        numbers: list[Any] = list(range(min(given, _MOST_SEEDS + 1)))
    else:
        numbers = [plain(seed) for seed in given] if isinstance(given, Iterable) else []
    if not numbers or not all(map(is_seed, numbers)) or len(set(numbers)) < len(numbers):
        raise ConfigError(f"seeds must be a number >= 1, or distinct whole numbers >= 0, got {seeds!r:.80}.")
    if len(numbers) > _MOST_SEEDS:
        raise ConfigError(f"A comparison has at most {_MOST_SEEDS:,} seeds, got {seeds!r:.80}; give fewer.")
    if len(numbers) < fewest:
        raise ConfigError(
            f"A full comparison needs at least {fewest} seeds, got {len(numbers)}; remove full for fewer."
        )
    return numbers


def _results(
    grid: Grid,
    plan: Plan,
    cells: list[tuple[PlannedCell, Outcome]],
    variations: list[Variation],
    over: list[AtEpoch],
    *,
    jobs: int,
    wall_seconds: float,
) -> Results:
    """Assemble everything that `results.json` says."""
    metrics = grid.prepared.data.metrics
    own = {row.text: _cells(row, cells) for row in grid.rows}
    rows, differences = rank([_row(grid, row, own[row.text]) for row in grid.rows], metrics)
    conditions = grid.prepared.data.conditions
    trainings = trained(grid.rows)
    registered = {each.model for each in trainings if is_registered(grid.registry, each)}
    budget: dict[str, Any] = (
        {"budget": BudgetFacts(value=grid.budget.value, unit=grid.budget.unit)} if trainings else {}
    )
    seeds = (
        plan.seeds
        if trainings
        else sorted({cell.seed for row in rows if row.role == "contestant" for cell in row.cells})
    )
    tuning: dict[str, Any] = {"tuning": Tuning.model_validate(plan.tuning)} if plan.tuning else {}
    protocol = Protocol(
        **{name: getattr(conditions, name) for name in type(conditions).model_fields},
        seeds=list(seeds),
        full=plan.full,
        changes=list(plan.changes),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv and sys.argv[0] else "",
        in_process=sorted(registered),
        jobs=jobs,
        wall_seconds=wall_seconds,
        **budget,
        **tuning,
    )
    return Results(
        protocol=protocol,
        metrics=metrics,
        rows=rows,
        differences=differences,
        fooled=fools_metrics(rows, metrics),
        sensitivity=variations,
        pictures=_pictures(grid, own),
        **({"over_epochs": over} if over else {}),
    )


def _cells(row: PlannedRow, cells: list[tuple[PlannedCell, Outcome]]) -> list[Cell]:
    """Return what was found for a row, one cell per seed, in the order of the seeds."""
    found = []
    for planned, outcome in cells:
        if row.text not in planned.texts:
            continue
        facts: dict[str, Any] = {"seed": planned.seed}
        if outcome.failed:
            facts |= {"failed": outcome.reason, "exit_code": outcome.exit_code}
        else:
            result: CellResult = outcome.result
            measurements = result.contestants[row.text]
            if not measurements.has_failed:
                facts |= result.shared.model_dump(exclude_unset=True)
            facts |= {name: getattr(measurements, name) for name in measurements.model_fields_set}
        if outcome.failed_attempts:
            facts["failed_attempts"] = list(outcome.failed_attempts)
        found.append(Cell(**facts))
    return sorted(found, key=lambda cell: cell.seed)


def _row(grid: Grid, row: PlannedRow, cells: list[Cell]) -> Row:
    """Return one row of the table: what it is, its costs, its cells and its summary."""

    def mean(name: str) -> float | None:
        values = [value for cell in cells if (value := getattr(cell, name)) is not None]
        return sum(values) / len(values) if values else None

    return Row(
        contestant=row.text,
        role=row.role,
        kind=row.kind,
        folder=grid.folder_of(row),
        settings=grid.prepared.settings_of(row),
        source=None if row.source is None else str(row.source),
        train_seconds=mean("train_seconds"),
        sample_seconds_per_1000=mean("sample_seconds_per_1000"),
        parameters=mean("parameters"),
        summary={metric.name: summarise(cells, metric.name) for metric in grid.prepared.data.metrics},
        cells=cells,
    )


def _pictures(grid: Grid, cells: dict[str, list[Cell]]) -> dict[str, str | None]:
    """Return where the pictures of each row's first seed lie, by its text."""
    found: dict[str, str | None] = {}
    for row in grid.rows:
        first = next((cell.seed for cell in cells[row.text] if not cell.has_failed), None)
        if first is None:
            continue
        path = grid.run_folder(row, first) / f"{slug(row.text)}.pictures.npz"
        if path.exists():
            found[row.text] = str(path.relative_to(grid.folder))
    return found
