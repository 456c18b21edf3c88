"""`.npy`: one array of NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zoo.data.contents import Contents
from zoo.data.frame import array_contents
from zoo.data.label_files import labels_of_array
from zoo.data.options import FileOptions
from zoo.files.npy import read_npy, read_npy_blocks


def read(path: Path, options: FileOptions) -> Contents:
    """Read an `.npy` file, and its labels from another file or one of its columns."""
    x = read_npy(path)
    return array_contents(path, x, options, labels_of_array(options, x))


def blocks(path: Path, options: FileOptions, values: int) -> Iterator[Contents]:
    """Read an `.npy` file in blocks; its labels from another file are read as a whole."""
    labels, first = labels_of_array(options, read_npy(path)), 0
    for x in read_npy_blocks(path, values):
        its = None if labels is None else labels[first : first + len(x)]
        yield array_contents(path, x, options, its, first)
        first += len(x)
