"""`zoo score RUN`: the log-likelihood and the reconstruction error of each row under a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.files import check_table, table_output
from zoo.cli.names import RUN, device_option, options_option, parse_options
from zoo.cli.output import as_json, print_json
from zoo.cli.rows import data_option, rows_for, say_notes, split_option

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator

    from zoo.data.files import Rows
    from zoo.models.model import Model

_COLUMN = {
    "exact": "log_likelihood",
    "lower": "log_likelihood_lower_bound",
    "upper": "log_likelihood_upper_bound",
    "estimate": "log_likelihood_estimate",
}


@click.command("score")
@click.argument("run", type=RUN)
@data_option
@split_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write: .csv or .npz.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed of the method.")
@options_option
@device_option
@as_json
def command(
    run: Path,
    data: str | None,
    split: str | None,
    output: Path,
    seed: int,
    settings: tuple[str, ...],
    device: str,
    as_json: bool,
) -> None:
    """Score each row of the data with the model of RUN, a run folder or a .safetensors file.

    The output has the number of the row in the file, from 1, its log-likelihood in nats, and its squared reconstruction
    error; a model that lacks one of the two has the other column only. Real values are scored in standardised units,
    and grayscale values as bits that are drawn once. Text tables, Parquet and .npy files may be larger than the memory
    if the output is a .csv; they are scored in blocks, with a new estimate in each where a likelihood is estimated.

    Example: zoo score runs/vae-digits-1 --data digits -o scores.csv
    """
    check_table(output)
    options = parse_options(settings)
    from zoo.api import default

    model = default.load(run, device=device)
    from zoo.models.bits import PURPOSE
    from zoo.runtime.randomness import generator
    from zoo.runtime.seeds import BITS_SEED

    count, about, draws = 0, dict[str, str](), generator(BITS_SEED, PURPOSE)
    with table_output(output) as add:
        for rows in rows_for(model, run, data, split):
            say_notes(rows)
            columns, about = scores(model, rows, seed, options, draws)
            add(columns)
            count += len(rows.x)
    if as_json:
        print_json({"output": str(output), "model": model.name, "rows": count, "columns": about})
        return
    click.echo(f"Wrote the scores of {count:,} rows to {output}.")
    for name, text in about.items():
        click.echo(f"{name}: {text}")


def scores(
    model: Model, rows: Rows, seed: int, options: dict[str, Any], draws: Generator
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the columns of the output, and what each score is; bits of grayscale values are taken from `draws`.

    Raises:
        Unsupported: if the model has neither a likelihood nor a reconstruction.
    """
    from zoo.data.dataset import standardised
    from zoo.errors import Unsupported
    from zoo.models.bits import bits_to_score

    x, y = rows.x, rows.labels
    columns: dict[str, NDArray[Any]] = {"row": rows.numbers}
    if y is not None:
        columns["label"] = y.numpy()
    about: dict[str, str] = {}
    reasons = []
    grey = model.spec.support == "unit"
    try:
        for answer in model.log_prob(bits_to_score(model, x, draws), y, seed=seed, **options):
            columns[_COLUMN[answer.kind]] = answer.nats.cpu().double().numpy()
            given = "log p(x|y)" if y is not None else "log p(x)"
            units = ", of one draw of bits" if grey else ", of standardised values" if model.standardisation else ""
            method = f"; {answer.method}" if answer.method else ""
            about[_COLUMN[answer.kind]] = f"{given} in nats{units}{method}"
    except Unsupported as error:
        reasons.append(str(error))
    try:
        again = model.reconstruct(x, y, **options)
        if model.standardisation is not None:
            again, x = standardised(again, *model.standardisation), standardised(x, *model.standardisation)
        columns["reconstruction_error"] = (again.double() - x.double()).square().flatten(1).sum(1).numpy()
        about["reconstruction_error"] = "squared error of decode(encode(x)), summed over the values" + (
            ", in standardised units" if model.standardisation else ""
        )
    except Unsupported as error:
        reasons.append(str(error))
    if not about:
        raise Unsupported(f"{model.name} cannot score: {' '.join(reasons)}")
    return columns, about
