"""The training loop for models with a `loss`: data in one tensor, indexed by one permutation per epoch.

A training is a sequence of phases; in a phase one or more players take turns, each step being an update of one of them
on one batch. On a GPU no step synchronises: losses are summed on the device and read at the end of an epoch.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

import torch
from torch import Generator, Tensor, nn

from zoo.contract.training import Phase
from zoo.data.dataset import Data
from zoo.errors import ConfigError, PluginError
from zoo.plugins.plugin import Plugin
from zoo.runtime.devices import device_of
from zoo.runtime.interruption import Interruption
from zoo.runtime.randomness import bernoulli, generator
from zoo.runtime.ranks import ALONE, Ranks
from zoo.training.checkpoints import States
from zoo.training.divergence import check_weights
from zoo.training.initialisation import initialise_again
from zoo.training.learner import Learner
from zoo.training.meter import Cost, Meter, Step
from zoo.training.modules import parameters_of, set_mode, synchronised
from zoo.training.state import BufferState, ModuleState, Part, RandomState, RankStates, State
from zoo.training.timetable import Timetable


class Loop:
    """Minimises the plugin's `loss` phase by phase, until the budget is used up or early stopping has ended each phase.

    Args:
        plugin, module: the model to train.
        phases: the phases of the training, with all settings of their players.
        budget: the meter.
        seed: seed of the cell; the permutation is a pure function of (seed, epoch).
        data: the training split, and the validation split for early stopping; with labels for a conditional model only.
        bits: whether the model is trained on bits, drawn anew each epoch with the examples as probabilities.
        states: writes checkpoints when due, and at the end.
        keep_weights: whether `initialise` leaves the weights of later phases as they are, because they were given.
        snapshots: epochs after which `take` is called with their number, while averaged weights are in use.
        ranks: the processes that train the model together, each on its shard of every batch.
        interruption: the signals that the processes share between two steps.
    """

    def __init__(
        self,
        plugin: Plugin,
        module: nn.Module,
        phases: tuple[Phase, ...],
        budget: Meter,
        seed: int,
        data: Data,
        *,
        bits: bool,
        states: States | None = None,
        keep_weights: bool = False,
        snapshots: tuple[int, ...] = (),
        take: Callable[[int], None] = lambda epoch: None,
        ranks: Ranks = ALONE,
        interruption: Interruption | None = None,
    ) -> None:
        self._snapshots, self._take = snapshots, take
        self._ranks, self._interruption = ranks, interruption or Interruption()
        device = device_of(module)
        self._plugin, self._module, self._budget, self._seed, self._data = plugin, module, budget, seed, data
        self._bits, self._states, self._keep_weights = bits, states, keep_weights
        self._train, self._valid = _examples(data, device), data.standardise(data.valid).to(device)
        self._labels, self._valid_labels = (
            None if y is None else y.to(device) for y in (data.train_labels, data.valid_labels)
        )
        self._draws = generator(ranks.seed(seed), "training", device)
        self._timetable, self._step = Timetable(phases, budget), Step()
        self._synchronised = synchronised(plugin, module) if ranks.count > 1 else []
        self._several = sum(len(phase.players) for phase in phases) > 1

    def run(self, begin: State | None = None) -> None:
        """Train from the first step, or from a training state.

        Raises:
            DivergedError: if a loss, or at the end a weight, is not finite.
        """
        self._ranks.copy_first(list(self._module.buffers()))
        if begin:
            begin.restore({"timetable": self._timetable})
        self._train_phase(begin)
        while not self._timetable.is_last:
            self._timetable.advance()
            self._train_phase(None)

    def _train_phase(self, begin: State | None) -> None:
        """Train the players of the current phase, and keep their averaged or best weights."""
        timetable, budget, module, states = self._timetable, self._budget, self._module, self._states
        phase = timetable.phase
        self._step.phase = phase.name
        set_mode(module, phase)
        if not begin and not timetable.is_first and not timetable.exhausted:
            initialise_again(self._plugin, module, self._data, self._seed, phase, keep_weights=self._keep_weights)
        self._ranks.copy_first(list(module.parameters()))
        learners = {player.name: Learner(player, parameters_of(module, player)) for player in phase.players}
        patience = phase.players[0].settings.patience
        stopping = _EarlyStopping(patience, module) if patience else None
        parts = self._parts(learners, stopping)
        if begin:
            begin.restore(parts)
        if self._ranks.count > 1:
            self._interruption.share(self._ranks.agree)
        budget.start()  # the set-up of the optimisers is not part of it
        while not timetable.exhausted:
            self._train_epoch(learners, parts)
            if budget.index % budget.per_epoch == 0 and budget.epoch in self._snapshots:
                with contextlib.ExitStack() as averaged:
                    for each in learners.values():
                        averaged.enter_context(each.averaged())
                    self._take(budget.epoch)
            if stopping:
                (learner,) = learners.values()
                with learner.averaged():  # the best weights are averages, too
                    value = self._ranks.on_first(partial(self._validate, learner))
                    budget.stopped = stopping.update(value)
                budget.flush(**self._logged(learner, {"valid_loss": value}))
            if states and states.due and not (timetable.is_last and timetable.exhausted):
                self._save(parts)
        budget.flush()
        check_weights(module, budget.index, budget.learning_rate)
        if states and timetable.is_last and states.newest != budget.index:
            self._save(parts)
        if stopping:
            stopping.keep_best()
        else:
            for learner in learners.values():
                learner.keep_average()

    def _train_epoch(self, learners: dict[str, Learner], parts: dict[str, Part]) -> None:
        """Take the steps up to the end of the epoch, or of the phase."""
        timetable, budget, step, states, ranks = self._timetable, self._budget, self._step, self._states, self._ranks
        order = torch.randperm(len(self._data.train), generator=generator(self._seed, f"epoch {budget.epoch}"))
        batches = order.to(self._valid.device).split(budget.batch_size)
        for batch in batches[budget.index % budget.per_epoch :]:
            began = time.perf_counter()
            learner = learners[timetable.player.name]
            step.index, step.epoch, step.progress = budget.index, budget.epoch, timetable.progress
            budget.learning_rate = learner.set_rate(step.progress)
            index, weight = ranks.shard(batch)
            x = self._train(index)
            y = None if self._labels is None else self._labels.index_select(0, index)
            losses = self._losses(learner, bernoulli(x, self._draws) if self._bits else x, y, self._draws)
            ranks.average(self._synchronised, weight)
            learner.differentiate(losses["loss"])
            if ranks.count > 1:
                losses = {name: value.detach().clone() for name, value in losses.items()}
                ranks.average([*learner.gradients, *losses.values()], weight)
                self._interruption.share(ranks.agree)
            learner.update()
            budget.costs.setdefault(learner.name, Cost()).add(time.perf_counter() - began)
            budget.step(self._module, **self._logged(learner, losses))
            if timetable.exhausted or budget.index % budget.per_epoch == 0:
                break  # validation and checkpoint at the end of an epoch follow its last step
            if states and states.due:
                self._save(parts)

    def _logged(self, learner: Learner, values: dict[str, Any]) -> dict[str, Any]:
        """Return values under the names that they have in the log: with the player's, if the model has several."""
        return {f"{learner.name}.{name}": value for name, value in values.items()} if self._several else values

    def _losses(self, learner: Learner, x: Tensor, y: Tensor | None, draws: Generator) -> dict[str, Tensor]:
        """Return the plugin's losses of a player on a batch, checked once, in the precision of its settings."""
        reduced = learner.settings.precision == "bf16"
        with _autocast(x.device, self._plugin) if reduced else contextlib.nullcontext():
            losses: dict[str, Tensor] = self._plugin.hooks.loss(
                model=self._module, x=x, generator=draws, step=self._step, player=learner.name, y=y
            )
        if not learner.checked:
            _check_losses(losses, self._plugin)
            learner.checked = True
        return {name: value.float() for name, value in losses.items()} if reduced else losses

    def _validate(self, learner: Learner) -> float:
        """Return the mean loss over the validation split in evaluation mode, with the same draws at every epoch."""
        draws, size = generator(self._seed, "validation", self._valid.device), self._budget.batch_size
        labels = repeat(None) if self._valid_labels is None else self._valid_labels.split(size)
        total = 0.0
        self._module.eval()
        with torch.no_grad():
            for x, y in zip(self._valid.split(size), labels, strict=False):
                shown = bernoulli(x, draws) if self._bits else x
                total += self._losses(learner, shown, y, draws)["loss"].item() * len(x)
        set_mode(self._module, self._timetable.phase)
        return total / len(self._valid)

    def _parts(self, learners: dict[str, Learner], stopping: _EarlyStopping | None) -> dict[str, Part]:
        """Return everything that changes from step to step, by name; that of several players with their names."""
        found: dict[str, Part] = {
            "module": ModuleState(self._module),
            "random": RandomState(self._draws),
            "budget": self._budget,
            "timetable": self._timetable,
        }
        for name, learner in learners.items():
            found |= {f"{part} of {name}" if len(learners) > 1 else part: each for part, each in learner.parts.items()}
        if self._ranks.count > 1:
            own: dict[str, Part] = {"buffers": BufferState(self._module), "random": found["random"]}
            found["ranks"] = RankStates(self._ranks, own)
        return found | ({"stopping": stopping} if stopping else {})

    def _save(self, parts: dict[str, Part]) -> None:
        """Save a checkpoint, after checking that the weights are finite."""
        check_weights(self._module, self._budget.index, self._budget.learning_rate)
        if self._states:
            self._states.save(parts, self._budget.index)


