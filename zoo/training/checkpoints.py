"""`state.safetensors`: checkpoints of a training, from which it can be resumed after an interruption or a crash.

The process of a comparison imports this module and, unlike its jobs, not torch.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError
from zoo.files.storage import write_atomically, writing
from zoo.runtime.interruption import Interruption
from zoo.scalars import plain

if TYPE_CHECKING:
    from zoo.training.state import Part

FILE = "state.safetensors"


@dataclass(frozen=True)
class CheckpointPolicy:
    """When a run is saved, and where it starts.

    Args:
        every: seconds from one checkpoint to the next; 0 saves after each step.
        keep: how many of the last checkpoints are kept.
        start: the checkpoint to continue from; None starts at the first step.
        allow_changes: continue although data, settings, versions or threads differ from those of the checkpoint.
    """

    every: float = 30.0
    keep: int = 2
    start: Path | None = None
    allow_changes: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "every", plain(self.every))
        object.__setattr__(self, "keep", plain(self.keep))
        if type(self.every) not in (int, float) or not (math.isfinite(self.every) and self.every >= 0):
            raise ConfigError(f"save_every must be a finite number of seconds >= 0, got {self.every!r:.80}.")
        if type(self.keep) is not int:
            raise ConfigError(f"keep must be a whole number of checkpoints >= 1, got {self.keep!r:.80}.")
        if self.keep < 1:
            raise ConfigError(f"keep must be at least 1, got {self.keep}.")


class States:
    """The checkpoints of one run: the newest is `state.safetensors`, earlier ones are `state-STEP.safetensors`.

    Args:
        folder: of the run; None for a rank that contributes to the checkpoints that another one writes.
        saving: when, and how many.
        facts: plain values that each checkpoint carries.
        interruption: a signal that may be pending after a step.
        newest: step of the checkpoint in `state.safetensors`; None if there is none to keep.
        clock: the time in seconds.
    """

    def __init__(
        self,
        folder: Path | None,
        saving: CheckpointPolicy,
        facts: Mapping[str, Any],
        interruption: Interruption,
        newest: int | None,
        clock: Callable[[], float],
    ) -> None:
        self.newest = newest
        self._folder, self._saving, self._facts, self._interruption = folder, saving, facts, interruption
        self._clock, self._next = clock, clock() + saving.every

    @property
    def due(self) -> bool:
        """Whether a checkpoint is due after this step."""
        return self._clock() >= self._next or self._interruption.pending is not None

    def save(self, parts: Mapping[str, Part], step: int) -> None:
        """Write a checkpoint of all parts, then stop if a signal is pending.

        Raises:
            DivergedError: if a loss is not finite; the last checkpoint is kept.
            ZooError: if it cannot be written; the last checkpoint is kept.
            Interrupted: after Ctrl-C or SIGTERM.
        """
        from zoo.files.tensor_file import write
        from zoo.training.state import State

        state = State.of(parts)
        if self._folder:
            if self._saving.keep > 1 and self.newest not in (None, step):
                _set_aside(self._folder / FILE, self._folder / f"state-{self.newest}.safetensors")
            write(self._folder / FILE, state.tensors, {"state": state.facts, "step": step, **self._facts})
            for path in earlier_states(self._folder)[self._saving.keep - 1 :]:
                with writing(path):
                    path.unlink()
        self.newest = step
        self._next = self._clock() + self._saving.every
        self._interruption.stop()


def _set_aside(newest: Path, path: Path) -> None:
    """Give the newest checkpoint a second name, which it keeps when the next one takes the first."""
    try:
        os.link(newest, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        with writing(path):
            write_atomically(path, newest.read_bytes())


def newest_state(folder: Path) -> Path | None:
    """Return the newest checkpoint, if there is one."""
    return folder / FILE if (folder / FILE).exists() else None


def remove_states(folder: Path) -> None:
    """Remove every checkpoint of a run."""
    for path in [folder / FILE, *earlier_states(folder)]:
        with writing(path):
            path.unlink(missing_ok=True)


def earlier_states(folder: Path) -> list[Path]:
    """Return the checkpoints before the newest, the latest first."""
    numbered = ((path.stem.removeprefix("state-"), path) for path in folder.glob("state-*.safetensors"))
    return [path for _, path in sorted(((int(n), path) for n, path in numbered if n.isdecimal()), reverse=True)]
