"""The meter of a training: it counts steps, logs losses, and measures how much of the budget is used."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.errors import ConfigError, PluginError
from zoo.runtime.ranks import ALONE
from zoo.training.budget import TrainingBudget
from zoo.training.divergence import check_values
from zoo.training.log import Log, Report
from zoo.training.state import State

_LIVE = 0.5  # seconds between live reports inside a long epoch

Progress = Callable[[Report], None]


@dataclass
class Step:
    """The progress of training when `loss` is called.

    Attributes:
        index: number of updates so far, 0 at the first.
        epoch: complete passes through the training split so far, 0 during the first.
        progress: used share of the budget of the phase, in [0, 1].
        phase: name of the phase; "training" for a card without phases.
    """

    index: int = 0
    epoch: int = 0
    progress: float = 0.0
    phase: str = "training"


@dataclass
class Cost:
    """The steps of a player and the time that they took, without validation and checkpoints.

    The clock is the host's: a GPU runs behind it, so that there the division among players is approximate.
    """

    steps: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one step."""
        self.steps += 1
        self.seconds += seconds

    @property
    def milliseconds(self) -> float:
        """Mean time of a step."""
        return 1000 * self.seconds / self.steps


class Meter:
    """The meter of a training: counts steps, logs losses, measures how much of the budget is used.

    Used by the core's loop and by a plugin's `fit`: call `step` after every update on a batch, or
    `whole_pass` after one on all examples, until it is `exhausted`.

    Attributes:
        amount: the training budget.
        batch_size: examples per step.
        per_epoch: number of steps in one pass through the training split.
        steps: number of steps in the budget; None for a budget of time.
        index: number of steps so far.
    """

    def __init__(
        self,
        amount: TrainingBudget,
        examples: int,
        batch_size: int,
        folder: Path | None = None,
        progress: Progress | None = None,
        clock: Callable[[], float] = ALONE.clock,
    ) -> None:
        self.amount = amount
        self.batch_size = batch_size
        self.per_epoch = math.ceil(examples / batch_size)
        self.steps = _steps(amount, self.per_epoch)
        self.index = 0
        self.learning_rate = 0.0
        self.stopped = False
        self.costs: dict[str, Cost] = {}
        self._clock = clock
        self._log = Log(folder)
        self._progress = progress
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._count = 0
        self._used = 0.0  # seconds of earlier attempts
        self._start: float | None = None
        self._shown = clock()

    def start(self) -> None:
        """Start the clock, unless it runs: set-up before the first step, or the first resumed one, is not counted."""
        if self._start is None:
            self._start = self._shown = self._clock()

    @property
    def epoch(self) -> int:
        """Complete passes through the training split so far."""
        return self.index // self.per_epoch

    @property
    def seconds(self) -> float:
        """Time since the clock was started, by `start` or the first look at it, and that of earlier attempts."""
        self.start()
        assert self._start is not None
        return self._used + self._clock() - self._start

    @property
    def progress(self) -> float:
        """Used share of the budget, in [0, 1]."""
        used = self.seconds / self.amount.value if self.steps is None else self.index / self.steps
        return min(used, 1.0)

    @property
    def exhausted(self) -> bool:
        """Whether training must stop.

        Raises:
            ConfigError: if the budget is used up before the first step, so that nothing would be trained.
        """
        used_up = self.progress >= 1.0
        if used_up and self.index == 0:
            raise ConfigError(f"The budget of {self.amount} was used up before the first step; give a larger one.")
        return self.stopped or used_up

    def step(self, model: nn.Module, **losses: Tensor | float) -> None:
        """Count one update and log its losses (scalars).

        Raises:
            PluginError: if the budget, which is the same for every contestant, is already used up.
            DivergedError: if a loss is nan or infinite; checked at the end of each epoch and before each checkpoint.
        """
        if self.index == self.steps:
            raise PluginError(
                f"The budget of {self.amount} ({self.steps} steps) is used up; fit must stop when budget.exhausted is "
                "true."
            )
        self.index += 1
        self._count += 1
        for name, value in losses.items():
            value = value.detach() if isinstance(value, Tensor) else torch.tensor(float(value))
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1
        if self.index % self.per_epoch == 0:
            self.flush()
        elif self._progress and self._clock() - self._shown > _LIVE:
            self._show(self._report())

    def whole_pass(self, model: nn.Module, **losses: Tensor | float) -> None:
        """Count an update that has looked at every example, such as a pass of EM: the steps to the end of the epoch.

        Raises as `step`.
        """
        for number in range(self.per_epoch - self.index % self.per_epoch):
            if number and self.index == self.steps:
                break
            self.step(model, **losses)

    def step_ms(self) -> dict[str, float]:
        """Return the mean time of a step in milliseconds under the key `all`, and that of each of several players."""
        if not self.costs:  # a plugin's own fit, whose steps are timed from one to the next
            return {"all": 1000 * self.seconds / self.index} if self.index else {}
        every = Cost(sum(each.steps for each in self.costs.values()), sum(each.seconds for each in self.costs.values()))
        single = self.costs if len(self.costs) > 1 else {}
        return {"all": every.milliseconds} | {player: cost.milliseconds for player, cost in single.items()}

    def flush(self, **validation: float) -> None:
        """Write the mean losses since the last flush as one line of the log, and report it."""
        if self._count == 0 and not validation:
            return
        report = self._report(validation)
        self._log.write(report)
        self._sums, self._counts, self._count = {}, {}, 0
        self._show(report)

    def state(self) -> State:
        """Return the used budget and the losses not yet logged, after syncing the log to disk.

        Raises:
            DivergedError: if a loss since the last line is nan or infinite.
        """
        self._report()
        facts = {
            "steps": self.index,
            "seconds": self.seconds,
            "stopped": self.stopped,
            "losses": list(self._sums),
            "counts": list(self._counts.values()),
            "count": self._count,
            "costs": {player: [cost.steps, cost.seconds] for player, cost in self.costs.items()},
            "log": self._log.settle(),
        }
        return State({str(number): total for number, total in enumerate(self._sums.values())}, facts)

    def restore(self, state: State) -> None:
        """Restore a saved state, and truncate the log to its length at that time."""
        self.index, self.stopped, self._count = (state.facts[key] for key in ("steps", "stopped", "count"))
        self._used, self._start = state.facts["seconds"], None
        names: list[str] = state.facts["losses"]
        self._sums = {name: state.tensors[str(number)].clone() for number, name in enumerate(names)}
        counts = state.facts.get("counts", [self._count] * len(names))  # absent from states of version 0.1
        self._counts = dict(zip(names, counts, strict=True))
        self.costs = {player: Cost(*cost) for player, cost in state.facts.get("costs", {}).items()}
        self._log.cut(state.facts["log"])

    def _show(self, report: Report) -> None:
        self._shown = self._clock()
        if self._progress:
            self._progress(report)

    def _report(self, validation: dict[str, float] | None = None) -> Report:
        losses = {name: (total / self._counts[name]).item() for name, total in self._sums.items()} | (validation or {})
        check_values(losses, self.index, self.learning_rate)
        return Report(self.epoch, self.index, self.seconds, self.progress, self.learning_rate, losses)


Budget = Meter  # public name in version 0.1 of the contract


def _steps(amount: TrainingBudget, per_epoch: int) -> int | None:
    """Return the number of updates in a budget; None for a budget of time."""
    if amount.unit == "seconds":
        return None
    return max(1, round(amount.value * per_epoch)) if amount.unit == "epochs" else int(amount.value)
