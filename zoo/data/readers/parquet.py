"""Parquet tables, through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.contents import Contents, Numbers
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
    return table_contents(_frame(path, table, 0), options)


def blocks(path: Path, options: FileOptions, values: int) -> Iterator[Contents]:
    """Read the chosen columns of a Parquet file in blocks, one row group in memory at a time."""
    parquet = library("pyarrow.parquet", path, "a Parquet table")
    first = 0
    try:
        file = parquet.ParquetFile(path, pre_buffer=False)
        batches = file.iter_batches(max(1, values // max(1, len(file.schema_arrow))))
    except Exception as error:  # pyarrow raises many kinds
        raise DataError(f"{path} is not a valid Parquet file: {clause(error)}.") from None
    while (batch := _next(batches, path)) is not None:
        yield table_contents(_frame(path, batch, first), options)
        first += batch.num_rows
    if not first:
        raise DataError(f"{path} must contain values, got 0 rows of {len(file.schema_arrow)} columns.")


def _next(batches: Iterator[Any], path: Path) -> Any:
    try:
        return next(batches, None)
    except Exception as error:  # pyarrow raises many kinds
        raise DataError(f"{path} is not a valid Parquet file: {clause(error)}.") from None


def _frame(path: Path, table: Any, first: int) -> Frame:
    """Return a table or batch of Arrow."""
    given = table.schema.names
    names = tuple(name for name in given if not name.startswith("__index_level_"))
    if not names or not table.num_rows:
        raise DataError(f"{path} must contain values, got {table.num_rows} rows of {len(names)} columns.")
    values, words = np.full((table.num_rows, len(names)), np.nan), dict[int, dict[int, str]]()
    for place, name in enumerate(names):
        column = table.column(given.index(name))
        if (numbers := _numbers(column)) is not None:
            values[:, place] = numbers
            continue
        cells = column.to_pylist()
        if all(isinstance(cell, int | float) or cell is None for cell in cells):
            values[:, place] = [np.nan if cell is None else float(cell) for cell in cells]
        else:
            words[place] = {row: "" if cell is None else str(cell) for row, cell in enumerate(cells)}
    return Frame(path, names, values, words, first=first)


def _numbers(column: Any) -> Numbers | None:
    """Return a column of integers or floats, nan for a null; None for a column of another type."""
    import pyarrow

    if not (pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)):
        return None
    numbers: Numbers = column.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers
