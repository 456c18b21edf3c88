"""Diagnosis: every plugin loaded in a child process, and what of the surroundings decides how the zoo behaves."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from zoo.contract.hookspecs import GROUPS
from zoo.engine.pool import Job, Pool, default_jobs
from zoo.engine.worker import Emit
from zoo.version import __version__

if TYPE_CHECKING:
    from zoo.plugins.plugin import Candidate
    from zoo.plugins.registry import PluginRegistry


def diagnose(registry: PluginRegistry, *, timeout: float = 60.0, jobs: int | None = None) -> dict[str, Any]:
    """Load every installed plugin; return `environment`, `plugins` (a row each, with its state) and `hints`."""
    found = [(group, candidate) for group in GROUPS for candidate in registry.candidates(group)]
    tasks = [
        Job(
            candidate.qualified,
            "zoo.installation.doctor:probe",
            {"group": group, "value": candidate.value, "qualified": candidate.qualified},
        )
        for group, candidate in found
    ]
    with Pool(jobs, timeout=timeout) as pool:
        outcomes = pool.run(tasks)
    rows = []
    for (group, candidate), outcome in zip(found, outcomes, strict=True):
        row = _row(group, candidate)
        row |= (
            {"state": "broken", "reason": outcome.reason, "traceback": outcome.traceback}
            if outcome.failed
            else outcome.result
        )
        rows.append(row)
    return {"environment": _environment(), "plugins": rows, "hints": _stale_entry_points()}


def probe(*, group: str, value: str, qualified: str, emit: Emit) -> dict[str, str]:
    """Load one plugin in this process and say how it went."""
    from zoo.errors import PluginError
    from zoo.plugins.plugin import discover

    for candidate in discover(group):
        if (candidate.qualified, candidate.value) == (qualified, value):
            with contextlib.suppress(PluginError):
                candidate.load()
            return {"state": candidate.state, "reason": candidate.reason, "traceback": candidate.traceback}
    return {"state": "broken", "reason": "its entry point is gone", "traceback": ""}


def _row(group: str, candidate: Candidate) -> dict[str, Any]:
    return {
        "name": candidate.name,
        "group": group,
        "distribution": candidate.distribution,
        "version": candidate.version,
        "entry_point": candidate.value,
    }


def _environment() -> dict[str, str]:
    packages = {name: importlib.metadata.version(name) for name in ("torch", "pluggy", "scikit-learn")}
    return {
        "genzoo": __version__,
        "python": platform.python_version(),
        **packages,
        "cores": str(default_jobs()),
        "ZOO_DATA": os.environ.get("ZOO_DATA", "not set"),
    }


def _stale_entry_points() -> list[str]:
    """Editable distributions whose pyproject.toml names other plugins than their installed metadata."""
    hints = []
    for distribution in importlib.metadata.distributions():
        try:
            origin = json.loads(distribution.read_text("direct_url.json") or "{}")
            if not origin.get("dir_info", {}).get("editable"):
                continue
            folder = Path(unquote(urlparse(origin["url"]).path))
            project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError):
            continue
        declared = project.get("project", {}).get("entry-points", {})
        for group in GROUPS:
            installed = {entry.name: entry.value for entry in distribution.entry_points if entry.group == group}
            if declared.get(group, {}) != installed:
                name = distribution.metadata["Name"]
                hints.append(
                    f"{name} is installed editable and its {group} entry points changed; run: pip install -e {folder}"
                )
    return hints
