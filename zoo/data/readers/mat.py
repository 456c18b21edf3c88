"""MATLAB files up to version 7, through SciPy; version 7.3 is HDF5."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from zoo.data.contents import Array, Contents
from zoo.data.extras import library
from zoo.data.named_arrays import contents_of_arrays
from zoo.data.options import FileOptions
from zoo.errors import DataError, clause


def read(path: Path, options: FileOptions) -> Contents:
    """Read the examples and labels among the variables of a `.mat` file; the first axis counts the examples."""
    io = library("scipy.io", path, "a MATLAB file")
    try:
        listed = {
            name: tuple(shape) for name, shape, kind in io.whosmat(path) if kind not in ("cell", "struct", "object")
        }
    except Exception as error:  # SciPy raises many kinds
        raise DataError(f"{path} is not a valid MATLAB file: {clause(error)}.") from None

    def arrays(names: Collection[str]) -> Mapping[str, Array]:
        try:
            found: Mapping[str, Any] = io.loadmat(path, variable_names=list(names))
        except Exception as error:
            raise DataError(f"{path} is not a valid MATLAB file: {clause(error)}.") from None
        dense = {name: found[name].toarray() if hasattr(found[name], "toarray") else found[name] for name in names}
        return {name: x.T if x.shape[:1] == (1,) else x for name, x in dense.items()}

    return contents_of_arrays(path, listed, arrays, options, by_columns=True)
