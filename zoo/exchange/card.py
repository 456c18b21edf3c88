"""The model card of a pushed model: what it is, how it was trained, and how well it generates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.data.paths import before_colon
from zoo.errors import CheckpointError
from zoo.exchange.provenance import short_path
from zoo.files.names import slug
from zoo.models.model import FILE, Model
from zoo.results.file import FILE as RESULTS
from zoo.results.file import read_results
from zoo.results.schema import Figure, Results, Row


def found_results(file: Path) -> tuple[Results, Row] | None:
    """Return the comparison that a model file is part of, with its row; None if it is not part of one."""
    file = file.resolve()
    for folder in list(file.parents)[:3]:  # COMPARISON/CONTESTANT/seed-0/FILE
        if (folder / RESULTS).exists():
            return results_of(file, folder)
    return None


def results_of(file: Path, folder: Path) -> tuple[Results, Row]:
    """Return the results of a comparison or evaluation, with the row of a model file.

    Raises:
        CheckpointError: if the folder has no valid results, or none of this model.
    """
    results = read_results(folder)
    for row in results.rows:
        path = Path(row.contestant.partition(":")[0])  # of a finished run
        if slug(row.contestant) == file.stem or path.resolve() in (file.resolve(), file.resolve().parent):
            return results, row
    names = ", ".join(row.contestant for row in results.rows)
    raise CheckpointError(f"{folder} has no row of {file}, but {names}; evaluate the run with 'zoo evaluate'.")


def model_card(model: Model, results: tuple[Results, Row] | None) -> str:
    """Return the README.md of a model's repository, Markdown with the hub's metadata on top."""
    card, protocol = model.plugin.card, model.protocol
    trained_on = (protocol.get("data") or {}).get("name", "")
    tags = ["generative-model", card.name, *([model.density.plugin.card.name] if model.density else [])]
    title = f"{model.name} on {trained_on}" if trained_on else model.name
    parts = [
        "\n".join(["---", "library_name: genzoo", "tags:", *(f"- {tag}" for tag in tags), "---"]),
        f"# {_inline(title)}",
        f"{_sentence(card.summary)}{_reference(card.paper)}",
    ]
    if model.density:
        density = model.density.plugin.card
        parts.append(
            f"Its codes are drawn from a latent density: {_inline(density.summary)}.{_reference(density.paper)}"
        )
    needed = {each.distribution for each in (model.plugin, *([model.density.plugin] if model.density else []))}
    packages = " ".join(['"genzoo[hub]"', *sorted(needed - {"", "genzoo"})])
    parts += [
        "## Use",
        f"```sh\npip install {packages}\n```",
        f'```python\nimport zoo\n\nmodel = zoo.load("hub:USER/NAME@COMMIT")  # or the path of {FILE}\n'
        "x = model.sample(64, seed=0)\n```",
        "## Settings",
        _table(("setting", "value"), model.config.model_dump(mode="json").items()),
    ]
    if protocol:
        parts += ["## Training", _table(("", ""), _flat(protocol))]
    if results:
        parts += ["## Results", *_results(*results)]
    return "\n\n".join(parts) + "\n"


def _results(results: Results, row: Row) -> list[str]:
    """Return the figures of a row and the protocol that they belong to."""
    protocol = results.protocol
    figures = [(metric, row.summary[metric.name]) for metric in results.metrics]
    lines = [
        (metric.title, _figure(figure), {1: "higher", -1: "lower", 0: ""}[metric.sign], str(figure.n))
        for metric, figure in figures
        if isinstance(figure, Figure)
    ]
    path, settings = before_colon(row.contestant)
    contestant = ":".join([short_path(path), *([settings] if settings else [])])
    told = (
        f"As {contestant} in a comparison on {protocol.data.name} (sha256 {protocol.data.sha256[:12]}), with "
        f"{protocol.samples:,} samples, {protocol.reference}; features: {protocol.features.description} (sha256 "
        f"{protocol.features.sha256[:12]}). Means over trainings, ± half-widths of the 95 % interval."
    )
    return [_inline(told), _table(("metric", "value", "better", "trainings"), lines)]


def _figure(figure: Figure) -> str:
    bound = {"lower": "≥ ", "upper": "≤ "}.get(figure.kind, "")
    return f"{bound}{figure.mean:.4g}" + ("" if figure.half_width is None else f" ± {figure.half_width:.2g}")


def _table(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(_inline(each) for each in line)} |" for line in lines)


def _flat(facts: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Return nested settings as pairs of a dotted name and a value."""
    if not isinstance(facts, dict):
        return [(prefix, facts)]
    return [pair for key, each in facts.items() for pair in _flat(each, f"{prefix}.{key}" if prefix else str(key))]


def _sentence(text: str) -> str:
    return _inline(text[:1].upper() + text[1:].rstrip(".") + ".")


def _reference(paper: str) -> str:
    return f" Reference: {_inline(paper)}." if paper else ""


def _inline(value: Any) -> str:
    """Return a value as text of one line that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}<>|\[\]#])", r"\\\1", " ".join(str(value).split()))
