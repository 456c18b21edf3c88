"""The modules of a model that its players train: their parameters, and the mode of all modules in a phase."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from torch import Tensor, nn

from zoo.contract.training import Phase, Player
from zoo.errors import PluginError, did_you_mean
from zoo.plugins.plugin import Plugin


def check_players(plugin: Plugin, module: nn.Module, phases: tuple[Phase, ...]) -> None:
    """Check that a built model has the modules of all players, each with parameters of its own to train.

    Raises:
        PluginError: with the plugin, the module that is wrong, and what the model has.
    """
    for phase in phases:
        for player in phase.players:
            _check_names(plugin, module, player)
            if not any(parameter.requires_grad for parameter in parameters_of(module, player)):
                raise PluginError(
                    f"The player {player.name!r} of {plugin.source} must train at least one parameter that requires a "
                    f"gradient, but {_quoted(player.modules)} has none."
                )
        for first, second in combinations(phase.players, 2):
            ours, theirs = ({id(each) for each in parameters_of(module, player)} for player in (first, second))
            if shared := [name for name, each in module.named_parameters() if id(each) in ours & theirs]:
                raise PluginError(
                    f"The players {first.name!r} and {second.name!r} of {plugin.source} must not train the same "
                    f"parameters in one phase, but both train {', '.join(shared)}."
                )


def parameters_of(module: nn.Module, player: Player) -> list[nn.Parameter]:
    """Return the parameters that a player trains, each once, in the order of the model."""
    named = module.named_parameters(remove_duplicate=False)
    found = {id(each): each for name, each in named if any(_is_within(name, part) for part in player.modules)}
    return list(found.values())


def set_mode(module: nn.Module, phase: Phase) -> None:
    """Set the modules that a phase trains, and those that contain them, to training mode; all others to evaluation."""
    names = [name for player in phase.players for name in player.modules]
    module.train()
    for path, part in module.named_modules():
        if not any(_is_within(path, name) or _is_within(name, path) for name in names):
            part.eval()


def synchronised(plugin: Plugin, module: nn.Module) -> list[Tensor]:
    """Return the tensors that the card of a model names as `synchronised`, without parameters that a player trains.

    Raises:
        PluginError: if the model has no floating-point tensor of such a name.
    """
    known = {name: tensor for name, tensor in _tensors(module) if tensor.is_floating_point()}
    found = []
    for name in plugin.card.synchronised:
        named = [tensor for key, tensor in known.items() if key == name or key.endswith(f".{name}")]
        if not named:
            raise PluginError(
                f"The card of {plugin.source} synchronises {name!r}, which is not a floating-point buffer or parameter "
                f"of its model.{did_you_mean(name, known)} The model has {_quoted(list(known))}."
            )
        found += [tensor for tensor in named if not tensor.requires_grad]
    return found


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_buffers()
    yield from module.named_parameters()


def _is_within(name: str, part: str) -> bool:
    """Return whether a dotted name is that of a part of a model or of something inside it; "" is the whole model."""
    return part in ("", name) or name.startswith(f"{part}.")


def _check_names(plugin: Plugin, module: nn.Module, player: Player) -> None:
    parts = dict(module.named_modules())
    slots = [f"{path}.{key}" if path else key for path, part in parts.items() for key in part._parameters]
    known = [*parts, *slots]
    for name in player.modules:
        if name not in known:
            first = [each for each in known if each and "." not in each]
            raise PluginError(
                f"The player {player.name!r} of {plugin.source} trains {name!r}, which is neither a module nor a "
                f"parameter of its model.{did_you_mean(name, known)} The model has {_quoted(first)}; write the modules "
                f"of a part with a dot."
            )


def _quoted(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(map(repr, names)) or "nothing"
