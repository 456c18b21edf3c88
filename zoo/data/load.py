"""`load_data`: a name, a path, an array, a tensor or a `zoo.Data`, as a `zoo.Data`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data.dataset import Data
from zoo.data.files import load_file
from zoo.data_paths import looks_like_a_path
from zoo.errors import DataError

if TYPE_CHECKING:
    from zoo.registry import Registry


def load_data(data: Any, *, registry: Registry | None = None) -> Data:
    """Return `data` as a `zoo.Data`.

    Args:
        data: a registered name (`"digits"`, `"bars-and-stripes:3"`); a path, `"PATH"` or `"PATH:KEY=VALUE,…"`, to an
            `.npy`, `.npz`, `.csv` or IDX file or a folder of images, with the keys of `zoo.data.files`; an array or
            tensor of shape (N, *shape); or a `zoo.Data`, which is returned as it is.
        registry: where names are looked up; None takes the default one.

    Raises:
        ConfigError: for an unknown name.
        DataError: for data that cannot be used.
    """
    if isinstance(data, Data):
        return data
    if isinstance(data, Path):
        return load_file(str(data))
    if not isinstance(data, str):
        return Data.from_arrays(data)
    if looks_like_a_path(data):
        return load_file(data)
    if registry is None:
        from zoo.api import default

        registry = default
    name, _, argument = data.partition(":")
    plugin = registry.plugin(name, group="zoo.datasets")
    folder = os.environ.get("ZOO_DATA")
    loaded = plugin.hooks.load(argument=argument, folder=Path(folder) if folder else None)
    if not isinstance(loaded, Data):
        raise DataError(
            f"The data set {plugin.source} must return a zoo.Data from 'load', got {type(loaded).__name__}."
        )
    return loaded
