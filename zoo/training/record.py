"""`run.json`: the description of a run, written before its first step so that it can be resumed, and how it ended."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, DivergedError, ZooError
from zoo.files.storage import write_atomically

if TYPE_CHECKING:
    from zoo.training.meter import Meter

FILE = "run.json"


class Record:
    """Writes the `run.json` of a run, or nothing without a folder.

    Args:
        folder: of the run.
        facts: plain values that are known from the start.
    """

    def __init__(self, folder: Path | None, facts: Mapping[str, Any]) -> None:
        self._folder, self._facts = folder, facts

    def begin(self) -> None:
        """Write `run.json` with the status `training`."""
        self._write("training")

    @contextlib.contextmanager
    def ending(self, meter: Meter) -> Iterator[None]:
        """Context manager for the training: sets its status to `trained`, `diverged`, `interrupted` or `failed`."""
        status = "failed"
        try:
            yield
            status = "trained"
        except DivergedError:
            status = "diverged"
            raise
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            with contextlib.nullcontext() if status == "trained" else contextlib.suppress(ZooError):
                self._write(status, seconds=meter.seconds, steps=meter.index, step_ms=meter.step_ms())

    def _write(self, status: str, **more: Any) -> None:
        if self._folder:
            facts = {"status": status, **self._facts, **more}
            write_atomically(self._folder / FILE, json.dumps(facts, indent=2).encode())


def cost_in_words(folder: Path) -> str:
    """Return what a step of a run has cost, "600 steps of 1.2 ms (critic 1.1 ms, generator 1.7 ms)"; "" if unknown."""
    facts = json.loads((folder / FILE).read_bytes())
    ms: dict[str, float] = facts.get("step_ms", {})
    if "all" not in ms:
        return ""
    players = ", ".join(f"{player} {value:.3g} ms" for player, value in ms.items() if player != "all")
    return f"{facts['steps']:,} step{'s' if facts['steps'] != 1 else ''} of {ms['all']:.3g} ms" + (
        f" ({players})" if players else ""
    )


def check_unused(folder: Path) -> None:
    """Refuse a folder that already contains a run: its checkpoints and log would be overwritten.

    Raises:
        ConfigError: with the command that resumes that run.
    """
    if (folder / FILE).exists():
        raise ConfigError(f"{folder} already contains a run; resume it with zoo.resume(), or choose another folder.")
