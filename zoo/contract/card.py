"""Cards: what a plugin says of itself, checked when it is loaded and shown by `zoo info`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from zoo.contract.config import Config

TrainsOn = Literal["grey", "bits", "real"]
Latent = Literal["real", "bits", "index"]
Samples = Literal["means", "draws"]
Direction = Literal["lower", "higher", "none"]
Level = Literal["headline", "detail", "full"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Training(Config):
    """How a model likes to be trained. Never how long: the budget is the same for every contestant."""

    optimiser: Annotated[Literal["adam", "adamw", "sgd"], Field(description="update rule")] = "adam"
    learning_rate: Annotated[float, Field(gt=0, description="step size at its highest")] = 1e-3
    batch_size: Annotated[int, Field(gt=0, description="examples per step")] = 128
    schedule: Annotated[
        Literal["constant", "linear", "cosine"],
        Field(description="how the step size falls to 0 over the budget; constant: it does not"),
    ] = "constant"
    warmup: Annotated[float, Field(ge=0, lt=1, description="share of the budget over which the step size rises")] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1, description="momentum of sgd")] = 0.0
    weight_decay: Annotated[float, Field(ge=0, description="weight decay of the optimiser")] = 0.0
    clip: Annotated[float, Field(ge=0, description="largest norm of the gradient; 0: no limit")] = 0.0
    average: Annotated[
        float, Field(ge=0, lt=1, description="decay of the averaged weights, bias-corrected; 0: the last weights")
    ] = 0.0
    patience: Annotated[
        int, Field(ge=0, description="stop after so many epochs without a better validation loss; 0: never")
    ] = 0


TRAINING_KEYS_USED_BY_FIT = ("batch_size",)  # settings of a training that reach a model with a `fit` of its own


class NoOptions(Config):
    """The options of a model that has none."""


def _check_name(kind: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"the name of a {kind} is lower-case words joined by hyphens (a-z, 0-9), got {name!r}")


def _check_choice(key: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{key} must be one of {', '.join(map(repr, choices))}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a model plugin is.

    Args:
        name: what users type; the name of the entry point.
        summary: one line for `zoo list`.
        config: the model's `zoo.Config`; its defaults are a run that works.
        trains_on: what [0, 1] data are shown as during training: `grey` as they are, `bits` drawn anew each
            epoch; `real` for a model of continuous data. A function of the config where a config decides it.
            Data that are bits or real-valued are shown as they are.
        latent: what a draw of the code is: `real`, `bits`, `index`, or None without a code.
        samples: what `sample` returns on [0, 1] data: `means` or `draws`.
        options: the `zoo.Config` of sampling and likelihood: what can change without retraining.
        training: the optimiser's settings that suit the model.
        sensitivity: what `zoo compare --full` varies, one at a time: a key as a contestant has it, and its values
            (`{"latent_dim": (4, 64), "train.learning_rate": (1e-4, 1e-2)}`); one of `sample.` needs no second training.
        expected_failures: checks of `zoo check` that the model fails on purpose, each with the reason.
        paper: where the equations stand ("arXiv:1312.6114").
    """

    name: str
    summary: str
    config: type[Config]
    trains_on: TrainsOn | Callable[[Config], TrainsOn]
    latent: Latent | None
    samples: Samples
    options: type[Config] = NoOptions
    training: Training = field(default_factory=Training)
    sensitivity: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    paper: str = ""

    def __post_init__(self) -> None:
        _check_name("model", self.name)
        _check_choice("latent", self.latent, (*get_args(Latent), None))
        _check_choice("samples", self.samples, get_args(Samples))
        if not callable(self.trains_on):
            _check_choice("trains_on (or what the function of the config returns)", self.trains_on, get_args(TrainsOn))
        for key in ("config", "options"):
            value = getattr(self, key)
            if not (isinstance(value, type) and issubclass(value, Config)):
                raise TypeError(f"{key} must be a subclass of zoo.Config, got {value!r}")
        if not isinstance(self.training, Training):
            raise TypeError(f"training must be a zoo.Training, got {self.training!r}")
        self._check_sensitivity()
        self._check_expected_failures()

    def trains_on_with(self, config: Config) -> TrainsOn:
        """What [0, 1] data are shown as to a model with this config.

        Raises:
            ValueError: if the card's function of the config returns anything else.
        """
        shown = self.trains_on(config) if callable(self.trains_on) else self.trains_on
        _check_choice("trains_on (or what the function of the config returns)", shown, get_args(TrainsOn))
        return shown

    def trains_on_bits(self, config: Config, support: str) -> bool:
        """Whether a model with this config is shown data of this support as bits drawn from them: grey [0, 1] data."""
        return support == "unit" and self.trains_on_with(config) == "bits"

    def _check_sensitivity(self) -> None:
        """Each value is one that the setting takes, so that a comparison does not find out after an hour."""
        if not isinstance(self.sensitivity, Mapping):
            raise TypeError(f"sensitivity must map settings to their values, got {self.sensitivity!r}")
        for key, values in self.sensitivity.items():
            prefix, _, name = key.rpartition(".")
            configs: dict[str, type[Config]] = {"": self.config, "train": Training, "sample": self.options}
            config = configs.get(prefix)
            if config is None or not isinstance(values, tuple) or not values:
                raise TypeError(f"sensitivity must map settings to tuples of values, got {key!r}: {values!r}")
            for value in values:
                config.parse({name: value}, f"the sensitivity of {self.name}")

    def _check_expected_failures(self) -> None:
        """Each has a reason; whether there is such a check, the kit finds out."""
        if not isinstance(self.expected_failures, Mapping):
            raise TypeError(f"expected_failures must map names of checks to reasons, got {self.expected_failures!r}")
        for check, reason in self.expected_failures.items():
            if not (isinstance(reason, str) and reason.strip()):
                raise ValueError(f"expected_failures must give a reason for {check!r}, got {reason!r}")


