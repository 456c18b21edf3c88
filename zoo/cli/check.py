"""`zoo check NAME`: run the conformance checks on a model plugin and report failures and skipped checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zoo.cli.names import MODEL
from zoo.cli.output import as_json, print_json

if TYPE_CHECKING:
    from zoo.conformance.verdict import Verdict

_HEADINGS = {
    "expected": "Failed, as the plugin's card expects:",
    "skipped": "Skipped, because something is missing on this machine:",
    "inapplicable": "Not applicable to this model:",
}


@click.command("check")
@click.argument("name", type=MODEL)
@click.option("--only", multiple=True, metavar="CHECK", help="Run this check only; repeatable.")
@as_json
def command(name: str, only: tuple[str, ...], as_json: bool) -> int:
    """Run the conformance checks on the model NAME[:KEY=VALUE,...]: train it on tiny data and test every hook.

    Exits with 3 if a check fails.

    Example: zoo check vae:beta=4.0
    """
    from zoo.api import default
    from zoo.contestant import parse_contestant
    from zoo.training.names import check_names

    check_names(default, [parse_contestant(name)])
    from zoo.conformance.verdict import examine
    from zoo.report.progress import ShownProgress

    with ShownProgress() as shown:
        verdict = examine(
            name, only=only, progress=lambda check, done, number: shown.move(name, done / number, check.name)
        )
    if as_json:
        print_json(verdict.as_dict())
    else:
        _print(verdict)
    return 0 if verdict.passed else 3


def _print(verdict: Verdict) -> None:
    """Print failures, then skipped checks, then a one-line verdict."""
    shown: dict[str, str] = {}  # error -> the check that shows its traceback
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
        click.echo("Passed on part of the data only:")
        for outcome in noted:
            click.echo(f"  {outcome.check}: {outcome.reason}")
    if verdict.refused:
        click.echo("Data that the model does not support:")
        for line in verdict.refused:
            click.echo(f"  {line}")
    click.echo(f"{verdict.plugin} {verdict.version}: {verdict.summary}.")
