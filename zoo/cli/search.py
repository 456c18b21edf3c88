"""`zoo search`: the plugins in the catalogue, whether installed or not, without importing any."""

from __future__ import annotations

from dataclasses import asdict

import click

from zoo.cli.output import as_json, print_json, print_table
from zoo.plugins.catalogue import Entry


@click.command("search")
@click.argument("words", nargs=-1, metavar="[WORD]…")
@click.option("--markdown", is_flag=True, help="Print the list as a Markdown table.")
@as_json
def command(words: tuple[str, ...], markdown: bool, as_json: bool) -> None:
    """List the plugins in the catalogue whose entries contain every WORD.

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
        click.echo(f"No catalogue entry contains {' and '.join(map(repr, words))}. 'zoo search' lists all entries.")
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
    print_table(("plugin", "group", "status", "package", "tier", "data", "summary"), rows)


def _markdown(entries: list[Entry]) -> list[str]:
    """Return the lines of a Markdown table; it does not depend on the installed plugins."""
    rows = [
        (
            f"`{entry.name}`",
            entry.group.removeprefix("zoo."),
            f"`{entry.package}`",
            entry.tier,
            entry.latent or "–",
            "–" if entry.likelihood == "no" else entry.likelihood,
            _link(entry.paper) or "–",
            entry.summary.replace("|", "\\|"),
        )
        for entry in entries
    ]
    head = ("plugin", "group", "package", "tier", "code", "likelihood", "paper", "summary")
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]


def _link(paper: str) -> str:
    """Return a link to a paper given by DOI or arXiv number, otherwise the text as it is."""
    kind, _, number = paper.partition(":")
    address = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}.get(kind)
    return f"[{kind}]({address}{number})" if address else paper


def _groups() -> list[str]:
    from zoo.contract.hookspecs import GROUPS

    return list(GROUPS)


def _has_all(entry: Entry, words: tuple[str, ...]) -> bool:
    """Return whether the entry contains every word, ignoring case."""
    said = [entry.name, entry.group, entry.package, entry.tier, entry.summary, entry.paper]
    text = " ".join([*said, *entry.capabilities, *entry.supports]).casefold()
    return all(word.casefold() in text for word in words)
