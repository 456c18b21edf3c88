"""Test subjects: a plugin, small synthetic data sets that it supports, and models trained on them once.

The data sets are bits of 2×4 and grayscale images of 3×3, whose patterns can be enumerated, and a table of 2
real-valued columns, over which a density can be integrated. Values are not independent, and the means differ from
those of an untrained model. All have classes, for conditional models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.conformance.settings import kept
from zoo.contestant import parse_contestant
from zoo.contract.config import Config
from zoo.contract.data_spec import DataSpec
from zoo.contract.training import Phase, Player
from zoo.data.dataset import Data
from zoo.errors import ConfigError, Unsupported
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.devices import CPU
from zoo.runtime.randomness import bernoulli, generator, scoped_randomness
from zoo.runtime.seeds import derive_seed
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy
from zoo.training.job import TrainingJob
from zoo.training.meter import Step
from zoo.training.module import spec_for, train_module
from zoo.training.resolved import Resolved, resolve, resolve_phases

N = 240  # examples of each data set, half of them for training
STEPS = 300  # training steps, for claims about what a model learned
SAMPLES = 2000  # drawn from each model once, because chains may be slow
FEW = 20  # training steps, for all other claims


@dataclass(frozen=True, eq=False)
class Case:
    """A plugin on one data set, under one choice of settings.

    Attributes:
        plugin: the model plugin.
        data: the data set.
        config: the settings of the model.
        phases: the phases of the training, with all settings of their players.
        registry: used to find the plugin when a model is loaded.
        options: sampling options that differ from the card's defaults.
        budgets: training steps of the models that were used, 0 for an untrained one; for messages.
    """

    plugin: Plugin
    data: Data
    config: Config
    phases: tuple[Phase, ...]
    registry: PluginRegistry
    options: Mapping[str, Any] = field(default_factory=dict)
    budgets: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The name of the data set: "bits of 2×4"."""
        return self.data.name

    @property
    def is_conditional(self) -> bool:
        """Whether the model is one of p(x|y). Claims that give no classes are then about p(x|y = 0)."""
        found: bool = self.plugin.card.is_conditional_with(self.config)
        return found

    @property
    def y(self) -> Tensor | None:
        """The classes of the training split, for a conditional model."""
        return self.data.train_labels if self.is_conditional else None

    @cached_property
    def spec(self) -> DataSpec:
        """The spec from which the model is built."""
        return spec_for(self.plugin, self.config, self.data)

    @property
    def circumstances(self) -> str:
        """The data set, and the training of the models that were used on it since `budgets` was cleared."""
        *others, last = map(str, sorted(self.budgets) or [0])
        steps = f"{', '.join(others)} and {last}" if others else last
        size = min(self.batch_size, len(self.data.train))
        return f"{self.name} ({len(self.data.train)} training examples, batches of {size}; models of {steps} steps)"

    @property
    def untrained(self) -> Model:
        """The model before its first step."""
        self.budgets.add(0)
        return self._untrained

    @property
    def trained(self) -> Model:
        """The model after `STEPS` steps."""
        self.budgets.add(STEPS)
        return self._trained

    @property
    def samples(self) -> Tensor:
        """`SAMPLES` samples of the trained model, in the data's units."""
        self.budgets.add(STEPS)
        return self._samples

    @cached_property
    def first_samples(self) -> Tensor:
        """`SAMPLES` / 4 samples of the untrained model, in the data's units."""
        return self.untrained.sample(SAMPLES // 4, seed=0)

    @cached_property
    def _untrained(self) -> Model:
        return self._model(self.build())

    @cached_property
    def _trained(self) -> Model:
        return self.train(0, STEPS)

    @cached_property
    def _samples(self) -> Tensor:
        return self._trained.sample(SAMPLES, seed=0)

    @cached_property
    def training_split(self) -> Tensor:
        """The training split in the form used for training: bits, grayscale or standardised values; (N, *shape)."""
        return self.bits if self._trains_on_bits else self.data.standardise(self.data.train)

    @cached_property
    def bits(self) -> Tensor:
        """The training split for likelihoods: bits drawn once from [0, 1] data; (N, *shape), in the data's units."""
        unit = self.data.spec.support == "unit"
        return bernoulli(self.data.train, generator(0, "bits of a case")) if unit else self.data.train

    @property
    def batch_size(self) -> int:
        """Examples per step."""
        return self.phases[0].players[0].settings.batch_size

    @property
    def turns(self) -> list[tuple[Phase, Player]]:
        """Each player with its phase."""
        return [(phase, player) for phase in self.phases for player in phase.players]

    def build(self, seed: int = 0, until: Phase | None = None) -> nn.Module:
        """Return a module that is built and initialised, as at the start of training.

        Args:
            seed: of the weights.
            until: the last phase at whose beginning it is initialised; None for the first phase.
        """
        self.budgets.add(0)
        with scoped_randomness(derive_seed(seed, "build")):
            module: nn.Module = self.plugin.hooks.build(config=self.config, data=self.spec)
            for phase in self.phases:
                if phase is self.phases[0] or self.plugin.names("initialise", "phase"):
                    self.initialise(module, phase)
                if phase is (until or self.phases[0]):
                    break
        return module

    def initialise(self, module: nn.Module, phase: Phase, train: Tensor | None = None) -> None:
        """Initialise a module as the core does, if the plugin has the hook."""
        if self.plugin.implements("initialise"):
            shown = self.data.standardise(self.data.train) if train is None else train
            draws = generator(0, f"initialise {phase.name}")
            self.plugin.hooks.initialise(
                model=module, train=shown.to(torch.get_default_dtype()), phase=phase.name, generator=draws, y=self.y
            )

    def loss(
        self,
        module: nn.Module,
        turn: tuple[Phase, Player],
        x: Tensor | None = None,
        seed: int = 0,
        progress: float = 0.0,
    ) -> dict[str, Tensor]:
        """Return the losses of a player in the module's mode; x is the training split in another form, or repeated."""
        phase, player = turn
        step = Step(round(200 * progress), round(2 * progress), progress, phase.name)
        x = self.training_split if x is None else x
        y = None if self.y is None else self.y.repeat(len(x) // len(self.y))
        found: dict[str, Tensor] = self.plugin.hooks.loss(
            model=module, x=x, generator=generator(seed, "loss"), step=step, player=player.name, y=y
        )
        return found

    def train(
        self,
        seed: int,
        steps: int,
        folder: Path | None = None,
        saving: CheckpointPolicy | None = None,
        device: torch.device = CPU,
    ) -> Model:
        """Return a model trained by the core; in a folder it saves checkpoints, or resumes from one."""
        self.budgets.add(steps)
        card = self.plugin.card
        options = card.options.parse(self.options, f"the sampling of {card.name}")
        resolved = Resolved(self.plugin, None, self.config, self.phases, options)
        budget = TrainingBudget(steps, "steps")
        return of_one_class(train_module(TrainingJob(resolved, self.data, seed, budget, folder, saving, device)))

    @property
    def _trains_on_bits(self) -> bool:
        on_bits: bool = self.plugin.card.trains_on_bits(self.config, self.data.spec.support)
        return on_bits

    def _model(self, module: nn.Module) -> Model:
        model = Model(
            self.plugin,
            module.eval(),
            self.config,
            self.spec,
            options=self.options,
            standardisation=self.data.standardisation,
        )
        return of_one_class(model)


class Subject:
    """A plugin under test.

    Args:
        plugin: a name with settings (`vae`, `zoo-vae/vae:beta=4.0`), a loaded plugin, or a plugin object or its class
            that is registered in `registry`.
        registry: where names are looked up.
        options: sampling options that differ from the card's defaults.

    Raises:
        ConfigError: for a text that is not a name with settings.
    """

    def __init__(
        self, plugin: str | Plugin | object, registry: PluginRegistry, options: Mapping[str, Any] | None = None
    ) -> None:
        self.registry = registry
        self._given = plugin
        contestant = parse_contestant(plugin) if isinstance(plugin, str) else None
        if contestant and contestant.density:
            raise ConfigError(f"{plugin}: a latent density is not part of the plugin; check {contestant.model}.")
        self._contestant = contestant
        self.options = {**(contestant.options if contestant else {}), **(options or {})}

    @cached_property
    def resolved(self) -> Resolved:
        """The loaded and verified plugin with its settings.

        Raises:
            PluginError: if the plugin cannot be loaded.
            ConfigError: if there is no such plugin, or for wrong settings.
        """
        if self._contestant is not None:
            return resolve(self.registry, self._contestant)
        plugin = self._given if isinstance(self._given, Plugin) else self.registry.register(self._given)
        card = plugin.card
        config = card.config()
        return Resolved(plugin, None, config, resolve_phases(plugin, config, {}), card.options())

    @property
    def plugin(self) -> Plugin:
        """The plugin; raises as `resolved` does."""
        return self.resolved.plugin

    @property
    def settings(self) -> str:
        """The settings that differ from the card's, as typed: `:beta=4.0`; "" for none."""
        return "".join(self._contestant.text.partition(":")[1:]) if self._contestant else ""

    @property
    def expected_failures(self) -> Mapping[str, str]:
        """The checks that the plugin's card declares as expected failures, with the reasons."""
        declared: Mapping[str, str] = self.plugin.card.expected_failures
        return declared

    @cached_property
    def _cases(self) -> tuple[list[Case], list[str]]:
        """The cases that the plugin accepts, and its reasons for refusing the other data sets."""
        accepted, refused = [], []
        for data in (bits(), grey_images(), table()):
            resolved = self.resolved
            case = Case(self.plugin, data, resolved.config, resolved.phases, self.registry, self.options)
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
    """Three patterns of 2×4 bits, drawn with probabilities 0.5, 0.3, 0.2; each bit is flipped with probability 0.05."""
    draws = generator(0, "bits of 2×4")
    patterns = torch.tensor([[1, 1, 1, 0, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0, 1, 1], [1, 0, 0, 0, 1, 1, 0, 0]])
    chosen = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), N, replacement=True, generator=draws)
    flips = bernoulli(torch.full((N, 8), 0.05), draws)
    x = (patterns[chosen] - flips).abs().reshape(N, 2, 4)
    return Data.from_arrays(x, chosen, name="bits of 2×4", support="bits")


