"""`zoo check NAME`: examine a model plugin, and say how many checks ran, what failed, and what was left out and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from zoo.cli.names import MODEL
from zoo.cli.output import as_json, print_json

if TYPE_CHECKING:
    from zoo.conformance.verdict import Verdict

_HEADINGS = {
    "expected": "Failed as the plugin says it does:",
    "skipped": "Skipped, for something is missing here:",
    "inapplicable": "Does not apply to such a model:",
}


@click.command("check")
@click.argument("name", type=MODEL)
@as_json
def command(name: str, as_json: bool) -> int:
    """Train the model NAME on tiny data, and check whether it keeps what a plugin promises.

    Exits with 3 if a check fails. Example: zoo check vae
    """
    from zoo.conformance.verdict import examine

    if sys.stderr.isatty():
        click.echo(f"Checking {name}; it takes seconds, or a minute where sampling is slow.", err=True)
    verdict = examine(name)
    if as_json:
        print_json(verdict.as_dict())
    else:
        _print(verdict)
    return 0 if verdict.passed else 3


def _print(verdict: Verdict) -> None:
    """What failed first, then what was left out, then the verdict in a line."""
    shown: dict[str, str] = {}  # error -> the check below which its traceback stands
    for outcome in verdict.of("failed"):
        cause = outcome.traceback or outcome.reason
        error = cause.rstrip().rpartition("\n")[2]
        if first := shown.get(error):
            cause = f"The same error as in {first}: {error}"
        shown.setdefault(error, outcome.check)
        click.echo(f"FAILED  {outcome.check}: {outcome.claim}\n{cause}\n")
    for status, heading in _HEADINGS.items():
        if outcomes := [outcome for outcome in verdict.outcomes if outcome.status == status]:
            click.echo(heading)
            for outcome in outcomes:
                click.echo(f"  {outcome.check}: {outcome.reason}")
    if noted := [outcome for outcome in verdict.of("passed") if outcome.reason]:
        click.echo("Passed on some of the data only:")
        for outcome in noted:
            click.echo(f"  {outcome.check}: {outcome.reason}")
    if verdict.refused:
        click.echo("Not for all data:")
        for line in verdict.refused:
            click.echo(f"  {line}")
    click.echo(f"{verdict.plugin} {verdict.version}: {verdict.summary}.")
