"""`state.safetensors`: a training saves itself while it goes on, and goes on from there after whatever ended it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.files.storage import write_atomically, writing
from zoo.files.tensor_file import write
from zoo.runtime.interruption import Interruption
from zoo.training.budget import check_save_every
from zoo.training.state import Part, State

FILE = "state.safetensors"


@dataclass(frozen=True)
class CheckpointPolicy:
    """How a run saves its state.

    Args:
        every: seconds from one state to the next; 0 saves after each step.
        keep: how many of the last states stay.
        begin: the state file to go on from; None begins at the first step.
        allow_changes: go on from it although something differs that it depends on.
    """

    every: float = 30.0
    keep: int = 2
    begin: Path | None = None
    allow_changes: bool = False

    def __post_init__(self) -> None:
        check_save_every(self.every)
        if self.keep < 1:
            raise ConfigError(f"A run keeps its last state at least, got {self.keep} states to keep; give 1 or more.")


class States:
    """The states of one run: `state.safetensors`, and before it `state-STEP.safetensors`.

    Args:
        folder: of the run.
        saving: when, and how many.
        facts: plain values that each state file carries.
        interruption: what may have to be obeyed after a step.
        newest: step of the state in `state.safetensors`; None if there is none, or none to keep.
    """

    def __init__(
        self,
        folder: Path,
        saving: CheckpointPolicy,
        facts: Mapping[str, Any],
        interruption: Interruption,
        newest: int | None,
    ) -> None:
        self.newest = newest
        self._folder, self._saving, self._facts, self._interruption = folder, saving, facts, interruption
        self._next = time.monotonic() + saving.every

    @property
    def due(self) -> bool:
        """Whether the state has to be saved after this step."""
        return time.monotonic() >= self._next or self._interruption.pending is not None

    def save(self, parts: Mapping[str, Part], step: int) -> None:
        """Write the state of all parts, then stop if a signal asks for it.

        Raises:
            DivergedError: if a loss is not finite; the last state stays.
            ZooError: if it cannot be written; the last state stays.
            Interrupted: after Ctrl-C or SIGTERM.
        """
        state = State.of(parts)
        if self._saving.keep > 1 and self.newest not in (None, step):
            self._set_aside(self._folder / f"state-{self.newest}.safetensors")
        write(self._folder / FILE, state.tensors, {"state": state.facts, "step": step, **self._facts})
        self.newest = step
        for path in earlier_states(self._folder)[self._saving.keep - 1 :]:
            with writing(path):
                path.unlink()
        self._next = time.monotonic() + self._saving.every
        self._interruption.stop()

    def _set_aside(self, path: Path) -> None:
        """Give the newest state a second name, under which it stays when the next one takes the first."""
        newest = self._folder / FILE
        try:
            os.link(newest, path)
        except FileExistsError:
            pass
        except OSError:  # a disk without second names
            with writing(path):
                write_atomically(path, newest.read_bytes())


def newest_state(folder: Path) -> Path | None:
    """The state to go on from, if one was saved."""
    return folder / FILE if (folder / FILE).exists() else None


def remove_states(folder: Path) -> None:
    """Remove every state: nothing will go on from here."""
    for path in [folder / FILE, *earlier_states(folder)]:
        with writing(path):
            path.unlink(missing_ok=True)


def earlier_states(folder: Path) -> list[Path]:
    """The states before the newest, the latest first."""
    numbered = ((path.stem.removeprefix("state-"), path) for path in folder.glob("state-*.safetensors"))
    return [path for _, path in sorted(((int(n), path) for n, path in numbered if n.isdecimal()), reverse=True)]
