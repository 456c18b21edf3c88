"""`TrainingJob`: everything that one training needs, checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from zoo.data.dataset import Data
from zoo.errors import ConfigError
from zoo.models.model import Model
from zoo.runtime.devices import CPU
from zoo.runtime.ranks import ALONE, Ranks
from zoo.runtime.seeds import checked_seed
from zoo.scalars import plain
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy
from zoo.training.initial_weights import InitialWeights
from zoo.training.resolved import Resolved


@dataclass(frozen=True)
class TrainingJob:
    """One training: `zoo train`, `zoo.train`, `zoo.resume` and a cell of a comparison all go through it.

    Attributes:
        resolved: the contestant, its plugins loaded and its settings complete.
        data: what it is trained on.
        seed: of everything random.
        budget: how long it is trained.
        folder: run folder for `metrics.jsonl`, `run.json` and checkpoints; None writes nothing.
        checkpoints: how often the training is saved, and where it starts; None saves none and starts at step 0.
        device: where it is trained, and stays.
        about: further plain values for `run.json`: the contestant, and where the data came from.
        resuming: whether the folder may hold a run already, which this job continues.
        weights: the weights of another run with which the first step starts; None starts with those of the plugin.
        snapshots: epochs after which the model is also saved, as `epoch-E/model.safetensors` in the folder; without a
            folder, or by a plugin with its own `fit`, none are.
        threads: of torch and its libraries while it is trained; the last digits of a sum depend on them.
        ranks: the processes that train it together; those after the first have no folder.
        finished: the model of a finished run that would only be trained again, because its plugin has its own `fit`.
    """

    resolved: Resolved
    data: Data
    seed: int
    budget: TrainingBudget
    folder: Path | None = None
    checkpoints: CheckpointPolicy | None = None
    device: torch.device = CPU
    about: Mapping[str, Any] = field(default_factory=dict)
    resuming: bool = False
    weights: InitialWeights | None = None
    snapshots: tuple[int, ...] = ()
    threads: int = 1
    ranks: Ranks = ALONE
    finished: Model | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", checked_seed(self.seed))
        object.__setattr__(self, "threads", plain(self.threads))
        if type(self.threads) is not int or self.threads < 1:
            raise ConfigError(f"threads must be a whole number >= 1, got {self.threads!r}.")