def grey_images() -> Data:
    """Images of 3×3 pixels with a bright spot centered near the upper left; values in (0, 1)."""
    draws = generator(0, "grey images of 3×3")
    centre = 0.8 * torch.randn(N, 2, 1, 1, generator=draws).abs()
    row, column = torch.meshgrid(torch.arange(3.0), torch.arange(3.0), indexing="ij")
    distance = (row - centre[:, 0]).square() + (column - centre[:, 1]).square()
    below = (centre[:, 0] > centre[:, 1]).flatten().long()
    return Data.from_arrays(0.02 + 0.96 * (-distance).exp(), below, name="grayscale images of 3×3", support="unit")


def table() -> Data:
    """Two correlated columns, (10 + 3u, −5 + 2u + v) with u and v standard normal."""
    u, v = torch.randn(2, N, generator=generator(0, "table of 2 columns"))
    x = torch.stack([10 + 3 * u, -5 + 2 * u + v], dim=1)
    return Data.from_arrays(x, (u > 0).long(), name="a table of 2 columns", support="real")


def of_one_class(model: Model) -> Model:
    """Return a conditional model as one of p(x|y = 0), and any other as it is."""
    return replace(model, label=0) if model.is_conditional else model


def untrained(plugin: Plugin, config: Config, spec: DataSpec, options: Mapping[str, Any]) -> Model:
    """Return an untrained model, built from its settings and a data spec alone."""
    spec = replace(spec, class_shares=(0.5, 0.5) if plugin.card.is_conditional_with(config) else ())
    with scoped_randomness(derive_seed(0, "build")):
        module: nn.Module = plugin.hooks.build(config=config, data=spec)
    return of_one_class(Model(plugin, module.eval(), config, spec, options=options))
