"""Who may stand in a comparison: a contestant to be trained, a finished run, samples from outside, or real images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.contestant import Contestant, parse_contestant
from zoo.errors import ConfigError

Role = Literal["contestant", "control", "real"]
Kind = Literal["trained", "run", "samples", "real"]

REAL = "real"
_SAMPLES = "samples:"


@dataclass(frozen=True)
class Entrant:
    """A row of the table.

    Attributes:
        text: as it was typed; its label.
        kind: what is done with it: `trained` here; a finished `run` or `samples` from outside, evaluated only; `real`.
        role: `contestant`, `control`, or `real`.
        contestant: what is trained, for that kind.
        source: the run's folder or model file, or the file of samples.
    """

    text: str
    kind: Kind
    role: Role = "contestant"
    contestant: Contestant | None = None
    source: Path | None = None


def parse_entrant(text: str, role: Role = "contestant") -> Entrant:
    """`NAME[@DENSITY][:KEY=VALUE,…]`, the path of a run or a model file, or `samples:FILE`.

    Raises:
        ConfigError: if it is none of these.
    """
    if text == REAL:
        raise ConfigError(f"{REAL!r} is the row of real images, which every comparison has; leave it out.")
    if text.startswith(_SAMPLES):
        return Entrant(text, "samples", role, source=_existing(text.removeprefix(_SAMPLES), text))
    if text.endswith(".safetensors"):
        return Entrant(text, "run", role, source=_existing(text, text))
    if "/" in text and Path(text).is_dir():
        return Entrant(text, "run", role, source=Path(text))
    return Entrant(text, "trained", role, parse_contestant(text))


def _existing(name: str, text: str) -> Path:
    path = Path(name).expanduser()
    if not name or not path.exists():
        raise ConfigError(f"{text!r} names a file that does not exist; give its path from here, or the whole one.")
    return path
