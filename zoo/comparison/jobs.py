"""Jobs of a comparison as JSON: how one is sent to a process, what comes back, and its key in the journal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from zoo.comparison.cells import EvaluateReal, EvaluateRun, EvaluateSamples, TrainCell, Trial
from zoo.comparison.preparation import DescribeContestant, DescribeRun, DescribeSamples, PrepareData
from zoo.contestant import Contestant
from zoo.engine.executor import Needs
from zoo.engine.transfer import files_in
from zoo.files.names import is_state
from zoo.plugins.fingerprint import Fingerprint
from zoo.plugins.registry import PluginRegistry

Job = (
    PrepareData
    | DescribeContestant
    | DescribeRun
    | DescribeSamples
    | TrainCell
    | EvaluateRun
    | EvaluateSamples
    | EvaluateReal
    | Trial
)

_JOBS: TypeAdapter[Job] = TypeAdapter(Annotated[Job, Field(discriminator="kind")])


def to_json(job: Job) -> str:
    """Return a job as JSON; infinity in a setting stays infinity, for the plugin to refuse."""
    return json.dumps(_JOBS.dump_python(job))


def from_json(text: str) -> Job:
    """Return the job of a JSON text."""
    return _JOBS.validate_json(text)


def perform(text: str, places: Mapping[str, str] | None = None) -> Any:
    """Run a job in this process, with the installed plugins, and return its result as plain values.

    Args:
        text: the job.
        places: where its paths are on this machine, if it is not that of the comparison.
    """
    job = _moved(from_json(text), places or {})
    return result_to_plain(job, job.run(PluginRegistry()))


def needs(job: Job, requires: Mapping[str, Fingerprint], cached: Mapping[str, Path]) -> Needs:
    """Return what a job needs on another machine: its data, source and folder, and what is given."""
    read = {path: _files(Path(path)) for path in _paths(job, "read").values()}
    folder = next(iter(_paths(job, "written").values()), None)
    return Needs(read, Path(folder) if folder else None, cached, requires)


def result_to_plain(job: Job, result: Any) -> Any:
    """Return a job's result as values that JSON can hold."""
    return TypeAdapter(job.result).dump_python(result, mode="json", exclude_unset=True)


def result_from_plain(job: Job, plain: Any) -> Any:
    """Return a job's typed result."""
    return TypeAdapter(job.result).validate_python(plain)


def key(job: Job, folder: Path) -> str:
    """Return what identifies a job's result, wherever the comparison's folder lies: all fields not marked `ASIDE`."""
    identity = {each.name: getattr(job, each.name) for each in fields(job) if each.metadata.get("identity", True)}
    kind = identity.pop("kind")
    return json.dumps([kind, {name: _plain(value, folder) for name, value in identity.items()}], sort_keys=True)


def _moved(job: Job, places: Mapping[str, str]) -> Job:
    paths: dict[str, Any] = {**_paths(job, "read"), **_paths(job, "written")}
    return replace(job, **{name: places.get(path, path) for name, path in paths.items()})


def _paths(job: Job, use: str) -> dict[str, str]:
    """Return the paths of a job that are read, or written, by the name of the field."""
    return {each.name: getattr(job, each.name) for each in fields(job) if each.metadata.get("path") == use}


def _files(path: Path) -> dict[str, Path]:
    """Return the file at a path, or those of a folder, by their path in it; checkpoints are not read."""
    if not path.is_dir():
        return {"": path}
    return {name: each for name, each in files_in(path).items() if not is_state(each)}


def _plain(value: Any, folder: Path) -> Any:
    """Return a field as plain values: a contestant as its text, and a path as seen from the comparison's folder."""
    if isinstance(value, Contestant):
        return value.text
    if isinstance(value, str):
        return value.removeprefix(f"{folder}{os.sep}")
    if isinstance(value, tuple):
        return [_plain(each, folder) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return dict(value) if isinstance(value, Mapping) else value
