"""zoo: a plugin-based zoo of generative models.

What a program calls (`zoo.create`, `zoo.train`, `zoo.load`, `zoo.compare`, `zoo.Registry`) and what a plugin author
needs (`zoo.Card`, `zoo.Config`, `zoo.hookimpl`, …) are attributes of this module. Each is imported on first use:
`import zoo` imports neither torch nor any plugin.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zoo.contract.hookspecs import LatentDensity, hookimpl
from zoo.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    PluginError,
    Unsupported,
    ZooError,
)
from zoo.version import __version__

if TYPE_CHECKING:
    from zoo.api import (
        Registry,
        compare,
        compare_each,
        create,
        evaluate,
        export,
        info,
        list_models,
        load,
        load_data,
        merge,
        plot,
        push,
        refresh,
        register,
        resume,
        train,
        tune,
    )
    from zoo.comparison.result import Comparison
    from zoo.comparison.several import Comparisons
    from zoo.comparison.tune import TuningResult
    from zoo.contract.card import Card, DatasetCard, DensityCard, ExtensionCard, FeaturesCard, MetricCard, TrackerCard
    from zoo.contract.config import Config
    from zoo.contract.data_spec import DataSpec
    from zoo.contract.log_prob import LogProb
    from zoo.contract.search import Range
    from zoo.contract.tracked_run import TrackedRun
    from zoo.contract.training import Phase, Player, Training
    from zoo.data.dataset import Data
    from zoo.data.fetch import DataFile, fetch_files
    from zoo.data.readers.idx import read_idx
    from zoo.evaluation.evaluation import Evaluation, Measurement
    from zoo.files.storage import cache_folder, write_atomically
    from zoo.models.declared_likelihood import DeclaredNoise
    from zoo.models.model import Model
    from zoo.report.show import show
    from zoo.runtime.randomness import bernoulli, generator
    from zoo.runtime.seeds import BITS_SEED, SPLIT_SEED
    from zoo.training.meter import Budget, Meter, Step
    from zoo.training.optimisers import without_compiler

_HOME = {
    "BITS_SEED": "zoo.runtime.seeds",
    "Budget": "zoo.training.meter",
    "Card": "zoo.contract.card",
    "Comparison": "zoo.comparison.result",
    "Comparisons": "zoo.comparison.several",
    "Config": "zoo.contract.config",
    "Data": "zoo.data.dataset",
    "DataFile": "zoo.data.fetch",
    "DataSpec": "zoo.contract.data_spec",
    "DatasetCard": "zoo.contract.card",
    "DeclaredNoise": "zoo.models.declared_likelihood",
    "DensityCard": "zoo.contract.card",
    "Evaluation": "zoo.evaluation.evaluation",
    "ExtensionCard": "zoo.contract.card",
    "FeaturesCard": "zoo.contract.card",
    "LogProb": "zoo.contract.log_prob",
    "Measurement": "zoo.evaluation.evaluation",
    "Meter": "zoo.training.meter",
    "MetricCard": "zoo.contract.card",
    "Model": "zoo.models.model",
    "Phase": "zoo.contract.training",
    "Range": "zoo.contract.search",
    "Player": "zoo.contract.training",
    "Registry": "zoo.api",
    "SPLIT_SEED": "zoo.runtime.seeds",
    "Step": "zoo.training.meter",
    "TrackedRun": "zoo.contract.tracked_run",
    "TrackerCard": "zoo.contract.card",
    "Training": "zoo.contract.training",
    "TuningResult": "zoo.comparison.tune",
    "bernoulli": "zoo.runtime.randomness",
    "cache_folder": "zoo.files.storage",
    "compare": "zoo.api",
    "compare_each": "zoo.api",
    "create": "zoo.api",
    "evaluate": "zoo.api",
    "export": "zoo.api",
    "fetch_files": "zoo.data.fetch",
    "generator": "zoo.runtime.randomness",
    "info": "zoo.api",
    "list_models": "zoo.api",
    "load": "zoo.api",
    "load_data": "zoo.api",
    "merge": "zoo.api",
    "plot": "zoo.api",
    "push": "zoo.api",
    "read_idx": "zoo.data.readers.idx",
    "refresh": "zoo.api",
    "register": "zoo.api",
    "resume": "zoo.api",
    "show": "zoo.report.show",
    "train": "zoo.api",
    "tune": "zoo.api",
    "without_compiler": "zoo.training.optimisers",
    "write_atomically": "zoo.files.storage",
}

__all__ = [
    "BITS_SEED",
    "SPLIT_SEED",
    "Budget",
    "Card",
    "CheckpointError",
    "Comparison",
    "Comparisons",
    "Config",
    "ConfigError",
    "Data",
    "DataError",
    "DataFile",
    "DataSpec",
    "DatasetCard",
    "DeclaredNoise",
    "DensityCard",
    "DivergedError",
    "Evaluation",
    "ExtensionCard",
    "FeaturesCard",
    "LatentDensity",
    "LogProb",
    "Measurement",
    "Meter",
    "MetricCard",
    "Model",
    "Phase",
    "Player",
    "PluginError",
    "Range",
    "Registry",
    "Step",
    "TrackedRun",
    "TrackerCard",
    "Training",
    "TuningResult",
    "Unsupported",
    "ZooError",
    "__version__",
    "bernoulli",
    "cache_folder",
    "compare",
    "compare_each",
    "create",
    "evaluate",
    "export",
    "fetch_files",
    "generator",
    "hookimpl",
    "info",
    "list_models",
    "load",
    "load_data",
    "merge",
    "plot",
    "push",
    "read_idx",
    "refresh",
    "register",
    "resume",
    "show",
    "train",
    "tune",
    "without_compiler",
    "write_atomically",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
