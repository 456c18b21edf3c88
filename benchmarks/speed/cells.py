"""Eight trainings: over the processes of the zoo's pool, or one after another on two threads."""

import contextlib
import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from sizes import ADAM, BATCH, CELL_STEPS, CELLS, CODE, WIDE

import zoo
from zoo.data.dataset import Data
from zoo.engine.pool import Job, Pool

CONTESTANT = f"vae:hidden=[{WIDE}],latent_dim={CODE},train.learning_rate={ADAM},train.batch_size={BATCH}"


def train(*, file: str, seed: int, emit: object = None) -> None:
    zoo.train(CONTESTANT, Data.open(Path(file)), seed=seed, steps=CELL_STEPS)


def pooled(data: Data):
    file = saved(data)
    pool = Pool().__enter__()
    jobs = [Job(f"seed {seed}", "cells:train", {"file": file, "seed": seed}) for seed in range(CELLS)]

    def work() -> None:
        if failed := [outcome.reason for outcome in pool.run(jobs) if outcome.failed]:
            raise RuntimeError(failed[0])

    return work


def one_after_another(data: Data):
    @contextlib.contextmanager
    def two_threads() -> Iterator[None]:
        torch.set_num_threads(2)
        yield

    importlib.import_module("zoo.training.train").single_thread = two_threads
    file = saved(data)

    def work() -> None:
        for seed in range(CELLS):
            train(file=file, seed=seed)

    return work


def saved(data: Data) -> str:
    file = Path(tempfile.mkdtemp()) / "data.safetensors"
    data.save(file)
    return str(file)
