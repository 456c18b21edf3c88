"""`.npy`: one array of NumPy."""

from __future__ import annotations

from pathlib import Path

from zoo.data.contents import Contents
from zoo.data.frame import array_contents
from zoo.data.label_files import labels_of_array
from zoo.data.options import FileOptions
from zoo.files.npy import read_npy


def read(path: Path, options: FileOptions) -> Contents:
    """Read an `.npy` file, and its labels from another file or one of its columns."""
    x = read_npy(path)
    return array_contents(path, x, options, labels_of_array(options, x))
