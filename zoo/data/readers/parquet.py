"""Parquet tables, through pyarrow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.data.contents import Contents
from zoo.data.extras import library
from zoo.data.frame import Frame, table_contents
from zoo.data.options import FileOptions
from zoo.errors import DataError, clause


def read(path: Path, options: FileOptions) -> Contents:
    """Read the chosen columns of a Parquet file; nulls are missing values, and the index of pandas is left out."""
    parquet = library("pyarrow.parquet", path, "a Parquet table")
    try:
        table = parquet.read_table(path)
    except Exception as error:  # pyarrow raises many kinds
        raise DataError(f"{path} is not a valid Parquet file: {clause(error)}.") from None
    names = tuple(name for name in table.column_names if not name.startswith("__index_level_"))
    if not names or not table.num_rows:
        raise DataError(f"{path} must contain values, got {table.num_rows} rows of {len(names)} columns.")
    values, words = np.full((table.num_rows, len(names)), np.nan), dict[int, dict[int, str]]()
    for place, name in enumerate(names):
        column = table.column(name)
        cells = column.to_pylist()
        if all(isinstance(cell, int | float) or cell is None for cell in cells):
            values[:, place] = [np.nan if cell is None else float(cell) for cell in cells]
        else:
            words[place] = {row: "" if cell is None else str(cell) for row, cell in enumerate(cells)}
    return table_contents(Frame(path, names, values, words), options)
