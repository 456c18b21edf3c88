"""`.npz`: arrays of NumPy by name, with the splits and labels that the names tell.

Known are the names of Keras (`x_train`, `y_train`), of MedMNIST (`train_images`, `train_labels`) and their like.
"""

from __future__ import annotations

from pathlib import Path

from zoo.data.contents import Contents
from zoo.data.named_arrays import contents_of_arrays
from zoo.data.options import FileOptions
from zoo.files.npy import list_arrays, read_arrays


def read(path: Path, options: FileOptions) -> Contents:
    """Read the examples and labels among the arrays of an `.npz`."""
    shapes = {name: shape for name, (shape, _) in list_arrays(path).items()}
    return contents_of_arrays(path, shapes, lambda names: read_arrays(path, names), options)
