"""`zoo list`: installed and available models, from metadata and the catalogue only."""

from __future__ import annotations

from dataclasses import asdict

import click

from zoo.cli.output import as_json, print_json, print_table
from zoo.plugins.registry import FILTERS


@click.command("list")
@click.argument("pattern", default="*")
@click.option("--trains-on", type=click.Choice(FILTERS["trains_on"]), help="Only models trained on this kind of data.")
@click.option("--latent", type=click.Choice(FILTERS["latent"]), help="Only models with this kind of code.")
@click.option("--likelihood/--no-likelihood", default=None, help="Only models with, or without, a likelihood.")
@as_json
def command(pattern: str, trains_on: str | None, latent: str | None, likelihood: bool | None, as_json: bool) -> None:
    """List installed and available models. PATTERN is a shell glob.

    Models are not imported. A trait that is unknown without importing the model is shown as '?'; filters keep it.

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
    print_table(("model", "status", "from", "trains on", "latent", "likelihood", "summary"), rows)
    if any("?" in row for row in rows):
        click.echo("? = unknown without importing the plugin; run 'zoo info NAME'.")
    if any("declared" in row for row in rows):
        click.echo("declared = has a likelihood once a density is attached and the decoder's noise is declared.")
