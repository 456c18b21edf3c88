"""Every way in which a run cannot be resumed or used that docs/errors.md shows: what spoils it, what is then said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: what is trained before it is spoilt
CONTESTANT = "vae:latent_dim=2,hidden=[3]"


@dataclass(frozen=True)
class WrongRun:
    """A situation, the words of the command (`RUN` is the folder), the message, and what happens to the run before."""

    situation: str
    words: str
    message: str
    spoil: Callable[[Path], object] = lambda run: None
    code: int = 5

    def __str__(self) -> str:
        return self.situation


def _damage(run: Path) -> None:
    """Flip a bit of the last state."""
    content = bytearray((run / "state.safetensors").read_bytes())
    content[-1] ^= 1
    (run / "state.safetensors").write_bytes(content)


def _damage_alone(run: Path) -> None:
    _damage(run)
    (run / "state-2.safetensors").unlink()


_DAMAGED = "…state.safetensors is damaged or no file of the zoo; restore it from a copy, or train again."
_CHANGED = (
    "…state.safetensors was saved by another training: {}. Go on with it all the same, and not bit-identically, with "
    "--allow-changes (allow_changes=True)."
)

WRONG_RUNS = [
    WrongRun(
        "no run",
        "train --resume RUN/..",
        "… is no run folder: run.json cannot be read (No such file or directory).",
    ),
    WrongRun(
        "a run.json of something else",
        "train --resume RUN",
        "…run.json does not say what was trained; only what zoo train has begun can be resumed.",
        lambda run: (run / "run.json").write_text("[1]"),
    ),
    WrongRun("a damaged state", "train --resume RUN", _DAMAGED, _damage_alone),
    WrongRun(
        "a damaged state, and one before it",
        "train --resume RUN",
        f"{_DAMAGED} An earlier state: zoo train --resume …state-2.safetensors.",
        _damage,
    ),
    WrongRun(
        "a model in the place of a state",
        "train --resume RUN/model.safetensors",
        "…model.safetensors is the model of a training, not its state; resume its folder: ….",
    ),
    WrongRun(
        "another setting",
        f"train {CONTESTANT},beta=2.0 --resume RUN",
        _CHANGED.format("config.beta 1.0 then, 2.0 now"),
    ),
    WrongRun(
        "other data",
        "train --resume RUN --data bars-and-stripes:3",
        _CHANGED.format("data … then, … now"),
    ),
    WrongRun(
        "another budget",
        "train --resume RUN --steps 4",
        _CHANGED.format("budget 3 steps then, 4 steps now"),
    ),
    WrongRun(
        "a log that has lost lines",
        "train --resume RUN",
        _CHANGED.format("metrics.jsonl … bytes then, 0 now"),
        lambda run: (run / "metrics.jsonl").write_text(""),
    ),
    WrongRun(
        "a model of another shape",
        "train vae:latent_dim=3,hidden=[3] --resume RUN --allow-changes",
        "The state does not fit the model (…: here (3, …), there (…); …); install the plugin's version that it was "
        "made with.",
    ),
    WrongRun(
        "another seed",
        "train --resume RUN --seed 1",
        "A run goes on with its seed and in its folder; leave out --seed and --out.",
        code=2,
    ),
    WrongRun(
        "a time between states that is none",
        "train vae --save-every nan",
        "A state is saved every so many seconds, a finite number from 0 on, got nan.",
        code=2,
    ),
    WrongRun(
        "no state to keep",
        "train vae --keep 0",
        "A run keeps its last state at least, got 0 states to keep; give 1 or more.",
        code=2,
    ),
    WrongRun(
        "a run that is not done, as a model",
        "sample RUN -n 1 -o RUN/x.npy",
        "… holds no model; a run has model.safetensors once it is done: zoo train --resume ….",
        lambda run: (run / "model.safetensors").unlink(),
    ),
    WrongRun(
        "a state in the place of a model",
        "sample RUN/state.safetensors -n 1 -o RUN/x.npy",
        "…state.safetensors is the state of a training; make its model: zoo train --resume ….",
    ),
    WrongRun(
        "no comparison",
        "compare --resume RUN",
        "… is no folder of a comparison: plan.json cannot be read (No such file or directory).",
    ),
    WrongRun(
        "a plan.json of something else",
        "compare --resume RUN",
        "…plan.json does not say what was compared; begin a new comparison.",
        lambda run: (run / "plan.json").write_text("[1]"),
    ),
    WrongRun(
        "another comparison",
        "compare vae --resume RUN",
        "A comparison goes on with its own contestants, seeds, budget and device; leave them out, or begin a new one.",
        code=2,
    ),
    WrongRun(
        "a training that diverges",
        "train vae:train.learning_rate=1e30 --steps 30 --save-every 0 --out RUN",
        "The training diverged: … is … at step …; lower the learning rate (train.learning_rate, now …). The last "
        "finite state is kept; go on from it: zoo train CONTESTANT --resume … --allow-changes.",
        code=6,
    ),
]
