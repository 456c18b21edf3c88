"""NumPy's scalars as plain Python values, wherever users and plugins hand over numbers. Imports no NumPy."""

from __future__ import annotations

import sys
from typing import Any


def plain(value: Any) -> Any:
    """Return a NumPy scalar as the Python value that it stands for, also inside lists, tuples and dictionaries.

    Everything else is returned as it is.
    """
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    if type(value) is dict:
        return {plain(key): plain(each) for key, each in value.items()}
    numpy = sys.modules.get("numpy")  # without it there are no scalars of its own
    return value.item() if numpy is not None and isinstance(value, numpy.generic) else value
