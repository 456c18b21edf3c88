"""ARFF tables of Weka, through SciPy: numeric and nominal attributes; `?` is a missing value."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from zoo.data.contents import Contents
from zoo.data.extras import library
from zoo.data.frame import Frame, table_contents
from zoo.data.options import FileOptions, number
from zoo.errors import DataError, clause


def read(path: Path, options: FileOptions) -> Contents:
    """Read the chosen columns of an ARFF file; nominal values that are numbers are numbers."""
    arff = library("scipy.io.arff", path, "an ARFF table")
    try:
        data, meta = arff.loadarff(io.StringIO(path.read_bytes().decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8 text: {error.reason} at byte {error.start}.") from None
    except NotImplementedError as error:
        raise DataError(f"{path} has attributes that are not read ({clause(error)}); write it as CSV.") from None
    except Exception as error:  # SciPy raises many kinds
        raise DataError(f"{path} is not a valid ARFF file: {clause(error)}.") from None
    names = tuple(meta.names())
    if not len(data):
        raise DataError(f"{path} has a header but no values.")
    values, words = np.full((len(data), len(names)), np.nan), dict[int, dict[int, str]]()
    for place, name in enumerate(names):
        column = data[name]
        if column.dtype.kind == "S":
            texts = [cell.decode("utf-8", "replace") for cell in column]
            for row, text in enumerate(texts):
                if (value := number(text)) is None:
                    words.setdefault(place, {})[row] = text
                else:
                    values[row, place] = value
        else:
            values[:, place] = column
    return table_contents(Frame(path, names, values, words), options)
