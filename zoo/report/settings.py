"""The settings of a comparison's contestants: a table of those that differ, and those that all share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.report.figures import setting
from zoo.report.table_view import Column, TableCell, TableRow, TableView
from zoo.results.schema import Results

_PREFIXES = {"config": "", "training": "train.", "options": "sample."}
_COLUMNS = 6  # contestants in a table
_NONE = "–"


def differing_settings(results: Results) -> list[TableView]:
    """Return a line for each setting in which trained contestants differ, or that only some have; "–" for none.

    Six contestants stand in a table.
    """
    found = _found(results)
    names = [name for name in _names(found) if len({its.get(name) for its in found.values()}) > 1]
    tables = []
    contestants = list(found)
    for start in range(0, len(contestants), _COLUMNS):
        shown = contestants[start : start + _COLUMNS]
        lines = [
            TableRow(name, "setting", [TableCell(found[each].get(name, _NONE)) for each in shown]) for name in names
        ]
        title = "Settings that differ" + (", continued" if start else "")
        if lines:
            tables.append(TableView(title, [Column(each) for each in shown], lines, [], head="setting"))
    return tables


def shared_settings(results: Results) -> list[str]:
    """Return the settings that all trained contestants have in common, as `key = value`."""
    found = _found(results)
    return [
        f"{name} = {next(iter(found.values()))[name]}"
        for name in _names(found)
        if len({its.get(name) for its in found.values()}) == 1
    ]


def _found(results: Results) -> dict[str, dict[str, str]]:
    """Return each contestant's settings as texts by the names under which users type them."""
    return {row.contestant: _flat(row.settings) for row in results.rows if row.settings and row.role == "contestant"}


def _flat(settings: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            prefix = _PREFIXES.get(key, f"{key}.")
            inner = {name: each for name, each in value.items() if not isinstance(each, Mapping)}
            found |= {f"{prefix}{name}": setting(each) for name, each in inner.items()}
            deeper = {name: each for name, each in value.items() if isinstance(each, Mapping)}
            found |= {f"{prefix}{name}": text for name, text in _flat(deeper).items()}
        elif value not in (None, ""):
            found[key] = setting(value)
    return found


def _names(found: Mapping[str, Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for its in found.values() for name in its))
