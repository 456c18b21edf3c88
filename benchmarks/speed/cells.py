"""Eight training runs: in processes of the zoo's fork server, or one after another on two threads."""

import contextlib
import importlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import torch
from sizes import ADAM, BATCH, CELL_STEPS, CELLS, CODE, WIDE

import zoo
from zoo.comparison.run import PRELOAD
from zoo.data.dataset import Data
from zoo.engine.processes import ForkServerExecutor

CONTESTANT = f"vae:hidden=[{WIDE}],latent_dim={CODE},train.learning_rate={ADAM},train.batch_size={BATCH}"


def train(file: str, seed: int) -> None:
    zoo.train(CONTESTANT, Data.open(Path(file)), seed=seed, steps=CELL_STEPS)


def pooled(data: Data):
    file = saved(data)
    executor = ForkServerExecutor(preload=PRELOAD)
    slots = threading.Semaphore(executor.slots)

    def work() -> None:
        futures = []
        for seed in range(CELLS):
            slots.acquire()
            futures.append(executor.submit(train, file, seed))
            futures[-1].add_done_callback(lambda _: slots.release())
        for future in futures:
            future.result()

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
