"""`zoo search`: the plugins of the catalogue, installed or not; no plugin is imported."""

from __future__ import annotations

from dataclasses import asdict

import click

from zoo.catalogue import Entry
from zoo.cli.output import as_json, print_json, print_table


@click.command("search")
@click.argument("words", nargs=-1, metavar="[WORD]…")
@as_json
def command(words: tuple[str, ...], as_json: bool) -> None:
    """Show the plugins of the catalogue in which every WORD occurs, in whatever is said of them.

    Example: zoo search autoencoder
    """
    from zoo.api import default

    installed = {(group, each.name) for group in _groups() for each in default.candidates(group)}
    found = [entry for entry in default.catalogue.entries if _has_all(entry, words)]
    if as_json:
        print_json([asdict(entry) | {"installed": (entry.group, entry.name) in installed} for entry in found])
        return
    if not found:
        click.echo(f"Nothing in the catalogue has {' and '.join(map(repr, words))}. 'zoo search' shows all of it.")
        return
    rows = [
        (
            entry.name,
            entry.group.removeprefix("zoo."),
            "installed" if (entry.group, entry.name) in installed else "available",
            f"{entry.package} {entry.releases[-1].version if entry.releases else ''}".strip(),
            entry.tier,
            ", ".join(entry.supports),
            entry.summary,
        )
        for entry in found
    ]
    print_table(("plugin", "group", "status", "package", "tier", "data", "what it is"), rows)


def _groups() -> list[str]:
    from zoo.hookspecs import GROUPS

    return list(GROUPS)


def _has_all(entry: Entry, words: tuple[str, ...]) -> bool:
    """Whether each word is part of something that is said of the plugin."""
    said = [entry.name, entry.group, entry.package, entry.tier, entry.summary, entry.paper]
    text = " ".join([*said, *entry.capabilities, *entry.supports]).casefold()
    return all(word.casefold() in text for word in words)
