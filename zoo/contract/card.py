"""Cards: the descriptions of plugins, checked when they are created and shown by `zoo info`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from zoo.contract.config import Config
from zoo.contract.names import PLUGIN_NAME
from zoo.contract.search import Range, extremes, space_of
from zoo.contract.training import Phase, Player, Training, check_phases, completed

TrainsOn = Literal["grey", "bits", "real"]
Latent = Literal["real", "bits", "index"]
Samples = Literal["means", "draws"]
Conditional = Literal["class"]
Direction = Literal["lower", "higher", "none"]
Level = Literal["headline", "detail", "full"]


class DensityOptions(Config):
    """Settings of every latent density, `density.KEY=VALUE`."""

    per_class: Annotated[
        bool, Field(description="one density for the codes of each class, weighted with the shares of the classes")
    ] = False


_CONDITIONAL = "conditional (or what the function of the config returns)"


class NoOptions(Config):
    """No options; the default of `zoo.Card`."""


def _check_name(kind: str, name: object) -> None:
    if not isinstance(name, str) or not PLUGIN_NAME.fullmatch(name):
        raise ValueError(f"the name of a {kind} must be lower-case words (a-z, 0-9) joined by hyphens, got {name!r}")


def _check_choice(key: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{key} must be one of {', '.join(map(repr, choices))}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class Card:
    """Description of a model plugin.

    Args:
        name: name that users type; must equal the name of the entry point.
        summary: one line for `zoo list`.
        config: class of the model's settings, a `zoo.Config`; its defaults must work.
        trains_on: form of [0, 1] data in training: `grey` (unchanged grayscale values), `bits` (drawn anew in each
            epoch), or `real` for a model of continuous data; or a function of the config that returns one of these.
            Bits and real-valued data are always unchanged.
        latent: kind of code: `real`, `bits`, `index`, or None for a model without a code.
        samples: kind of values that `sample` returns for [0, 1] data: `means` or `draws`.
        conditional: `class` for a model of p(x|y), whose hooks name the class labels `y`; None for a model of p(x); or
            a function of the config that returns one of these.
        options: class of the sampling and likelihood settings, a `zoo.Config`; they can change without retraining.
        training: default settings of the optimiser, the same for all players except for what a player gives itself.
        phases: the phases of the training, in order, each a `zoo.Phase`; or a function of the config that returns them.
            Empty for a model that is trained as a whole: one phase with one player.
        synchronised: names of the buffers, and of the parameters without a gradient, that `loss` itself moves in place
            towards means over the batch ("mu", which is also "layers.0.mu"). Where several processes train the model,
            each on its part of every batch, these are averaged after each call of `loss`; all other buffers, such as
            chains, belong to a process.
        objective: names of the settings of the config that only `loss` reads: with the same weights and other values of
            these, the model is the same distribution ("beta" of a VAE). A training that starts with the weights of
            another run (`zoo train --weights`) may change them, and no other setting of the config.
        sensitivity: settings that `zoo compare --full` varies, one at a time, each with its values
            (`{"latent_dim": (4, 64), "train.learning_rate": (1e-4, 1e-2)}`); `sample.` settings need no retraining.
        search: settings that `zoo tune` and `zoo compare --tune` choose, each with a `zoo.Range` or a tuple of choices
            that contains the default (`{"latent_dim": zoo.Range(4, 64, log=True), "activation": ("relu", "tanh")}`).
            None takes what the config's fields say (`docs/plugins.md`), and the learning rate of a card without phases.
        expected_failures: checks of `zoo check` that the model fails for a good reason, each with the reason.
        paper: reference for the equations ("arXiv:1312.6114").
    """

    name: str
    summary: str
    config: type[Config]
    trains_on: TrainsOn | Callable[[Config], TrainsOn]
    latent: Latent | None
    samples: Samples
    conditional: Conditional | Callable[[Config], Conditional | None] | None = None
    options: type[Config] = NoOptions
    training: Training = field(default_factory=Training)
    phases: tuple[Phase, ...] | Callable[[Config], tuple[Phase, ...]] = ()
    synchronised: tuple[str, ...] = ()
    objective: tuple[str, ...] = ()
    sensitivity: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    search: Mapping[str, Range | tuple[Any, ...]] | None = None
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    paper: str = ""

    def __post_init__(self) -> None:
        _check_name("model", self.name)
        _check_choice("latent", self.latent, (*get_args(Latent), None))
        _check_choice("samples", self.samples, get_args(Samples))
        if not callable(self.trains_on):
            _check_choice("trains_on (or what the function of the config returns)", self.trains_on, get_args(TrainsOn))
        if not callable(self.conditional):
            _check_choice(_CONDITIONAL, self.conditional, (*get_args(Conditional), None))
        for key in ("config", "options"):
            value = getattr(self, key)
            if not (isinstance(value, type) and issubclass(value, Config)):
                raise TypeError(f"{key} must be a subclass of zoo.Config, got {value!r}")
        if not isinstance(self.training, Training):
            raise TypeError(f"training must be a zoo.Training, got {self.training!r}")
        if self.phases != ():
            completed(self.phases_with(self.config()), self.training, {}, {}, f"the training of {self.name}")
        if not isinstance(self.synchronised, tuple) or not all(isinstance(name, str) for name in self.synchronised):
            raise TypeError(f"synchronised must be a tuple of names of buffers, got {self.synchronised!r}")
        fields = self.config.model_fields
        if not isinstance(self.objective, tuple) or not set(self.objective) <= set(fields):
            raise TypeError(
                f"objective must be a tuple of names of settings of the config, some of {', '.join(fields) or 'none'}, "
                f"got {self.objective!r}"
            )
        self._check_sensitivity()
        self._check_search()
        self._check_expected_failures()

    def trains_on_with(self, config: Config) -> TrainsOn:
        """Return the form of [0, 1] data in the training of a model with this config.

        Raises:
            ValueError: if the card's function of the config returns an invalid value.
        """
        shown = self.trains_on(config) if callable(self.trains_on) else self.trains_on
        _check_choice("trains_on (or what the function of the config returns)", shown, get_args(TrainsOn))
        return shown

    def trains_on_bits(self, config: Config, support: str) -> bool:
        """Return whether a model with this config trains on bits drawn from data of this support."""
        return support == "unit" and self.trains_on_with(config) == "bits"

    def is_conditional_with(self, config: Config) -> bool:
        """Return whether a model with this config is one of p(x|y), y the class of x.

        Raises:
            ValueError: if the card's function of the config returns an invalid value.
        """
        found = self.conditional(config) if callable(self.conditional) else self.conditional
        _check_choice(_CONDITIONAL, found, (*get_args(Conditional), None))
        return found == "class"

    def phases_with(self, config: Config) -> tuple[Phase, ...]:
        """Return the phases of the training of a model with this config.

        Raises:
            TypeError, ValueError: if the card's function of the config returns anything but phases with unique names.
        """
        if self.phases == ():
            return (Phase("training", Player("model", modules=("",))),)
        phases = self.phases(config) if callable(self.phases) else self.phases
        check_phases(phases)
        return phases

    def players(self, config: Config) -> list[str]:
        """Return the names of the players, which `train.PLAYER.KEY=` addresses; none for a card without phases."""
        return [player.name for phase in self.phases_with(config) for player in phase.players if self.phases != ()]

    @property
    def space(self) -> Mapping[str, Range | tuple[Any, ...]]:
        """The settings that tuning chooses, with their values: `search`, or what the fields of the config say."""
        if self.search is not None:
            return self.search
        rate = self.training.learning_rate
        learning = {} if self.phases != () else {"train.learning_rate": Range(rate / 10, rate * 10, log=True)}
        return space_of(self.config()) | learning

    def _check_search(self) -> None:
        """Check that each setting exists, accepts the values, and has its default among them."""
        if self.search is None:
            return
        if not isinstance(self.search, Mapping):
            raise TypeError(f"search must map settings to zoo.Range or tuples of choices, got {self.search!r}")
        defaults: dict[str, Config] = {"": self.config(), "train": self.training, "sample": self.options()}
        for key, values in self.search.items():
            prefix, _, name = key.rpartition(".")
            if prefix not in defaults or not (isinstance(values, Range) or (isinstance(values, tuple) and values)):
                raise TypeError(f"search must map settings to zoo.Range or tuples of choices, got {key!r}: {values!r}")
            if prefix == "train" and self.phases != ():
                raise ValueError(f"search of a card with phases must not have settings of the training, got {key!r}")
            for value in extremes(values):
                type(defaults[prefix]).parse({name: value}, f"the search of {self.name}")
            default = getattr(defaults[prefix], name)
            if default not in values:
                raise ValueError(f"search must contain the default of {key!r}, {default!r}, got {values}")

    def _check_sensitivity(self) -> None:
        """Check every value of the sensitivity, because a comparison would use it only after hours."""
        if not isinstance(self.sensitivity, Mapping):
            raise TypeError(f"sensitivity must map settings to their values, got {self.sensitivity!r}")
        for key, values in self.sensitivity.items():
            prefix, _, name = key.rpartition(".")
            configs: dict[str, type[Config]] = {"": self.config, "train": Training, "sample": self.options}
            configs |= {f"train.{player}": Training for player in self.players(self.config())}
            config = configs.get(prefix)
            if config is None or not isinstance(values, tuple) or not values:
                raise TypeError(f"sensitivity must map settings to tuples of values, got {key!r}: {values!r}")
            for value in values:
                config.parse({name: value}, f"the sensitivity of {self.name}")

    def _check_expected_failures(self) -> None:
        """Check that each has a reason; the conformance kit checks that the names exist."""
        if not isinstance(self.expected_failures, Mapping):
            raise TypeError(f"expected_failures must map names of checks to reasons, got {self.expected_failures!r}")
        for check, reason in self.expected_failures.items():
            if not (isinstance(reason, str) and reason.strip()):
                raise ValueError(f"expected_failures must give a reason for {check!r}, got {reason!r}")


@dataclass(frozen=True, kw_only=True)
class DensityCard:
    """Description of a latent density; `accepts` lists the kinds of code that it can be fitted to."""

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
    """Description of a data set; `argument` describes the text after the colon ("the side n, 2 to 4"), if any."""

    name: str
    summary: str
    argument: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        _check_name("data set", self.name)


@dataclass(frozen=True, kw_only=True)
class FeaturesCard:
    """Description of a feature space, in which metrics compare samples and test images."""

    name: str
    summary: str
    paper: str = ""

    def __post_init__(self) -> None:
        _check_name("feature space", self.name)


@dataclass(frozen=True, kw_only=True)
class ExtensionCard:
    """Description of an extension, whose wrappers wrap the hooks of every model."""

    name: str
    summary: str

    def __post_init__(self) -> None:
        _check_name("extension", self.name)


@dataclass(frozen=True, kw_only=True)
class TrackerCard:
    """Description of a tracker, which logs runs in another tool."""

    name: str
    summary: str

    def __post_init__(self) -> None:
        _check_name("tracker", self.name)


@dataclass(frozen=True, kw_only=True)
class MetricCard:
    """Description of a metric, a column of the table.

    Args:
        name: name of the metric; must equal the name of the entry point.
        title: title of the column.
        summary: one line that explains the metric to a student.
        direction: which values are better, `lower` or `higher`; `none` for a metric that does not rank contestants.
        level: `headline` in the first table, `detail` in the second, `full` with `--full` only.
        paper: reference for the definition.
        ideal: the expected value for a perfect model; None if it depends on the data, as for a likelihood.
        two_sided: whether values on either side of `ideal` are worse, so that contestants are ranked by their distance
            to it.
        limits: what the metric cannot see, or what fools it, one sentence each; `zoo info NAME` shows them.
    """

    name: str
    title: str
    summary: str
    direction: Direction
    level: Level = "detail"
    paper: str = ""
    ideal: float | None = None
    two_sided: bool = False
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_name("metric", self.name)
        if self.direction not in get_args(Direction):
            raise ValueError(f"direction must be one of {', '.join(get_args(Direction))}, got {self.direction!r}")
        _check_choice("level", self.level, get_args(Level))
        if self.two_sided and self.ideal is None:
            raise ValueError("a two-sided metric needs the ideal value that its figures are compared with")
