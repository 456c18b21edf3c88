"""`load_data`: turn a name, a path, an array, a tensor or a `zoo.Data` into a `zoo.Data`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from zoo.data.dataset import Data
from zoo.data.files import load_file
from zoo.data.paths import looks_like_a_path
from zoo.data.source import check_name
from zoo.errors import DataError
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.randomness import scoped_randomness
from zoo.runtime.seeds import SPLIT_SEED, derive_seed


def load_data(data: Any, registry: PluginRegistry) -> Data:
    """Return `data` as a `zoo.Data`; see `zoo.load_data`."""
    if isinstance(data, Data):
        return data
    if isinstance(data, Path):
        return load_file(str(data))
    if not isinstance(data, str):
        return Data.from_arrays(data)
    if looks_like_a_path(data):
        return load_file(data)
    check_name(data, registry)
    name, _, argument = data.partition(":")
    plugin = registry.plugin(name, group="zoo.datasets")
    folder = os.environ.get("ZOO_DATA")
    with scoped_randomness(derive_seed(SPLIT_SEED, "load")):  # whatever the data set draws or seeds ends here
        loaded = plugin.hooks.load(argument=argument, folder=Path(folder) if folder else None)
    if not isinstance(loaded, Data):
        raise DataError(
            f"The data set {plugin.source} must return a zoo.Data from 'load', got {type(loaded).__name__}."
        )
    return loaded
