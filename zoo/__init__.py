"""zoo: a plugin-based zoo of generative models.

What a program needs (`zoo.create`, `zoo.train`, `zoo.load`, `zoo.compare`, `zoo.Registry`) and what a plugin's
author needs (`zoo.Card`, `zoo.Config`, `zoo.hookimpl`, …) are attributes of this module. They are imported when
they are first used: `import zoo` imports neither torch nor any plugin.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zoo.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    PluginError,
    Unsupported,
    ZooError,
)
from zoo.hookspecs import LatentDensity, hookimpl

if TYPE_CHECKING:
    from zoo.api import compare, create, evaluate, info, list_models, load, refresh, register, resume, train
    from zoo.card import Card, DatasetCard, DensityCard, ExtensionCard, MetricCard, Training
    from zoo.comparison import Comparison
    from zoo.config import Config
    from zoo.data import Data, DataSpec, load_data
    from zoo.likelihood import LogProb
    from zoo.metrics import Evaluation, Measurement
    from zoo.model import Model
    from zoo.randomness import bernoulli
    from zoo.registry import Registry
    from zoo.training import Budget, Step

__version__ = "0.1.0"

_HOMES = {
    "zoo.api": (
        "compare",
        "create",
        "evaluate",
        "info",
        "list_models",
        "load",
        "refresh",
        "register",
        "resume",
        "train",
    ),
    "zoo.card": ("Card", "DatasetCard", "DensityCard", "ExtensionCard", "MetricCard", "Training"),
    "zoo.comparison": ("Comparison",),
    "zoo.config": ("Config",),
    "zoo.data": ("Data", "DataSpec", "load_data"),
    "zoo.likelihood": ("LogProb",),
    "zoo.metrics": ("Evaluation", "Measurement"),
    "zoo.model": ("Model",),
    "zoo.randomness": ("bernoulli",),
    "zoo.registry": ("Registry",),
    "zoo.training": ("Budget", "Step"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Budget",
    "Card",
    "CheckpointError",
    "Comparison",
    "Config",
    "ConfigError",
    "Data",
    "DataError",
    "DataSpec",
    "DatasetCard",
    "DensityCard",
    "DivergedError",
    "Evaluation",
    "ExtensionCard",
    "LatentDensity",
    "LogProb",
    "Measurement",
    "MetricCard",
    "Model",
    "PluginError",
    "Registry",
    "Step",
    "Training",
    "Unsupported",
    "ZooError",
    "__version__",
    "bernoulli",
    "compare",
    "create",
    "evaluate",
    "hookimpl",
    "info",
    "list_models",
    "load",
    "load_data",
    "refresh",
    "register",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
