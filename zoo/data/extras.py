"""Libraries that only some formats need: `pip install "genzoo[files]"`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from zoo.errors import DataError


def library(name: str, path: Path, kind: str) -> Any:
    """Import a library of the extra `files`.

    Raises:
        DataError: if it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise DataError(
            f'{path} is {kind}, which needs {package}; install it with: pip install "genzoo[files]".'
        ) from None
