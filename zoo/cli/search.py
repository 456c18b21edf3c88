"""`zoo search`: the plugins of the catalogue, installed or not; no plugin is imported."""

from __future__ import annotations

from dataclasses import asdict

import click

from zoo.cli.output import as_json, print_json, print_table
from zoo.plugins.catalogue import Entry


@click.command("search")
@click.argument("words", nargs=-1, metavar="[WORD]…")
@click.option("--markdown", is_flag=True, help="Print a table in Markdown, as the README has it.")
@as_json
def command(words: tuple[str, ...], markdown: bool, as_json: bool) -> None:
    """Show the plugins of the catalogue in which every WORD occurs, in whatever is said of them.

    Example: zoo search autoencoder
    """
    from zoo.api import default

    installed = {(group, each.name) for group in _groups() for each in default.candidates(group)}
    found = [entry for entry in default.catalogue.entries if _has_all(entry, words)]
    if as_json:
        print_json([asdict(entry) | {"installed": (entry.group, entry.name) in installed} for entry in found])
        return
    if markdown:
        click.echo("\n".join(_markdown(found)))
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


def _markdown(entries: list[Entry]) -> list[str]:
    """The lines of a table that is the same whatever is installed."""
    rows = [
        (
            f"`{entry.name}`",
            entry.group.removeprefix("zoo."),
            f"`{entry.package}`",
            entry.tier,
            entry.latent or "–",
            "yes" if entry.likelihood else "–",
            _link(entry.paper) or "–",
            entry.summary.replace("|", "\\|"),
        )
        for entry in entries
    ]
    head = ("plugin", "group", "package", "tier", "code", "likelihood", "paper", "what it is")
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]


def _link(paper: str) -> str:
    """A link to a paper, where its name is an address in short; the name otherwise."""
    kind, _, number = paper.partition(":")
    address = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}.get(kind)
    return f"[{kind}]({address}{number})" if address else paper


def _groups() -> list[str]:
    from zoo.contract.hookspecs import GROUPS

    return list(GROUPS)


def _has_all(entry: Entry, words: tuple[str, ...]) -> bool:
    """Whether each word is part of something that is said of the plugin."""
    said = [entry.name, entry.group, entry.package, entry.tier, entry.summary, entry.paper]
    text = " ".join([*said, *entry.capabilities, *entry.supports]).casefold()
    return all(word.casefold() in text for word in words)
