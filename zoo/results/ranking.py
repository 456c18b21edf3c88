"""Who is best, who is tied with the best, and which metric each control fools: paired, over the training seeds.

Contestants of one seed share data, splits and bits, so that the difference of two of them varies less than either. A
contestant is behind the best only where the 95 % t-interval of its paired difference does not contain 0.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from zoo.results.interval import mean_interval

Row = dict[str, Any]


def add_standings(rows: list[Row], metrics: list[dict[str, Any]]) -> None:
    """Write `standing` and `difference` into the summaries of the contestants, for every metric with a direction.

    `best`, `tied`, `behind`, or `open` where a bound leaves the order open; None with fewer than two seeds in common,
    and for a row with a failed cell, which is shown and never ranked. `difference` is the row's minus the best's.
    """
    for metric in metrics:
        name, sign = metric["name"], {"higher": 1, "lower": -1}.get(metric["direction"])
        for row in rows:
            row["summary"][name] |= {"standing": None, "difference": None}
        ranked = [row for row in rows if row["role"] == "contestant" and _is_ranked(row, name)]
        if sign is None or not ranked:
            continue
        best = max(ranked, key=lambda row: sign * row["summary"][name]["mean"])
        for row in ranked:
            if row is best:
                row["summary"][name]["standing"] = "open" if _kind(best, name) == "upper" else "best"
                continue
            difference = paired_difference(row, best, name)
            if difference is not None:
                row["summary"][name] |= {
                    "standing": _standing(row, best, name, sign),
                    "difference": {"mean": difference[0], "half_width": difference[1]},
                }
        if all(row["summary"][name]["standing"] is None for row in ranked if row is not best):
            best["summary"][name]["standing"] = None  # nobody to be compared with


def paired_difference(row: Row, other: Row, name: str) -> tuple[float, float] | None:
    """Mean and half-width of the 95 % interval of row minus other over the seeds that both have; None below two."""
    ours, theirs = _values(row, name), _values(other, name)
    differences = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    if len(differences) < 2:
        return None
    mean, half_width = mean_interval(differences)
    assert half_width is not None
    return mean, half_width


def paired_differences(rows: list[Row], metrics: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The paired difference of every two contestants, for every headline metric: first minus second."""
    contestants = [row for row in rows if row["role"] == "contestant"]
    found: dict[str, list[dict[str, Any]]] = {}
    for metric in metrics:
        if metric["level"] != "headline":
            continue
        for first, second in combinations(contestants, 2):
            difference = paired_difference(first, second, metric["name"])
            if difference is not None:
                pair = {"first": first["contestant"], "second": second["contestant"]}
                entry = pair | {"mean": difference[0], "half_width": difference[1]}
                found.setdefault(metric["name"], []).append(entry)
    return found


def fooled(rows: list[Row], metrics: list[dict[str, Any]]) -> dict[str, list[str]]:
    """For each control, the metrics on which it stands no worse than real images that nobody trained on.

    No worse: its mean, moved by both half-widths to its advantage, reaches the mean of the real images.
    """
    real = next((row for row in rows if row["role"] == "real"), None)
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["role"] != "control" or real is None:
            continue
        found[row["contestant"]] = []
        for metric in metrics:
            sign = {"higher": 1, "lower": -1}.get(metric["direction"])
            ours, floor = row["summary"][metric["name"]], real["summary"][metric["name"]]
            if sign is None or "mean" not in ours or "mean" not in floor:
                continue
            slack = (ours["half_width"] or 0) + (floor["half_width"] or 0)
            if sign * (ours["mean"] - floor["mean"]) + slack >= 0:
                found[row["contestant"]].append(metric["name"])
    return found


def _is_ranked(row: Row, name: str) -> bool:
    return "mean" in row["summary"][name] and not any("failed" in cell for cell in row["cells"])


def _standing(row: Row, best: Row, name: str, sign: int) -> str:
    """Of a row whose cautious figure is not the best: the best case that its bounds leave, against the best."""
    if _kind(row, name) == "lower" and not _has_bracket(row, name):
        return "open"
    ours, theirs = _values(row, name, cautious=False), _values(best, name)
    differences = [sign * (ours[seed] - theirs[seed]) for seed in ours if seed in theirs]
    mean, half_width = mean_interval(differences)
    if mean + (half_width or 0.0) < 0:
        return "behind"
    return "tied" if _kind(row, name) in ("", "exact", "estimate") else "open"


def _values(row: Row, name: str, *, cautious: bool = True) -> dict[int, float]:
    """The figure of each seed; or with `cautious` off the other end of its bracket, where it has one."""
    found = {}
    for cell in row["cells"]:
        measured = cell.get("metrics", {}).get(name, {})
        if "value" in measured:
            bracket = None if cautious else measured.get("bracket")
            found[cell["seed"]] = bracket[1] if bracket else measured["value"]
    return found


def _kind(row: Row, name: str) -> str:
    return str(row["summary"][name]["kind"])


def _has_bracket(row: Row, name: str) -> bool:
    return all("bracket" in cell["metrics"][name] for cell in row["cells"] if "value" in cell["metrics"].get(name, {}))
