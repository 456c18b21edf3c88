"""Trainings that `test_several_processes.py` starts in two processes, by `python -m tests.two_ranks FOLDER`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

import zoo
from zoo.api import Registry
from zoo.contestant import parse_contestant
from zoo.errors import ConfigError
from zoo.models.model import Model
from zoo.runtime.interruption import Interrupted
from zoo.runtime.ranks import ALONE, LostRankError, Ranks, joined
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy
from zoo.training.resume import RunRecord, plan_resumed
from zoo.training.train import plan, train

STEPS = TrainingBudget(50, "steps")
SHAPED = {  # deterministic, with batches of 7 that two ranks cut into 3 and 4, and 6 and 1 rows at the end of an epoch
    "ae": "ae:latent_dim=2,hidden=[8],train.batch_size=7,train.learning_rate=0.01,train.clip=0.5,train.average=0.9",
    "conditional": "vae:conditional=true,latent_dim=2,hidden=[8],train.batch_size=10,train.learning_rate=0.01",
    "early": "ae:latent_dim=2,hidden=[8],train.batch_size=7,train.learning_rate=0.3,train.patience=2,train.average=0.5",
    "rbm": "rbm:hidden=5,algorithm=cd,k=1,train.batch_size=7",
    "duel": "duel",
}


class Duel(nn.Module):
    """Two weights, and a mean of the data that a loss moves."""

    seen: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.critic, self.maker = (nn.Linear(1, 1, bias=False) for _ in range(2))
        self.register_buffer("seen", torch.zeros(()), persistent=False)


class DuelPlugin:
    """A phase with one player and averaged weights, then two players whose losses depend on each other's weight."""

    card = zoo.Card(
        name="duel",
        summary="two weights against each other",
        config=zoo.Config,
        trains_on="grey",
        latent=None,
        samples="means",
        training=zoo.Training(batch_size=7, learning_rate=0.05),
        synchronised=("seen",),
        phases=(
            zoo.Phase("first", zoo.Player("alone", ("critic",), training=zoo.Training(average=0.5, patience=2))),
            zoo.Phase("second", zoo.Player("critic", steps=2, training=zoo.Training(clip=0.1)), zoo.Player("maker")),
        ),
    )

    @zoo.hookimpl
    def build(self) -> Duel:
        return Duel()

    @zoo.hookimpl
    def loss(self, model: Duel, x: torch.Tensor, player: str) -> dict[str, torch.Tensor]:
        mean = x.mean(1, keepdim=True)
        if model.training:
            with torch.no_grad():
                model.seen.lerp_(mean.mean(), 0.25)
        gap = model.critic(mean) - model.maker(mean.square())
        loss = (gap - 1).square().mean() if player == "maker" else (1 - gap.square()).mean() + gap.pow(4).mean()
        return {"loss": loss, "square": gap.square().mean()}

    @zoo.hookimpl
    def encode(self) -> None:
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def decode(self) -> None:
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def sample(self) -> None:
        raise zoo.Unsupported("it does not generate")


class StoppedPlugin(DuelPlugin):
    """A duel in which the last rank receives SIGTERM during its third step."""

    card = dataclasses.replace(DuelPlugin.card, name="stopped")

    @zoo.hookimpl
    def loss(self, model: Duel, x: torch.Tensor, player: str, step: zoo.Step) -> dict[str, torch.Tensor]:
        if step.index == 2 and int(os.environ.get("RANK", "0")) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().loss(model, x, player)


def registry() -> Registry:
    found = Registry(extensions=False)
    found.register(DuelPlugin)
    found.register(StoppedPlugin)
    return found


def data() -> zoo.Data:
    """41 training examples of 6 bits, so that a last batch of 10 has one row; with two classes."""
    bits = torch.rand(82, 6, generator=torch.Generator().manual_seed(0)).lt(0.4)
    return zoo.Data.from_arrays(bits.float().numpy(), labels=bits[:, 0].long().numpy(), name="bits")


@contextlib.contextmanager
def rounded():
    """Round probabilities instead of drawing bits, and draw zeros for noise, so that nothing depends on draws."""
    bernoulli, randn = zoo.bernoulli, torch.randn
    zoo.bernoulli = lambda p, generator=None: (p > 0.5).to(p.dtype)
    torch.randn = lambda *shape, generator=None, **more: (
        torch.zeros(*shape, **more) if generator is not None else randn(*shape, **more)
    )
    try:
        yield
    finally:
        zoo.bernoulli, torch.randn = bernoulli, randn


def trained(
    contestant: str,
    folder: Path,
    ranks: Ranks = ALONE,
    budget: TrainingBudget = STEPS,
    save_every: float = 30.0,
) -> Model:
    """Train a contestant as `zoo train` does."""
    job = plan(
        registry(),
        parse_contestant(contestant),
        data(),
        budget=budget,
        folder=folder,
        checkpoints=CheckpointPolicy(save_every, 100),
        ranks=ranks,
    )
    return train(job)


def weights(model: Model) -> dict[str, torch.Tensor]:
    """All parameters and buffers."""
    return dict(model.module.named_parameters()) | dict(model.module.named_buffers())


def resumed(folder: Path, state: str, ranks: Ranks = ALONE, *, allow_changes: bool = False) -> Model:
    """Continue a run from one of its checkpoints."""
    policy = CheckpointPolicy(0.0, 100, allow_changes=allow_changes)
    job = plan_resumed(registry(), RunRecord.read(folder / state), data=data(), checkpoints=policy, ranks=ranks)
    return train(job)


def run(folder: Path, ranks: Ranks) -> None:
    """Write what this rank has found."""
    found: dict[str, Any] = {}
    with rounded():
        models = {name: trained(text, folder / name, ranks) for name, text in SHAPED.items()}
    models["pcd"] = trained(
        "rbm:hidden=5,chains=4,train.batch_size=10", folder / "pcd", ranks, TrainingBudget(12, "steps"), 0.0
    )
    if ranks.is_first:
        shutil.copytree(folder / "pcd", folder / "again")
    ranks.on_first(lambda: None)  # the copy is complete
    models["again"] = resumed(folder / "again", "state-7.safetensors", ranks)
    models["seconds"] = trained("duel", folder / "seconds", ranks, TrainingBudget(0.5, "seconds"))
    torch.save({name: weights(model) for name, model in models.items()}, folder / f"weights-{ranks.rank}.pt")

    batch = torch.tensor([6.0, 0.0, 0.0])
    rows, weight = ranks.shard(batch)
    mean, one = rows.mean(), torch.tensor(1, dtype=torch.int64)
    ranks.average([mean], weight)
    mask = torch.tensor([ranks.is_first])
    ranks.copy_first([one.mul_(ranks.rank + 3), mask])
    found["shard"], found["mean"], found["copied"] = rows.tolist(), mean.item(), [one.item(), mask.item()]
    found["gathered"] = ranks.gather(ranks.rank * 10)

    def refuse() -> None:
        raise ConfigError("Never.")

    try:
        ranks.on_first(refuse)
    except (ConfigError, LostRankError) as error:
        found["refused"] = [type(error).__name__, str(error), error.exit_code]
    try:
        trained("stopped", folder / "stopped", ranks)
    except Interrupted as error:
        found["stopped"] = [str(error), error.exit_code]
    (folder / f"found-{ranks.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined() as here:
        run(Path(sys.argv[1]), here)
