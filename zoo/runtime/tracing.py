"""`zoo --trace-hooks`: count and time the hook calls of each plugin. Does not import torch.

Each process counts its calls: a command prints its table to standard error when it ends, a cell of a comparison to
its `output.log`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

VARIABLE = "ZOO_TRACE_HOOKS"

_calls: dict[tuple[str, str], list[float]] = {}
_began: list[float] = []


def asked_for() -> bool:
    """Whether hooks are traced in this process."""
    return bool(os.environ.get(VARIABLE))


def trace(manager: pluggy.PluginManager, plugin: str) -> None:
    """Count and time every hook call of a plugin's manager, wrappers included."""

    def before(hook: str, implementations: Sequence[Any], arguments: Mapping[str, Any]) -> None:
        _began.append(time.perf_counter())

    def after(outcome: Any, hook: str, implementations: Sequence[Any], arguments: Mapping[str, Any]) -> None:
        _calls.setdefault((plugin, hook), []).append(time.perf_counter() - _began.pop())

    manager.add_hookcall_monitoring(before, after)


def summary() -> list[str]:
    """Return one line per plugin and hook, sorted by total time; no lines if no hook was called."""
    if not _calls:
        return []
    lines = [f"{'plugin':24} {'hook':16} {'calls':>8} {'seconds':>10} {'ms/call':>10}"]
    for (plugin, hook), seconds in sorted(_calls.items(), key=lambda item: -sum(item[1])):
        total, count = sum(seconds), len(seconds)
        lines.append(f"{plugin:24} {hook:16} {count:8,} {total:10.3f} {1000 * total / count:10.3f}")
    return lines
