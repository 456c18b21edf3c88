"""Rows that a trained model is given: all rows of a file in its order, or one split of a data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.names import DATA

if TYPE_CHECKING:
    from zoo.data.files import Rows
    from zoo.models.model import Model

data_option = click.option(
    "--data", type=DATA, help="Data set: NAME or NAME:ARGUMENT, or a path.  [default: the run's training data]"
)
split_option = click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    help="Use one split only, in the order of zoo.load_data.  [default: all rows of a file; test of a named data set]",
)


def rows_for(model: Model, run: Path, data: str | None, split: str | None) -> Iterator[Rows]:
    """Yield blocks of the rows that a command is about, in the data's units, after checking that they fit the model.

    Raises:
        ConfigError, DataError: for data that are missing, of other columns or shape, or without the labels that a
            conditional model needs.
    """
    import numpy as np

    from zoo.api import default
    from zoo.comparison.run_data import data_of_run
    from zoo.data.files import Rows, stream_rows
    from zoo.data.load import load_data
    from zoo.data.paths import looks_like_a_path
    from zoo.errors import DataError

    source = data_of_run(run, model, default, data)
    facts = model.protocol.get("data", {})
    if looks_like_a_path(source) and split is None:
        yield from stream_rows(
            data or source,
            model.spec,
            model.columns,
            reading=facts.get("reading"),
            class_names=tuple(facts.get("class_names", ())),
            labelled=model.is_conditional,
            fill=None if model.standardisation is None else model.standardisation[0],
            table=model.table,
        )
        return
    loaded = load_data(source, default)
    other_columns = model.columns and loaded.columns not in ((), model.columns)
    if loaded.spec.shape != model.spec.shape or loaded.table != model.table or other_columns:
        own = f"{model.spec.shape}{_named(model.columns)}"
        raise DataError(
            f"{model.name} was trained on examples of shape {own}, but {source} has "
            f"{loaded.spec.shape}{_named(loaded.columns)}; choose other data with --data."
        )
    split = split or "test"
    x, labels = getattr(loaded, split), getattr(loaded, f"{split}_labels")
    if model.is_conditional and labels is None:
        raise DataError(f"{model.name} is conditional, and {source} has no labels; choose other data with --data.")
    yield Rows(x, labels if model.is_conditional else None, np.arange(1, len(x) + 1))


def say_notes(rows: Rows) -> None:
    """Print what was left out to standard error."""
    for note in rows.notes:
        click.echo(f"Note: {note}.", err=True)


def _named(columns: tuple[str, ...]) -> str:
    from zoo.data.frame import shortened

    return f" with the columns {shortened(columns)}" if columns else ""
