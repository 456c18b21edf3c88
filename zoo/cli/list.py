"""`zoo list`: the models that are installed or to be had; reads metadata and the catalogue only."""

from __future__ import annotations

from dataclasses import asdict

import click

from zoo.cli.output import as_json, print_json, print_table


@click.command("list")
@click.argument("pattern", default="*")
@click.option("--trains-on", type=click.Choice(["grey", "bits", "real"]), help="Only models that are trained on this.")
@click.option("--latent", type=click.Choice(["real", "bits", "index", "none"]), help="Only models with such codes.")
@click.option("--likelihood/--no-likelihood", default=None, help="Only models with, or without, a likelihood.")
@as_json
def command(pattern: str, trains_on: str | None, latent: str | None, likelihood: bool | None, as_json: bool) -> None:
    """Show the models that are installed, and those to be had; PATTERN is as a shell has it.

    What is known without importing a model decides; where it is not known a filter lets the model stay, with a '?'.

    Example: zoo list "v*" --latent real
    """
    from zoo.api import default

    listings = default.list_models(pattern, trains_on=trains_on, latent=latent, likelihood=likelihood)
    if as_json:
        print_json([asdict(listing) for listing in listings])
        return
    rows = [
        (
            each.name,
            each.status,
            f"{each.distribution} {each.version}".strip(),
            each.trains_on,
            each.latent,
            each.likelihood,
            each.reason or each.summary,
        )
        for each in listings
    ]
    print_table(("model", "status", "from", "trains on", "latent", "likelihood", "what it is"), rows)
    if any("?" in row for row in rows):
        click.echo(
            "?: no plugin is imported for a list, and the catalogue does not know this one; zoo info NAME tells."
        )