@contextlib.contextmanager
def _autocast(device: torch.device, plugin: Plugin) -> Iterator[None]:
    """Compute products in bfloat16 inside the block; an error of mixed precisions names the setting."""
    try:
        with torch.autocast(device.type, torch.bfloat16):
            yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ConfigError(
            f"The loss of {plugin.source} cannot be computed with train.precision=bf16 ({error}); use float32."
        ) from error


def _examples(data: Data, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return a function from indices to standardised training examples on the device; it copies only the batch."""
    is_double = data.train.dtype == torch.float64
    train = (data.standardise(data.train) if is_double else data.train).to(device)
    if data.standardisation is None or is_double:
        return lambda index: train.index_select(0, index)
    offset, scale = (value.to(device) for value in data.standardisation)
    scale = torch.where(scale > 0, scale, 1.0)  # constant columns
    return lambda index: (train.index_select(0, index) - offset) / scale


class _EarlyStopping:
    """Keeps the best weights, and stops after `patience` epochs without a better validation loss."""

    def __init__(self, patience: int, module: nn.Module) -> None:
        self._patience = patience
        self._module = module
        self._best = math.inf
        self._waited = 0
        self._weights: dict[str, Tensor] = {}

    def update(self, value: float) -> bool:
        """Record the validation loss of the module's current weights; return True to stop."""
        if value < self._best:
            self._best, self._waited = value, 0
            self._weights = {key: tensor.clone() for key, tensor in self._module.state_dict().items()}
        else:
            self._waited += 1
        return self._waited >= self._patience

    def keep_best(self) -> None:
        """Load the best weights into the module."""
        if self._weights:
            self._module.load_state_dict(self._weights)

    def state(self) -> State:
        """Return the best weights so far, their loss, and the number of epochs since."""
        return State(self._weights, {"best": self._best if self._weights else None, "waited": self._waited})

    def restore(self, state: State) -> None:
        """Restore saved best weights."""
        self._best = math.inf if state.facts["best"] is None else state.facts["best"]
        self._waited = state.facts["waited"]
        self._weights = {name: value.clone() for name, value in state.tensors.items()}


def _check_losses(losses: Any, plugin: Plugin) -> None:
    """Check the return value of `loss` at a player's first step; later steps only check that it is finite."""
    where = f"The hook 'loss' of {plugin.source}"
    if not isinstance(losses, dict) or "loss" not in losses:
        raise PluginError(f"{where} must return a dictionary with the key 'loss', got {losses!r:.80}.")
    for name, value in losses.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise PluginError(f"{where} must return scalars, got {name} = {value!r:.80}.")
    if not losses["loss"].requires_grad:
        raise PluginError(f"{where} must return a 'loss' that depends on the parameters, got one without a gradient.")
