"""`Timetable`: which phase a training is in, whose turn it is, and how much of the phase's budget is used."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.contract.training import Phase, Player
from zoo.errors import CheckpointError
from zoo.training.meter import Meter
from zoo.training.state import State


class Timetable:
    """The phases of a training, in order, each with its share of the budget.

    Phase i of n steps in all has n (c_i - c_{i-1}) of them, rounded at both ends, c_i being the share of the first i
    phases together. The player whose turn it is follows from the number of steps since the phase began.

    Args:
        phases: the phases.
        budget: counts the steps; its `stopped` ends the current phase before its budget is used up.
    """

    def __init__(self, phases: Sequence[Phase], budget: Meter) -> None:
        self._phases, self._budget = phases, budget
        self._enter(0, (0, 0.0))

    @property
    def phase(self) -> Phase:
        """The current phase."""
        return self._phases[self._number]

    @property
    def is_first(self) -> bool:
        """Whether this is the first phase."""
        return self._number == 0

    @property
    def is_last(self) -> bool:
        """Whether no phase follows."""
        return self._number + 1 == len(self._phases)

    @property
    def player(self) -> Player:
        """The player whose turn it is."""
        return self._turns[(self._budget.index - self._began[0]) % len(self._turns)]

    @property
    def progress(self) -> float:
        """Used share of the budget of the phase, in [0, 1]."""
        budget, (steps, seconds) = self._budget, self._began
        used = budget.seconds - seconds if budget.steps is None else budget.index - steps
        return min(used / self._length, 1.0) if self._length else 1.0

    @property
    def exhausted(self) -> bool:
        """Whether the phase must end."""
        return self._budget.exhausted or self.progress >= 1.0

    def advance(self) -> None:
        """Begin the next phase."""
        self._enter(self._number + 1, (self._budget.index, self._budget.seconds))
        self._budget.stopped = False

    def state(self) -> State:
        """Return the phase and its beginning."""
        steps, seconds = self._began
        return State(facts={"phase": self.phase.name, "steps": steps, "seconds": seconds})

    def restore(self, state: State) -> None:
        """Restore a saved state.

        Raises:
            CheckpointError: if there is no phase of that name.
        """
        names = [phase.name for phase in self._phases]
        if state.facts["phase"] not in names:
            raise CheckpointError(
                f"The checkpoint is in the phase {state.facts['phase']!r}, but the phases of the model are "
                f"{', '.join(names)}; install the plugin version that saved it."
            )
        self._enter(names.index(state.facts["phase"]), (state.facts["steps"], state.facts["seconds"]))

    def _enter(self, number: int, began: tuple[int, float]) -> None:
        """Set the phase, and the steps and seconds at its beginning."""
        self._number, self._began = number, began
        self._length = self._until(number) - self._until(number - 1)
        self._turns = [player for player in self.phase.players for _ in range(player.steps)]

    def _until(self, number: int) -> float:
        """Steps or seconds of all phases up to this one, as planned."""
        share = sum(phase.share for phase in self._phases[: number + 1]) / sum(phase.share for phase in self._phases)
        steps = self._budget.steps
        return self._budget.amount.value * share if steps is None else int(steps * share + 0.5)
