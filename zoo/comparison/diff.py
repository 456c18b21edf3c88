"""What differs between two runs, or two comparisons: their settings, and their figures. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError, ConfigError
from zoo.report.charts import read_log
from zoo.report.figures import figure
from zoo.report.table_view import figure_cell
from zoo.results.file import FILE as RESULTS
from zoo.results.file import read_results
from zoo.results.schema import Results, Row
from zoo.training.differences import flat
from zoo.training.record import FILE as RECORD

LOG = "metrics.jsonl"  # of a training
#: facts of a run or comparison that two of them never share
_OWN = ("started", "resumed", "seconds", "step_ms", "command", "wall_seconds", "status", "source", "jobs")
_CLOCK = ("seconds", "progress", "learning_rate", "step", "epoch")


@dataclass(frozen=True)
class Differing:
    """A setting or figure that differs; "" where one of the two does not have it."""

    what: str
    first: str
    second: str


def diff(first: Path, second: Path) -> tuple[list[Differing], list[Differing]]:
    """Return the settings and the figures of two runs, or of two comparisons, that differ.

    Figures of a run are its last losses; those of a comparison are its figures as the tables have them.

    Raises:
        ConfigError: for a run and a comparison.
        CheckpointError: if either is neither, or damaged.
    """
    kinds = {path: (path / RESULTS).is_file() for path in (first, second)}
    if kinds[first] != kinds[second]:
        raise ConfigError(f"Compare two runs, or two comparisons: {first} and {second} are one of each.")
    if kinds[first]:
        results = [read_results(path) for path in (first, second)]
        return _differing(*map(_protocol, results)), _differing(*map(_figures, results))
    return _differing(*map(_settings, (first, second))), _differing(*map(_losses, (first, second)))


def _differing(first: Mapping[str, str], second: Mapping[str, str]) -> list[Differing]:
    keys = dict.fromkeys([*first, *second])
    found = [Differing(key, first.get(key, ""), second.get(key, "")) for key in keys]
    return [each for each in found if each.first != each.second]


def _settings(path: Path) -> dict[str, str]:
    """Return the record of a run as flat texts."""
    file = path / RECORD
    try:
        facts: dict[str, Any] = json.loads(file.read_bytes())
        facts["contestant"] = (facts.get("contestant") or {}).get("text", "")
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is not a run folder: {RECORD} cannot be read ({error}).") from None
    return flat({key: value for key, value in facts.items() if key not in (*_OWN, "amount", "steps")})


def _losses(path: Path) -> dict[str, str]:
    """Return the last value of each loss in a run's log."""
    lines = read_log(path / LOG)
    last: dict[str, float] = {}
    for line in lines:
        last |= line
    return {name: figure(value) for name, value in last.items() if name not in _CLOCK}


def _protocol(results: Results) -> dict[str, str]:
    """Return the protocol of a comparison, and the settings of each contestant, as flat texts."""
    protocol = {key: value for key, value in results.protocol.model_dump().items() if key not in _OWN}
    settings = {row.contestant: row.settings for row in results.rows if row.settings}
    return flat(protocol) | flat(settings)


def _figures(results: Results) -> dict[str, str]:
    return {f"{row.contestant}, {title}": text for row in results.rows for title, text in _means(results, row)}


def _means(results: Results, row: Row) -> Iterator[tuple[str, str]]:
    for metric in results.metrics:
        if found := row.figure(metric.name):
            cell = figure_cell(found)
            yield metric.title, f"{cell.text} {cell.below}".strip()
