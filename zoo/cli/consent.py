"""Confirmation prompts before third-party code is installed or run, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from zoo.errors import ConfigError, ZooError

SHOWN_FILES = 20


def show_files(source: str, version: str, files: Sequence[str]) -> None:
    """Print where a plugin comes from, its files, and what it may do."""
    click.echo(f"Source: {source}", err=True)
    if version:
        click.echo(f"Version: {version}", err=True)
    click.echo(f"Files: {len(files)}" if files else "Files: unknown before download", err=True)
    first = sorted(files, key=lambda file: not file.endswith(".pth"))  # Python runs .pth files at startup
    for file in first[:SHOWN_FILES]:
        click.echo(f"  {file}", err=True)
    if len(files) > SHOWN_FILES:
        click.echo(f"  and {len(files) - SHOWN_FILES} more", err=True)
    click.echo("A plugin runs with your permissions: it can read, change and send whatever you can.", err=True)


def ask(question: str, *, yes: bool) -> None:
    """Ask for confirmation; return if the answer is yes, or if --yes was given.

    Raises:
        ConfigError: if standard input is not a terminal.
        ZooError: if the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} Standard input is not a terminal; nothing was done. Confirm with --yes.")
    if not click.confirm(question, err=True):
        raise ZooError("Nothing was done.")
