"""How a model is trained: the settings of an optimiser, and the phases and players of a training."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from zoo.contract.config import Config
from zoo.errors import ConfigError

_Decay = Annotated[float, Field(ge=0, lt=1)]
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Training(Config):
    """Settings of the optimiser. The length of a training is not among them: all contestants get the same budget."""

    optimiser: Annotated[Literal["adam", "adamw", "sgd"], Field(description="update rule")] = "adam"
    learning_rate: Annotated[float, Field(gt=0, description="largest step size")] = 1e-3
    batch_size: Annotated[int, Field(gt=0, description="examples per step")] = 128
    schedule: Annotated[
        Literal["constant", "linear", "cosine"],
        Field(description="decay of the step size to 0 over the budget; constant: no decay"),
    ] = "constant"
    warmup: Annotated[
        float, Field(ge=0, lt=1, description="share of the budget in which the step size rises from 0")
    ] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1, description="momentum of sgd")] = 0.0
    betas: Annotated[
        tuple[_Decay, _Decay],
        Field(description="decays of the means of the gradient and of its square, of adam and adamw"),
    ] = (0.9, 0.999)
    epsilon: Annotated[
        float, Field(gt=0, description="added to the root of the mean square in the update, of adam and adamw")
    ] = 1e-8
    weight_decay: Annotated[float, Field(ge=0, description="weight decay of the optimiser")] = 0.0
    clip: Annotated[float, Field(ge=0, description="largest norm of the gradient; 0: unlimited")] = 0.0
    average: Annotated[
        float, Field(ge=0, lt=1, description="decay of the averaged weights, bias-corrected; 0: no averaging")
    ] = 0.0
    patience: Annotated[
        int,
        Field(ge=0, description="epochs without a better validation loss before training stops; 0: never stops early"),
    ] = 0
    precision: Annotated[
        Literal["float32", "bf16"],
        Field(description="bf16: the loss is computed with autocast to bfloat16; weights and optimiser stay float32"),
    ] = "float32"


TRAINING_KEYS_USED_BY_FIT = ("batch_size",)  # the training settings that apply to a model with `fit`


@dataclass(frozen=True)
class Player:
    """A part of a model that is trained with its own optimiser.

    Args:
        name: the name that `loss` receives as `player`, and that users type: `train.NAME.learning_rate=0.001`.
        modules: dotted names of the submodules and parameters of the built model that the player trains; () for the one
            that has the player's name, and "" is the whole model. A parameter that is None for some data is allowed
            (`self.register_parameter("s", None)`).
        training: settings of its optimiser. Those that are not given here are the card's; the batch size always is.
        steps: number of updates in a row when it is the player's turn.
    """

    name: str
    modules: tuple[str, ...] = ()
    training: Training | None = None
    steps: int = 1

    def __post_init__(self) -> None:
        _check_name("player", self.name)
        if self.name in Training.model_fields:
            raise ValueError(f"the name of a player must not be that of a setting of zoo.Training, got {self.name!r}")
        if self.modules == ():
            object.__setattr__(self, "modules", (self.name,))
        if not isinstance(self.modules, tuple) or not all(isinstance(each, str) for each in self.modules):
            raise TypeError(f"modules of player {self.name!r} must be a tuple of names, got {self.modules!r}")
        if self.training is not None and not isinstance(self.training, Training):
            raise TypeError(f"training of player {self.name!r} must be a zoo.Training, got {self.training!r}")
        if not isinstance(self.steps, int) or isinstance(self.steps, bool) or self.steps < 1:
            raise ValueError(f"steps of player {self.name!r} must be a whole number of at least 1, got {self.steps!r}")

    @property
    def settings(self) -> Training:
        """The settings of the optimiser."""
        return self.training or Training()


@dataclass(frozen=True, init=False)
class Phase:
    """A part of a training, in which one player is trained, or several in turn.

    Args:
        name: the name that `initialise` receives as `phase`, and `loss` as `step.phase`.
        players: the players in the order of their turns, `zoo.Phase("game", critic, generator)`; without any, one
            player with the phase's name.
        share: share of the budget, relative to the other phases; 1 by default.
    """

    name: str
    players: tuple[Player, ...]
    share: float

    def __init__(self, name: str, *players: Player, share: float = 1.0) -> None:
        _check_name("phase", name)
        if not all(isinstance(each, Player) for each in players):
            raise TypeError(f"players of phase {name!r} must be zoo.Player, got {players!r}")
        if not (isinstance(share, int | float) and math.isfinite(share) and share > 0):
            raise ValueError(f"share of phase {name!r} must be a finite number above 0, got {share!r}")
        for key, value in (("name", name), ("players", players or (Player(name),)), ("share", share)):
            object.__setattr__(self, key, value)  # frozen


def check_phases(phases: Any) -> None:
    """Check that phases are a tuple of `Phase` with unique names, and their players, too.

    Raises:
        TypeError, ValueError: with the rule and what was given.
    """
    if not isinstance(phases, tuple) or not phases or not all(isinstance(each, Phase) for each in phases):
        raise TypeError(
            f"phases (or what the function of the config returns) must be a tuple of zoo.Phase, got {phases!r}"
        )
    names = [phase.name for phase in phases]
    players = [player.name for phase in phases for player in phase.players]
    for kind, found in (("phase", names), ("player", players)):
        if twice := [name for name in found if found.count(name) > 1]:
            raise ValueError(f"the names of a card's {kind}s must be unique, got {twice[0]!r} twice")


def completed(
    phases: tuple[Phase, ...],
    base: Training,
    common: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
    owner: str,
) -> tuple[Phase, ...]:
    """Return phases whose players have all their settings, the later of these replacing the earlier ones.

    Args:
        phases: the phases of a card.
        base: the card's settings, then those that a player of the card gives itself.
        common: settings for all players.
        own: settings for single players, by name.
        owner: of the settings, for messages.

    Raises:
        ConfigError: for a wrong setting.
    """

    def of(player: Player, alone: bool) -> Player:
        declared = player.training.model_dump(include=player.training.model_fields_set) if player.training else {}
        mine = own.get(player.name, {})
        given = {**declared, **mine}
        if "batch_size" in given:
            raise ConfigError(
                f"Settings of {owner}: batch_size is the same for all players, got {given['batch_size']!r} for "
                f"{player.name!r}; set it for all of them: batch_size in the card's training, or train.batch_size."
            )
        settings = Training.parse({**base.model_dump(), **declared, **common, **mine}, owner)
        if settings.patience and not alone:
            raise ConfigError(
                f"Settings of {owner}: patience must be 0 for {player.name!r}, which takes turns with other players: "
                f"the loss of a player does not measure the quality of the model. Got {settings.patience}."
            )
        return replace(player, training=settings)

    return tuple(
        Phase(phase.name, *(of(player, len(phase.players) == 1) for player in phase.players), share=phase.share)
        for phase in phases
    )


def _check_name(kind: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"the name of a {kind} must be lower-case words (a-z, 0-9) joined by _, got {name!r}")
