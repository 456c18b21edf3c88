"""Optional libraries, each named by an extra of the distribution: `pip install "genzoo[onnx]"`."""

from __future__ import annotations

import importlib
from typing import Any

from zoo.errors import ConfigError


def optional(module: str, extra: str, purpose: str) -> Any:
    """Import and return a module of an optional library.

    Args:
        module: name of the module.
        extra: the extra of genzoo that installs it.
        purpose: what needs it, the subject of the message.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ConfigError(
            f"{purpose} needs {module.partition('.')[0]}, which is not installed; install it: "
            f'pip install "genzoo[{extra}]".'
        ) from None
