"""`TrackedRun`: what a tracker is told about a run when it begins. Imports only the standard library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Setting = str | int | float | bool


@dataclass(frozen=True)
class TrackedRun:
    """One training, or one measurement of a finished run or of samples.

    Attributes:
        name: unique within a command, parts joined by slashes: `vae-digits-1`, or `compare-digits-1/vae/seed-0`.
        folder: the run folder, absolute, where a tracker may make files in a folder of its own name; None for none.
        settings: what was asked for, by name: contestants, seed, budget, device and changed settings.
    """

    name: str
    folder: Path | None
    settings: Mapping[str, Setting]
