"""The pages of the documentation site that are made from the code: models, metrics and the other plugins."""

from __future__ import annotations

from typing import Any

import zoo

_GROUPS = {
    "zoo.densities": "Latent densities",
    "zoo.datasets": "Data sets",
    "zoo.features": "Feature spaces",
    "zoo.controls": "Control rows",
}
_TITLES = {"config": "Settings, `{name}:KEY=VALUE`", "training": "Training, `{name}:train.KEY=VALUE`"}
_OPTIONS = "Sampling, codes and likelihood, `{name}:sample.KEY=VALUE`"


def pages() -> dict[str, str]:
    """Return the pages by name."""
    registry = zoo.Registry()
    return {"settings": _settings(registry), "columns": _columns(registry)}


def _settings(registry: zoo.Registry) -> str:
    """Return the settings of the official models and of the built-in plugins."""
    lines = [
        "# Settings of every plugin",
        "",
        "What `zoo info NAME` prints, for all that this page was built with.",
        "",
    ]
    for name in registry.names("zoo.models"):
        facts = registry.info(name)
        lines += [f"## `{name}`", "", f"{facts['summary']}.", ""]
        for key, title in {**_TITLES, "options": _OPTIONS}.items():
            if facts.get(key):
                lines += [f"### {title.format(name=name)}", "", *_table(facts[key]), ""]
    for group, title in _GROUPS.items():
        lines += [f"## {title}", "", "| name | summary |", "|---|---|"]
        cards = [registry.plugin(name, group).card for name in registry.names(group)]
        lines += [f"| `{card.name}` | {_cell(card.summary)} |" for card in cards] + [""]
    return "\n".join(lines)


def _table(rows: list[dict[str, Any]]) -> list[str]:
    head = ["| key | default | values | meaning |", "|---|---|---|---|"]
    return head + [
        f"| `{row['name']}` | `{_cell(row['default'])}` | {_cell(row['type'])} {row['bounds']} "
        f"| {_cell(row['description'])} |"
        for row in rows
    ]


def _columns(registry: zoo.Registry) -> str:
    """Return every metric with what its card says: direction, source, and what it cannot be trusted for."""
    lines = [
        "# Columns of the table",
        "",
        "What `zoo info METRIC` prints. [trust.md](../trust.md) has the sanity checks.",
        "",
    ]
    order = [name for name in registry.catalogue.compare.metrics if name in registry.names("zoo.metrics")]
    order += [name for name in registry.names("zoo.metrics") if name not in order]
    for name in order:
        card = registry.plugin(name, "zoo.metrics").card
        lines += [f"## `{name}`: {card.title}", "", f"{card.summary}.", ""]
        facts = {"better": card.direction, "table": card.level, "source": card.paper}
        lines += [", ".join(f"{key}: {value}" for key, value in facts.items() if value), ""]
        lines += [f"- {limit}" for limit in card.limits] + [""]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
