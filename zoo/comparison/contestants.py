"""Rows of a comparison before it runs: contestants to train, finished runs, samples made elsewhere, real images."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo.contestant import Contestant, check_text, parse_contestant, parse_settings
from zoo.data.paths import before_colon, has_slash, split_path
from zoo.errors import ConfigError

Role = Literal["contestant", "control", "real"]
Kind = Literal["trained", "run", "samples", "real"]

REAL = "real"
CONTROLS = "zoo.controls"
_SAMPLES = "samples:"


@dataclass(frozen=True)
class PlannedRow:
    """A row of the table.

    Attributes:
        text: as it was typed; its label.
        kind: `trained` here; a finished `run` or `samples` made elsewhere, which are evaluated only; or `real` images.
        role: `contestant`, `control`, or `real`.
        contestant: what is trained, for that kind.
        source: the run's folder or model file, or the file of samples.
        options: sampling and likelihood settings of a finished run that replace its own.
        reading: options with which the file of samples is read.
    """

    text: str
    kind: Kind
    role: Role = "contestant"
    contestant: Contestant | None = None
    source: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    reading: str = ""

    @property
    def place(self) -> str:
        """The absolute path of a run or samples, with the options of the latter."""
        assert self.source
        path = str(self.source.absolute())
        return f"{path}:{self.reading}" if self.reading else path


def parse_row(text: str, base: Path = Path()) -> PlannedRow:
    """Parse `NAME[@DENSITY][:KEY=VALUE,…]`, `PATH[:sample.KEY=VALUE,…]` of a run, or `samples:FILE[:KEY=VALUE,…]`.

    Args:
        text: as typed.
        base: the folder that relative paths start from.

    Raises:
        ConfigError: for anything else.
    """
    check_text(text)
    if text == REAL:
        raise ConfigError(f"{REAL!r} is the row of real images, which every comparison has; remove it.")
    if text.startswith(_SAMPLES):
        path, reading = split_path(text.removeprefix(_SAMPLES))
        return PlannedRow(text, "samples", source=_existing(base, path, text), reading=reading)
    path, settings = before_colon(text) if "=" in text else (text, "")
    if path.endswith(".safetensors"):
        return PlannedRow(text, "run", source=_existing(base, path, text), options=_options(settings, path))
    if has_slash(path) and _is_folder(base / path):
        return PlannedRow(text, "run", source=base / path, options=_options(settings, path))
    return PlannedRow(text, "trained", contestant=parse_contestant(text))


def control_row(name: str, label: str) -> PlannedRow:
    """Return the row of a control: a model of the group `zoo.controls`, so that its name is never a plugin's."""
    return PlannedRow(label, "trained", "control", Contestant(label, name, group=CONTROLS))


def _options(settings: str, path: str) -> Mapping[str, Any]:
    options: dict[str, Any] = parse_settings(settings, f"{path}:{settings}")
    sampling = options.pop("sample", {})
    if options or not isinstance(sampling, dict):
        raise ConfigError(f"{path} is already trained; only its 'sample.' settings can change, got {settings}.")
    return sampling


def _existing(base: Path, name: str, text: str) -> Path:
    with contextlib.suppress(OSError, RuntimeError):  # a name too long, a folder without permission, no such home
        if name and (path := base / Path(name).expanduser()).exists():
            return path
    raise ConfigError(f"{text!r} names a file that does not exist; give its path relative to this folder, or absolute.")


def _is_folder(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_dir()
    return False
