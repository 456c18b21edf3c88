"""Merging of comparisons: rows that were measured in the same way form one table, with standings computed anew.

Results can be merged if they agree in the data and their split, the reference images, the binarisation, the number of
samples, the features and the metrics. What else differs (versions, device) is recorded in `protocol.changes`. If
budgets differ, each row has its own in its settings.

A row that both have is one row with the seeds of both if its settings and budget agree and equal seeds have equal
figures; otherwise the later one gets the name of its comparison: `vae [theirs]`. Real images are the same for everyone,
so that the first row of them is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from zoo.errors import ConfigError
from zoo.results.ranking import fools_metrics, rank
from zoo.results.schema import Cell, Protocol, Results, Row, Variation
from zoo.results.summary import summarise
from zoo.results.trained import budget_of


def merge(parts: Mapping[str, Results]) -> Results:
    """Return the results of several comparisons, each with its name, as those of one.

    Raises:
        ConfigError: for fewer than two, and for results that differ in how they were measured; all differences are
            named.
    """
    if len(parts) < 2:
        raise ConfigError(f"Merging needs at least two comparisons, got {len(parts)}.")
    (name, first), *others = parts.items()
    conflicts = [each for other, results in others for each in _conflicts(name, first, other, results)]
    if conflicts:
        raise ConfigError(f"Comparisons that were measured differently cannot be merged: {'; '.join(conflicts)}.")

    rows: dict[str, Row] = {}
    budgets: dict[str, str] = {}
    sensitivity: list[Variation] = []
    pictures: dict[str, str | None] = {}
    for part, results in parts.items():
        names = {}
        for row in results.rows:
            text, budget = row.contestant, budget_of(row, results.protocol)
            known = rows.get(text)
            if known is None or row.role == "real":
                joined = known or row
            elif budgets[text] == budget and _is_same(known, row):
                joined = _joined(known, row)
            else:
                text = f"{text} [{part}]"
                joined = row.model_copy(update={"contestant": text})
            rows[text] = joined
            budgets.setdefault(text, budget)
            names[row.contestant] = text
            if row.contestant in results.pictures:
                pictures.setdefault(text, results.pictures[row.contestant])
        for each in results.sensitivity:
            varied = each.model_copy(update={"contestant": names[each.contestant]})
            if varied not in sensitivity:
                sensitivity.append(varied)

    protocols = [results.protocol for results in parts.values()]
    own = {each.budget for each in protocols if each.budget}
    if len(own) > 1:
        rows = {text: _with_budget(row, budgets[text]) for text, row in rows.items()}
    metrics = first.metrics
    fresh = [
        row.model_copy(update={"summary": {each.name: summarise(row.cells, each.name) for each in metrics}})
        for row in rows.values()
    ]
    ranked, differences = rank(fresh, metrics)
    protocol = first.protocol.model_copy(
        update={
            "budget": own.pop() if len(own) == 1 else None,
            "seeds": sorted({seed for each in protocols for seed in each.seeds}),
            "full": all(each.full for each in protocols),
            "changes": [
                *first.protocol.changes,
                *(each for other, its in others for each in _changes(first, other, its)),
            ],
            "command": f"zoo merge {' '.join(parts)}",
            "in_process": sorted({model for each in protocols for model in each.in_process}),
            "wall_seconds": sum(each.wall_seconds for each in protocols),
        }
    )
    return Results(
        protocol=protocol,
        metrics=metrics,
        rows=ranked,
        differences=differences,
        fooled=fools_metrics(ranked, metrics),
        sensitivity=sensitivity,
        pictures=pictures,
    )


def measured_how(protocol: Protocol) -> dict[str, Any]:
    """Return what figures must share to be comparable, apart from their metrics."""
    return {
        "the data (sha256)": protocol.data.sha256,
        "the seed of the split": protocol.data.split_seed,
        "the reference": protocol.reference,
        "the seed of the binarisation": protocol.binarisation_seed,
        "the number of samples": protocol.samples,
        "the features (sha256)": protocol.features.sha256,
    }


def _with_metrics(results: Results) -> dict[str, Any]:
    """Return what tables must share to be merged."""
    cards = {f"the card of {each.name}": each.model_dump() for each in results.metrics}
    names = ", ".join(each.name for each in results.metrics)
    return measured_how(results.protocol) | {"the metrics": names} | cards


def _conflicts(name: str, first: Results, other: str, results: Results) -> list[str]:
    """Return the differences that forbid merging, one clause each."""
    ours, theirs = _with_metrics(first), _with_metrics(results)
    return [
        f"{key}: {ours[key]} in {name}, {theirs[key]} in {other}"
        for key in ours
        if key in theirs and ours[key] != theirs[key]
    ]


def _changes(first: Results, other: str, results: Results) -> list[str]:
    """Return the conditions of a comparison that differ from those of the first, one clause each."""
    facts = []
    for protocol in (first.protocol, results.protocol):
        conditions: dict[str, Any] = {"device": protocol.device, "threads": protocol.threads_per_process}
        conditions |= {"extensions": ", ".join(protocol.extensions) or "none"} | dict(protocol.versions)
        facts.append(conditions)
    ours, theirs = facts
    differ = [key for key in {**ours, **theirs} if ours.get(key, "none") != theirs.get(key, "none")]
    own = [f"{other}: {each}" for each in results.protocol.changes]
    return [f"{other}: {key} {theirs.get(key, 'none')} instead of {ours.get(key, 'none')}" for key in differ] + own


def _with_budget(row: Row, budget: str) -> Row:
    """Return a row whose settings name its budget."""
    return row.model_copy(update={"settings": {**(row.settings or {}), "budget": budget}}) if budget else row


def _is_same(row: Row, other: Row) -> bool:
    """Whether two rows are the same contestant, and a seed of both gave the same figures."""
    cells = {cell.seed: cell for cell in row.cells}
    common = [(cells[cell.seed], cell) for cell in other.cells if cell.seed in cells]
    return (row.kind, _settings(row)) == (other.kind, _settings(other)) and all(
        ours.metrics == theirs.metrics and ours.has_failed == theirs.has_failed for ours, theirs in common
    )


def _settings(row: Row) -> dict[str, Any] | None:
    """Return a row's settings without its budget, which only some rows name."""
    return None if row.settings is None else {key: its for key, its in row.settings.items() if key != "budget"}


def _joined(row: Row, other: Row) -> Row:
    """Return a row with the cells of both, and its costs as their means."""
    cells = {cell.seed: cell for cell in (*other.cells, *row.cells)}
    ordered = [cells[seed] for seed in sorted(cells)]
    costs = {name: _mean(ordered, name) for name in ("train_seconds", "sample_seconds_per_1000", "parameters")}
    return row.model_copy(update={"cells": ordered} | costs)


def _mean(cells: list[Cell], name: str) -> float | None:
    values = [value for cell in cells if (value := getattr(cell, name)) is not None]
    return fmean(values) if values else None
