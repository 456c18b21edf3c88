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


_DAMAGED = "…state.safetensors is damaged or not a genzoo file; restore it from a copy, or train again."
_CHANGED = (
    "…state.safetensors was saved under other conditions: {}. Continue from it, though not bit-identically, with "
    "--allow-changes (allow_changes=True)."
)

WRONG_RUNS = [
    WrongRun(
        "no run",
        "train --resume RUN/..",
        "… is not a run folder: run.json cannot be read (No such file or directory).",
    ),
    WrongRun(
        "a run.json of something else",
        "train --resume RUN",
        "…run.json does not say what was trained; only runs started with zoo train can be resumed.",
        lambda run: (run / "run.json").write_text("[1]"),
    ),
    WrongRun("a damaged checkpoint", "train --resume RUN", _DAMAGED, _damage_alone),
    WrongRun(
        "a damaged checkpoint with an earlier one",
        "train --resume RUN",
        f"{_DAMAGED} An earlier checkpoint: zoo train --resume …state-2.safetensors.",
        _damage,
    ),
    WrongRun(
        "a model instead of a checkpoint",
        "train --resume RUN/model.safetensors",
        "…model.safetensors is a trained model, not a checkpoint; resume its folder: ….",
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
        "a truncated log",
        "train --resume RUN",
        _CHANGED.format("metrics.jsonl … bytes then, 0 now"),
        lambda run: (run / "metrics.jsonl").write_text(""),
    ),
    WrongRun(
        "a model of another shape",
        "train vae:latent_dim=3,hidden=[3] --resume RUN --allow-changes",
        "The checkpoint does not match the model (…: (…) instead of (3, …); …); install the plugin version that saved "
        "it.",
    ),
    WrongRun(
        "another seed",
        "train --resume RUN --seed 1",
        "A resumed run keeps its seed and folder; remove --seed and --out.",
        code=2,
    ),
    WrongRun(
        "weights for a resumed run",
        "train --resume RUN --weights RUN",
        "A resumed run keeps the weights that it was started with; remove --weights.",
        code=2,
    ),
    WrongRun(
        "weights of another model",
        "train rbm --data bars-and-stripes:3 --weights RUN",
        "The weights must be those of zoo-rbm/rbm, got zoo-vae/vae in …model.safetensors; train vae, or give a run of "
        "rbm.",
        code=2,
    ),
    WrongRun(
        "weights of a model with other settings",
        "train vae:latent_dim=3,hidden=[3] --weights RUN",
        "The weights of …model.safetensors do not fit: latent_dim 2 there, 3 here. Only settings of the training and "
        "sampling, and of its objective (beta, warmup, free_bits, k, resample), may differ, and the data must have the "
        "same shape.",
        code=2,
    ),
    WrongRun(
        "an invalid interval between checkpoints",
        "train vae --save-every nan",
        "save_every must be a finite number of seconds >= 0, got nan.",
        code=2,
    ),
    WrongRun(
        "no checkpoint to keep",
        "train vae --keep 0",
        "keep must be at least 1, got 0.",
        code=2,
    ),
    WrongRun(
        "an unfinished run instead of a model",
        "sample RUN -n 1 -o RUN/x.npy",
        "… does not contain a model; model.safetensors is written when the run finishes: zoo train --resume ….",
        lambda run: (run / "model.safetensors").unlink(),
    ),
    WrongRun(
        "a checkpoint instead of a model",
        "sample RUN/state.safetensors -n 1 -o RUN/x.npy",
        "…state.safetensors is a training checkpoint, not a model; finish the run: zoo train --resume ….",
    ),
    WrongRun(
        "no comparison",
        "compare --resume RUN",
        "… is not the folder of a comparison: plan.json cannot be read (No such file or directory).",
    ),
    WrongRun(
        "a plan.json of something else",
        "compare --resume RUN",
        "…plan.json does not say what was compared; start a new comparison.",
        lambda run: (run / "plan.json").write_text("[1]"),
    ),
    WrongRun(
        "other contestants for a resumed comparison",
        "compare vae --resume RUN",
        "A resumed comparison keeps its contestants, seeds, budget, device, features and n; remove them, or start a "
        "new one.",
        code=2,
    ),
    WrongRun(
        "a training that diverges",
        "train vae:train.learning_rate=1e30 --steps 30 --save-every 0 --out RUN",
        "The training diverged: … is … at step …; lower the learning rate (train.learning_rate, now …). The last "
        "finite checkpoint is kept; resume it: zoo train CONTESTANT --resume … --allow-changes.",
        code=6,
    ),
]
