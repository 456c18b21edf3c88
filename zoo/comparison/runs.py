"""Runs and comparisons on disk: found by their files, described without loading them. Imports no torch."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from zoo.comparison.plan import FILE as PLAN
from zoo.comparison.plan import SUMMARY, TUNED
from zoo.errors import CheckpointError, ZooError, did_you_mean
from zoo.plugins.registry import PluginRegistry
from zoo.report.table_view import ranking_metric
from zoo.results.file import FILE as RESULTS
from zoo.results.file import read_results
from zoo.results.trained import all_trained
from zoo.training.record import FILE as RECORD

_MODELS = "*.safetensors"
_NAMED = 8  # runs in a message


@dataclass(frozen=True)
class Listed:
    """A training or a comparison on disk, in words.

    Attributes:
        contestants: what was trained or compared.
        result: how a training ended, or which contestant is best by the metric that orders the table.
        seconds: of the training, or of the whole comparison; None if it is not finished.
        started: date and time in UTC; "" if unknown.
    """

    path: Path
    kind: Literal["run", "comparison"]
    contestants: str
    data: str
    budget: str
    seeds: str
    result: str
    seconds: float | None
    started: str = ""


def find_runs(folder: Path) -> list[Listed]:
    """Return the trainings and comparisons whose folders lie directly in a folder, by name."""
    return [listed for path in _subfolders(folder) if (listed := describe(path))]


def describe(path: Path) -> Listed | None:
    """Return what a folder holds; None for neither a training nor a comparison, or a damaged one."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, ZooError):
        if (path / RESULTS).is_file():
            return _comparison(path)
        if (path / PLAN).is_file():
            plan = json.loads((path / PLAN).read_bytes())
            names, seeds = " ".join(plan["contestants"]), ", ".join(map(str, plan["seeds"]))
            budget = f"{plan['amount']['value']:g} {plan['amount']['unit']}" if plan["amount"] else ""
            data = Path(plan["source"] or "array").name
            result = "tuned" if (path / TUNED).is_file() else "unfinished"
            return Listed(path, "comparison", names, data, budget, seeds, result, None)
        if (path / RECORD).is_file():
            return _run(path)
        if (path / SUMMARY).is_file():
            summary = json.loads((path / SUMMARY).read_bytes())
            parts = [_comparison(path / folder) for folder in summary["folders"].values()]
            data, failed = ", ".join(summary["folders"]), ", ".join(summary["errors"])
            seconds = sum(part.seconds or 0.0 for part in parts)
            result = f"failed on {failed}" if failed else "finished"
            return replace(parts[0], path=path, data=data, result=result, seconds=seconds)
    return None


def check_path(path: Path | str, registry: PluginRegistry) -> None:
    """Refuse a path without a run, a model file or a comparison, with the runs that may be meant.

    An address of a remote file is not looked up.

    Raises:
        CheckpointError: for a folder of runs, the name of a model, or a path that does not exist.
    """
    if isinstance(path, str):
        return
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise CheckpointError(f"Cannot read {path}: {error.strerror or error}.") from None
    if path.is_file() or any((path / name).is_file() for name in (RECORD, RESULTS, PLAN, SUMMARY)) or _models(path):
        return
    inside = [str(each.path) for each in find_runs(path)]
    if inside:
        raise CheckpointError(f"{path} is a folder of runs; choose one of: {_some(inside)}.")
    if path.is_dir():
        raise CheckpointError(f"{path} contains neither a run nor a model; 'zoo runs' lists those in ./runs.")
    trained = [str(each.path) for each in find_runs(Path("runs"))]
    name = str(path).partition(":")[0].partition("@")[0]
    if name in registry.names():
        own = [each for each in trained if Path(each).name.startswith(name)]
        there = f" Trained already: {_some(own)}." if own else ""
        raise CheckpointError(
            f"{str(path)!r} is a model, and this command needs a trained one: zoo train {path}, and then the run "
            f"folder that it prints.{there}"
        )
    near = did_you_mean(str(path), trained) or (f" Runs here: {_some(trained)}." if trained else "")
    raise CheckpointError(f"Cannot read {path}: there is no such run, model file or comparison.{near}")


def _run(path: Path) -> Listed:
    facts: dict[str, Any] = json.loads((path / RECORD).read_bytes())
    contestant = facts.get("contestant")
    name = contestant["text"] if contestant else facts["plugin"].rpartition("/")[2]
    return Listed(
        path,
        "run",
        name,
        facts["data"]["name"],
        facts["budget"],
        str(facts["seed"]),
        facts["status"],
        facts.get("seconds"),
        facts.get("started", ""),
    )


def _comparison(path: Path) -> Listed:
    results = read_results(path)
    protocol, metric = results.protocol, ranking_metric(results)
    names, how = [row.contestant for row in results.rows if row.role == "contestant"], all_trained(results).values()
    best = [row.contestant for row in results.rows if metric and row.summary[metric.name].standing == "best"]
    return Listed(
        path,
        "comparison",
        " ".join(names),
        protocol.data.name,
        "; ".join(dict.fromkeys(each.budget for each in how)),
        ", ".join(map(str, sorted({seed for each in how for seed in each.seeds}))),
        f"best {metric.title}: {best[0]}" if metric and best else "finished",
        protocol.wall_seconds,
    )


def _subfolders(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(each for each in folder.iterdir() if each.is_dir())


def _models(path: Path) -> bool:
    return any(path.glob(_MODELS))


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:_NAMED]) + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")
