"""The comparison as a table: mean ± half-width of the 95 % interval over training seeds."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.table import Table

_ARROW = {"lower": " ↓", "higher": " ↑", "none": ""}


def comparison_table(results: dict[str, Any]) -> Table:
    """The table of a `results.json`: a row per contestant, then real images in the samples' place; for rich."""
    metrics = [metric for metric in results["metrics"] if _is_measured(metric["name"], results)]
    data, protocol = results["protocol"]["data"], results["protocol"]
    budget, seeds = protocol["budget"], _seeds(protocol["seeds"])
    table = Table(
        title=f"{data['name']}: {budget['value']:g} {budget['unit']}, {seeds}, mean ± 95 % interval",
        caption=_caption(results),
        caption_justify="left",
        title_justify="left",
    )
    table.add_column("contestant", max_width=34, overflow="fold")
    for metric in metrics:
        table.add_column(metric["title"] + _ARROW[metric["direction"]], justify="right")
    for title in ("parameters", "training s", "s per 1,000 samples"):
        table.add_column(title, justify="right")
    for row in results["rows"]:
        table.add_row(
            row["contestant"], *(_summary(row["summary"][metric["name"]]) for metric in metrics), *_costs(row)
        )
    real = results["real"]
    figures = [figure(real[each["name"]]["value"]) if "value" in real[each["name"]] else "" for each in metrics]
    if any(figures):
        table.add_section()
        table.add_row("real images", *figures, "", "", "", style="dim")
    return table


def as_text(table: Table, width: int = 120) -> str:
    """The table as plain text, without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def figure(value: float) -> str:
    """A figure with three significant digits, and an exponent only where it is very small or large."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    return f"{value:,.{max(0, 3 - len(str(int(abs(value)))))}f}"


def _is_measured(name: str, results: dict[str, Any]) -> bool:
    return any("mean" in row["summary"][name] for row in results["rows"])


def _summary(summary: dict[str, Any]) -> str:
    if "mean" not in summary:
        return "n/a"
    text = figure(summary["mean"])
    if summary["half_width"] is not None:
        text += f" ± {figure(summary['half_width'])}"
    return f"{text} {summary['kind']}".rstrip()


def _costs(row: dict[str, Any]) -> list[str]:
    parameters, sampling = row["parameters"], row["sample_seconds_per_1000"]
    return [
        "n/a" if parameters is None else f"{parameters:,.0f}",
        "n/a" if row["train_seconds"] is None else figure(row["train_seconds"]),
        "n/a" if sampling is None else figure(sampling),
    ]


def _seeds(seeds: list[int]) -> str:
    return f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"


def _caption(results: dict[str, Any]) -> str:
    """The protocol in a few lines, and the reason for each n/a."""
    protocol = results["protocol"]
    lines = [
        f"{protocol['samples']} samples each, compared with {protocol['reference']}.",
        f"Features: {protocol['features']['description']}, sha256 {protocol['features']['sha256'][:12]}; "
        f"data sha256 {protocol['data']['sha256'][:12]}.",
    ]
    reasons: dict[str, list[str]] = {}
    for row in results["rows"]:
        for metric in results["metrics"]:
            summary = row["summary"][metric["name"]]
            if "mean" not in summary and _is_measured(metric["name"], results):
                reasons.setdefault(summary["unsupported"], []).append(row["contestant"])
        failed = [cell for cell in row["cells"] if "failed" in cell]
        if failed:
            reason = f"{len(failed)} of {len(row['cells'])} seeds failed: {failed[0]['failed']}"
            reasons.setdefault(reason, []).append(row["contestant"])
    lines += [f"n/a, {', '.join(dict.fromkeys(names))}: {reason}" for reason, names in reasons.items()]
    return "\n".join(lines)
