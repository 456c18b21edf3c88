"""`load_data`: a name, an array, a tensor or a `zoo.Data`, as a `zoo.Data`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.data.dataset import Data
from zoo.errors import DataError

if TYPE_CHECKING:
    from zoo.registry import Registry


def load_data(data: Any, *, registry: Registry | None = None) -> Data:
    """Return `data` as a `zoo.Data`.

    Args:
        data: `"digits"`, `"bars-and-stripes:3"` or another registered name; an array or tensor of shape (N, *shape);
            or a `zoo.Data`, which is returned as it is.
        registry: where names are looked up; None takes the default one.

    Raises:
        ConfigError: for an unknown name.
        DataError: for data that cannot be used.
    """
    if isinstance(data, Data):
        return data
    if not isinstance(data, str):
        return Data.from_arrays(data)
    if registry is None:
        from zoo.api import default

        registry = default
    name, _, argument = data.partition(":")
    plugin = registry.plugin(name, group="zoo.datasets")
    loaded = plugin.hooks.load(argument=argument, folder=None)
    if not isinstance(loaded, Data):
        raise DataError(
            f"The data set {plugin.source} must return a zoo.Data from 'load', got {type(loaded).__name__}."
        )
    return loaded
