"""Who may stand in a comparison: a contestant to be trained, a finished run, samples from outside, or real images."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo.contestant import Contestant, check_text, parse_contestant
from zoo.errors import ConfigError

Role = Literal["contestant", "control", "real"]
Kind = Literal["trained", "run", "samples", "real"]

REAL = "real"
_SAMPLES = "samples:"


@dataclass(frozen=True)
class PlannedRow:
    """A row of the table.

    Attributes:
        text: as it was typed; its label.
        kind: what is done with it: `trained` here; a finished `run` or `samples` from outside, evaluated only; `real`.
        role: `contestant`, `control`, or `real`.
        contestant: what is trained, for that kind.
        source: the run's folder or model file, or the file of samples.
        options: settings of a finished run's sampling and likelihood, where they are not to be its own.
    """

    text: str
    kind: Kind
    role: Role = "contestant"
    contestant: Contestant | None = None
    source: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def parse_row(text: str, role: Role = "contestant", base: Path = Path()) -> PlannedRow:
    """`NAME[@DENSITY][:KEY=VALUE,…]`, `PATH[:sample.KEY=VALUE,…]` of a run or a model file, or `samples:FILE`.

    Args:
        text: what was typed.
        role: of the row.
        base: from where a relative path leads.

    Raises:
        ConfigError: if it is none of these.
    """
    check_text(text)
    if text == REAL:
        raise ConfigError(f"{REAL!r} is the row of real images, which every comparison has; leave it out.")
    if text.startswith(_SAMPLES):
        return PlannedRow(text, "samples", role, source=_existing(base, text.removeprefix(_SAMPLES), text))
    path, _, settings = text.partition(":") if "=" in text else (text, "", "")
    if path.endswith(".safetensors"):
        return PlannedRow(text, "run", role, source=_existing(base, path, text), options=_options(settings, path))
    if "/" in path and _is_folder(base / path):
        return PlannedRow(text, "run", role, source=base / path, options=_options(settings, path))
    return PlannedRow(text, "trained", role, parse_contestant(text))


def _options(settings: str, path: str) -> Mapping[str, Any]:
    if not settings:
        return {}
    parsed = parse_contestant(f"run:{settings}")
    if parsed.config or parsed.training:
        raise ConfigError(f"{path} is trained already; of its settings only those of 'sample.' can change: {settings}")
    return parsed.options


def _existing(base: Path, name: str, text: str) -> Path:
    with contextlib.suppress(OSError, RuntimeError):  # a name too long, a folder without permission, no such home
        if name and (path := base / Path(name).expanduser()).exists():
            return path
    raise ConfigError(f"{text!r} names a file that does not exist; give its path from here, or the whole one.")


def _is_folder(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_dir()
    return False
