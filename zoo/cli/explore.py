"""`zoo explore RUN [RUN …]`: a local page on which codes are chosen and decoded."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from zoo.cli.names import DATA, RUN


@click.command("explore")
@click.argument("runs", nargs=-1, required=True, type=RUN, metavar="RUN...")
@click.option("--data", type=DATA, help="Data set.  [default: the one that the first run was trained on]")
@click.option(
    "--label", type=click.IntRange(min=0), default=0, show_default=True, help="Class, for conditional models."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8050, show_default=True, help="Port; 0: a free one.")
def command(runs: tuple[Path | str, ...], data: str | None, label: int, port: int) -> None:
    """Explore the codes of each RUN, a run folder or a model file, on a page for this machine only.

    The page shows a map of the codes of test images, and what each model makes of the same code h: click on the map,
    drag sliders, draw codes, or walk between two images. For codes of bits it runs a Gibbs chain step by step; for a
    model that samples step by step, it shows the path from noise. Several runs need codes of one shape.
    Needs genzoo[explore].

    Example: zoo explore runs/ae@gmm-digits-1 runs/vae-digits-1
    """
    from zoo.runtime.extras import optional

    optional("dash", "explore", "zoo explore")
    import dataclasses

    from zoo.api import default
    from zoo.comparison.run_data import data_of_run
    from zoo.comparison.runs import check_path
    from zoo.data.load import load_data
    from zoo.exploration.explorer import Explorer
    from zoo.exploration.page import page
    from zoo.exploration.server import make_server

    models = {}
    for run in runs:
        check_path(run, default)
        model = default.load(run)
        name = f"{model.name} ({run})" if model.name in models else model.name
        models[name] = dataclasses.replace(model, label=label) if model.is_conditional else model
    source = data_of_run(Path(runs[0]), next(iter(models.values())), default, data)
    server = make_server(page(Explorer(models, load_data(source, default))), port)
    click.echo(f"Explore at http://127.0.0.1:{server.port} (this machine only); Ctrl+C ends it.")
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
