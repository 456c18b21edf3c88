"""`zoo doctor`: load each plugin in a separate process with a time limit, and report broken ones."""

from __future__ import annotations

import click

from zoo.cli.output import as_json, print_json, print_table


@click.command("doctor")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help="Time limit for loading a plugin, in seconds.",
)
@click.option("--jobs", type=click.IntRange(min=1), show_default="one per core", help="Number of parallel processes.")
@as_json
def command(timeout: float, jobs: int | None, as_json: bool) -> int:
    """Load each plugin in a separate process and report which are broken, and why.

    Exits with 3 if a plugin is broken.

    Example: zoo doctor
    """
    from zoo.api import default
    from zoo.installation.doctor import diagnose

    diagnosis = diagnose(default, timeout=timeout, jobs=jobs)
    broken = [row for row in diagnosis["plugins"] if row["state"] not in ("loaded", "blocked")]
    if as_json:
        print_json(diagnosis)
        return 3 if broken else 0
    for key, value in diagnosis["environment"].items():
        click.echo(f"{key:12}  {value}")
    cells = [
        (
            row["name"],
            row["group"].removeprefix("zoo."),
            row["state"],
            f"{row['distribution']} {row['version']}",
            row["reason"],
        )
        for row in diagnosis["plugins"]
    ]
    print_table(("plugin", "group", "state", "from", "problem"), cells)
    for row in diagnosis["plugins"]:
        if row["traceback"]:
            click.echo(f"\n{row['distribution']}/{row['name']}:\n{row['traceback']}")
    for hint in diagnosis["hints"]:
        click.echo(f"Note: {hint}")
    click.echo(
        f"{len(broken)} of {len(cells)} plugins cannot be used." if broken else f"All {len(cells)} plugins can be used."
    )
    return 3 if broken else 0
