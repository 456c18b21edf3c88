"""Diagnosis of an installation: whether each plugin loads in a child process, and which versions it runs with."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import tomllib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from zoo.contract.hookspecs import GROUPS
from zoo.engine.executor import TaskFailed, default_jobs
from zoo.engine.processes import process_executor
from zoo.errors import PluginError
from zoo.installation.plan import editable_folder
from zoo.plugins.plugin import Candidate, discover
from zoo.plugins.registry import PluginRegistry
from zoo.version import __version__


def diagnose(registry: PluginRegistry, *, timeout: float = 60.0, jobs: int | None = None) -> dict[str, Any]:
    """Load every installed plugin; return `environment`, `plugins` (one row each, with its state) and `hints`."""
    found = [(group, candidate) for group in GROUPS for candidate in registry.candidates(group)]
    with process_executor(jobs, preload=["torch"]) as executor, ThreadPoolExecutor(executor.slots) as threads:

        def answer(group: str, candidate: Candidate) -> dict[str, str]:
            arguments = (group, candidate.value, candidate.qualified)
            try:
                return executor.launch(load_one, arguments, timeout=timeout).result()
            except TaskFailed as error:
                return {"state": "broken", "reason": error.reason, "traceback": error.traceback}

        answers = list(threads.map(lambda each: answer(*each), found))
    rows = [_row(group, candidate) | each for (group, candidate), each in zip(found, answers, strict=True)]
    return {"environment": _environment(), "plugins": rows, "hints": _stale_entry_points()}


def load_one(group: str, value: str, qualified: str) -> dict[str, str]:
    """Load one plugin in this process and return its state, reason and traceback."""
    for candidate in discover()[group]:
        if (candidate.qualified, candidate.value) == (qualified, value):
            with contextlib.suppress(PluginError):
                candidate.load()
            return {"state": candidate.state, "reason": candidate.reason, "traceback": candidate.traceback}
    return {"state": "broken", "reason": "its entry point no longer exists", "traceback": ""}


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
    """Return hints for editable distributions whose entry points changed after installation."""
    hints = []
    for distribution in importlib.metadata.distributions():
        if (folder := editable_folder(distribution)) is None:
            continue
        try:
            project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
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
