"""Claims about phases and players: each player trains its own part, and a training can be resumed in every turn."""

from __future__ import annotations

import math
import random
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.conformance.claim import DoesNotApply, Failure, case_claim
from zoo.conformance.saving import resumed, wrong_after
from zoo.conformance.subject import FEW, Case
from zoo.files.tensor_file import read
from zoo.training.checkpoints import CheckpointPolicy, earlier_states
from zoo.training.learner import Learner
from zoo.training.modules import parameters_of, set_mode


@case_claim("loss")
def a_player_changes_its_own_modules_only(case: Case) -> None:
    """A step of a player changes no parameter of another one, and nothing in modules that its phase does not train.

    Buffers of a player in the same phase may change: its modules are in training mode.
    """
    _must_have_phases(case)
    for phase, player in case.turns:
        module = case.build(until=phase)
        set_mode(module, phase)
        learner, own = Learner(player, parameters_of(module, player)), parameters_of(module, player)
        others = _of_others(module, own)
        before = {name: value.detach().clone() for name, value in others.items()}
        learner.differentiate(case.loss(module, (phase, player))["loss"])
        learner.update()
        after = _of_others(module, own)
        if changed := [name for name, value in before.items() if not _equal(after.get(name), value)]:
            raise Failure(
                f"a step of {player.name} must change its own modules only, but it changed {', '.join(changed)}"
            )


@case_claim("loss")
def a_training_stopped_in_any_turn_goes_on(case: Case) -> None:
    """Training resumed from a random step of each phase and player ends bit-identical to uninterrupted training."""
    _must_have_phases(case)
    total = sum(phase.share for phase in case.phases)
    turns = [(sum(player.steps for player in phase.players), phase.share / total) for phase in case.phases]
    steps = max(FEW, *(math.ceil((length + 1) / share) for length, share in turns))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        policy = CheckpointPolicy(every=0, keep=steps)
        wanted = dict(case.train(0, steps, folder, policy).module.state_dict())
        for (phase, player), state in _one_of_each_turn(case, folder).items():
            if wrong := wrong_after(resumed(case, folder, state, steps), wanted):
                raise Failure(
                    f"{', '.join(wrong[:3])} must be the same after resuming from {state.stem}, in the phase {phase} "
                    f"before a step of {player}; what a loss keeps between steps must be a buffer"
                )


def _must_have_phases(case: Case) -> None:
    if len(case.turns) == 1:
        raise DoesNotApply("it has one phase with one player")


def _of_others(module: nn.Module, own: list[nn.Parameter]) -> dict[str, Tensor]:
    """Return the parameters that are not a player's own, and the buffers of modules in evaluation mode."""
    ids = {id(parameter) for parameter in own}
    found: dict[str, Tensor] = {name: each for name, each in module.named_parameters() if id(each) not in ids}
    for path, part in module.named_modules():
        if not part.training:
            found |= {f"{path}.{name}": each for name, each in part.named_buffers(recurse=False)}
    return found


def _one_of_each_turn(case: Case, folder: Path) -> dict[tuple[str, str], Path]:
    """Return a checkpoint for each phase and player, taken before a step of the player, chosen at random."""
    phases = {phase.name: phase for phase in case.phases}
    found: dict[tuple[str, str], list[Path]] = {}
    for state in earlier_states(folder):
        facts = read(state)[0]
        timetable = facts["state"]["timetable"]
        players = [player.name for player in phases[timetable["phase"]].players for _ in range(player.steps)]
        turn = players[(facts["step"] - timetable["steps"]) % len(players)]
        found.setdefault((timetable["phase"], turn), []).append(state)
    dice = random.Random(0)
    return {turn: dice.choice(states) for turn, states in found.items()}


def _equal(found: Tensor | None, wanted: Tensor) -> bool:
    return found is not None and torch.equal(found, wanted)
