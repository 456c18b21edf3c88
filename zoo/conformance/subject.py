"""Who is examined, on what: a plugin, and the data sets made in place that it is for, with models trained once.

There are bits of 2×4 and grey images of 3×3, few enough pixels to enumerate every pattern, and a table of 2 real-valued
columns, few enough to integrate over. None has independent pixels, and none a mean that an untrained model has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.conformance.settings import kept
from zoo.contract.config import Config
from zoo.contract.data_spec import DataSpec
from zoo.data.dataset import Data
from zoo.errors import Unsupported
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.devices import CPU
from zoo.runtime.randomness import bernoulli, derive_seed, generator, scoped_randomness
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy
from zoo.training.job import TrainingJob
from zoo.training.module import train_module
from zoo.training.resolved import Resolved

N = 240  # examples of each data set, half of them for training
STEPS = 300  # of the models that are examined for what they learned
SAMPLES = 2000  # drawn of each model, once: chains may take long
FEW = 20  # of the models that are examined for anything else


@dataclass(frozen=True, eq=False)
class Case:
    """A plugin on one data set, with the default settings of its card.

    Attributes:
        plugin, data, config: who, on what, with which settings.
        registry: where the plugin is found again when a model is loaded.
    """

    plugin: Plugin
    data: Data
    config: Config
    registry: PluginRegistry

    @property
    def name(self) -> str:
        """The data set's: "bits of 2×4"."""
        return self.data.name

    @cached_property
    def untrained(self) -> Model:
        """The model before its first step."""
        return self._model(self.build())

    @cached_property
    def trained(self) -> Model:
        """The model after `STEPS` steps."""
        return self.train(0, STEPS)

    @cached_property
    def samples(self) -> Tensor:
        """`SAMPLES` samples of the trained model, in the data's units."""
        return self.trained.sample(SAMPLES, seed=0)

    @cached_property
    def first_samples(self) -> Tensor:
        """A quarter as many of the untrained model."""
        return self.untrained.sample(SAMPLES // 4, seed=0)

    @cached_property
    def shown(self) -> Tensor:
        """The training split as training shows it: bits, grey or standardised values; (N, *shape)."""
        return self.bits if self._sees_bits else self.data.standardise(self.data.train)

    @cached_property
    def bits(self) -> Tensor:
        """The training split as likelihoods see it: one draw of the bits of [0, 1] data; (N, *shape), in its units."""
        unit = self.data.spec.support == "unit"
        return bernoulli(self.data.train, generator(0, "bits of a case")) if unit else self.data.train

    def build(self, seed: int = 0) -> nn.Module:
        """A module that is built and initialised, as a training begins."""
        with scoped_randomness(derive_seed(seed, "build")):
            module: nn.Module = self.plugin.hooks.build(config=self.config, data=self.data.spec)
            if self.plugin.implements("initialise"):
                train = self.data.standardise(self.data.train)
                self.plugin.hooks.initialise(model=module, train=train.to(torch.get_default_dtype()))
        return module

    def train(
        self,
        seed: int,
        steps: int,
        folder: Path | None = None,
        saving: CheckpointPolicy | None = None,
        device: torch.device = CPU,
    ) -> Model:
        """Return a model trained by the core; in a folder it saves checkpoints, or resumes from one."""
        card = self.plugin.card
        resolved = Resolved(self.plugin, None, self.config, card.training, card.options())
        budget = TrainingBudget(steps, "steps")
        return train_module(TrainingJob(resolved, self.data, seed, budget, folder, saving, device))

    @property
    def _sees_bits(self) -> bool:
        sees: bool = self.plugin.card.trains_on_bits(self.config, self.data.spec.support)
        return sees

    def _model(self, module: nn.Module) -> Model:
        return Model(self.plugin, module.eval(), self.config, self.data.spec, standardisation=self.data.standardisation)


class Subject:
    """A plugin under examination.

    Args:
        plugin: a name, a loaded plugin, or a plugin object or its class that is registered in `registry`.
        registry: where names are looked up.
    """

    def __init__(self, plugin: str | Plugin | object, registry: PluginRegistry) -> None:
        self.registry = registry
        self._given = plugin

    @cached_property
    def plugin(self) -> Plugin:
        """The loaded and verified plugin; raises `PluginError` or `ConfigError` if there is none."""
        if isinstance(self._given, Plugin):
            return self._given
        if isinstance(self._given, str):
            return self.registry.plugin(self._given)
        return self.registry.register(self._given)

    @property
    def expected_failures(self) -> Mapping[str, str]:
        """The checks that the plugin's card says it fails, with its reasons."""
        declared: Mapping[str, str] = self.plugin.card.expected_failures
        return declared

    @cached_property
    def _cases(self) -> tuple[list[Case], list[str]]:
        """The data sets that the plugin is for, and why it is not for the others."""
        accepted, refused = [], []
        for data in (bits(), grey_images(), table()):
            case = Case(self.plugin, data, self.plugin.card.config(), self.registry)
            try:
                with kept():
                    case.untrained  # noqa: B018  (it builds)
            except Unsupported as error:
                refused.append(f"{data.name}: {error}")
            else:
                accepted.append(case)
        return accepted, refused

    @property
    def cases(self) -> list[Case]:
        """The plugin on each data set that its `build` accepts."""
        return self._cases[0]

    @property
    def refused(self) -> list[str]:
        """The data sets that its `build` refuses, each with the reason."""
        return self._cases[1]


def bits() -> Data:
    """One of three patterns of 2×4 bits with probabilities 0.5, 0.3 and 0.2, each bit flipped with probability 0.05."""
    draws = generator(0, "bits of 2×4")
    patterns = torch.tensor([[1, 1, 1, 0, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0, 1, 1], [1, 0, 0, 0, 1, 1, 0, 0]])
    chosen = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), N, replacement=True, generator=draws)
    flips = bernoulli(torch.full((N, 8), 0.05), draws)
    x = (patterns[chosen] - flips).abs().reshape(N, 2, 4)
    return Data.from_arrays(x, name="bits of 2×4", support="bits")


def grey_images() -> Data:
    """A bright spot of 3×3 pixels whose centre lies near the upper left; values in (0, 1)."""
    draws = generator(0, "grey images of 3×3")
    centre = 0.8 * torch.randn(N, 2, 1, 1, generator=draws).abs()
    row, column = torch.meshgrid(torch.arange(3.0), torch.arange(3.0), indexing="ij")
    distance = (row - centre[:, 0]).square() + (column - centre[:, 1]).square()
    return Data.from_arrays(0.02 + 0.96 * (-distance).exp(), name="grey images of 3×3", support="unit")


def table() -> Data:
    """Two correlated columns, (10 + 3u, −5 + 2u + v) with u and v standard normal."""
    u, v = torch.randn(2, N, generator=generator(0, "table of 2 columns"))
    x = torch.stack([10 + 3 * u, -5 + 2 * u + v], dim=1)
    return Data.from_arrays(x, name="a table of 2 columns", support="real")


def untrained(plugin: Plugin, spec: DataSpec) -> Model:
    """A model of the plugin's default settings, built for examples of which there are none."""
    config = plugin.card.config()
    with scoped_randomness(derive_seed(0, "build")):
        module: nn.Module = plugin.hooks.build(config=config, data=spec)
    return Model(plugin, module.eval(), config, spec)