@dataclass(frozen=True, kw_only=True)
class DensityCard:
    """What a latent density is; `accepts` lists the kinds of code that it is a density of."""

    name: str
    summary: str
    accepts: tuple[Latent, ...] = ("real",)
    paper: str = ""

    def __post_init__(self) -> None:
        _check_name("latent density", self.name)
        if not self.accepts or any(kind not in get_args(Latent) for kind in self.accepts):
            raise ValueError(f"accepts must list some of {', '.join(get_args(Latent))}, got {self.accepts!r}")


@dataclass(frozen=True, kw_only=True)
class DatasetCard:
    """What a data set is; `argument` describes what may follow the colon ("the side n, 2 to 4"), "" for nothing."""

    name: str
    summary: str
    argument: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        _check_name("data set", self.name)


@dataclass(frozen=True, kw_only=True)
class ExtensionCard:
    """What an extension is; its wrappers stand around the hooks of every model."""

    name: str
    summary: str

    def __post_init__(self) -> None:
        _check_name("extension", self.name)


@dataclass(frozen=True, kw_only=True)
class MetricCard:
    """What a figure of the table is.

    Args:
        name: the name of the entry point.
        title: of its column.
        summary: one line that explains it to a student.
        direction: which is better, `lower` or `higher`; `none` for a figure that says something and ranks nobody.
        level: `headline` in the first table, `detail` in the second, `full` with `--full` only.
        paper: where it is defined.
    """

    name: str
    title: str
    summary: str
    direction: Direction
    level: Level = "detail"
    paper: str = ""

    def __post_init__(self) -> None:
        _check_name("metric", self.name)
        if self.direction not in get_args(Direction):
            raise ValueError(f"direction must be one of {', '.join(get_args(Direction))}, got {self.direction!r}")
        _check_choice("level", self.level, get_args(Level))
