"""The zoo in a race, through its public API: `python ours.py CASE DATA`."""

import json
import sys
import tempfile
from pathlib import Path

import cells
import numpy as np
import torch
from serve import serve
from sizes import (
    ADAM,
    ANNEALED,
    BATCH,
    CHAINS,
    CHANNELS,
    CODE,
    DECODED,
    DEVICE,
    GIBBS,
    RATE,
    STEPS,
    TEMPERATURES,
    THREADS,
    WIDE,
    H,
)

import zoo

torch.set_num_threads(THREADS)

_RBM = f"hidden={H},centred=false,weight_decay=0,train.learning_rate={RATE},train.batch_size={BATCH}"
_PLAIN = "train.schedule=constant,train.average=0,train.clip=0"
_ADAM = f"latent_dim={CODE},train.learning_rate={ADAM},train.batch_size={BATCH}"
_NETWORK = f"hidden=[{WIDE}],{_ADAM}"
_CONVOLUTIONS = f"network=conv,channels=[{','.join(map(str, CHANNELS))}],{_ADAM}"


def trains(contestant: str, data: zoo.Data):
    """Return work that trains once and returns the seconds of training in `run.json`."""

    def work() -> float:
        with tempfile.TemporaryDirectory() as folder:
            zoo.train(contestant, data, steps=STEPS, folder=folder, threads=THREADS, device=DEVICE)
            return json.loads((Path(folder) / "run.json").read_text())["seconds"]

    return work


def gibbs(data: zoo.Data):
    model = zoo.create(f"rbm:hidden={H}", data).to(DEVICE)
    return lambda: void(model.sample(CHAINS, seed=0, steps=GIBBS))


def ais(data: zoo.Data):
    """Return work that anneals in both directions, which cost the same, and counts half of the time."""
    model = zoo.create(f"rbm:hidden={H}", data).to(DEVICE)
    options = {"temperatures": TEMPERATURES, "ais_chains": ANNEALED, "burn_in": 0}
    import time

    def work() -> float:
        began = time.perf_counter()
        model.log_prob(data.test[:1], **options)
        return (time.perf_counter() - began) / 2

    return work


def decode(data: zoo.Data):
    model = zoo.create(f"ae:hidden=[{WIDE}],latent_dim={CODE}", data).to(DEVICE)
    z = torch.randn(DECODED, CODE)
    return lambda: void(model.decode(z))


def void(_: object) -> None:
    """Return None, so that `serve` measures the time of the round."""


CASES = {
    "rbm-cd1": lambda data: trains(f"rbm:algorithm=cd,k=1,{_RBM},{_PLAIN}", data),
    "rbm-cd10": lambda data: trains(f"rbm:algorithm=cd,k=10,{_RBM},{_PLAIN}", data),
    "rbm-pcd1": lambda data: trains(f"rbm:algorithm=pcd,k=1,chains={BATCH},{_RBM},{_PLAIN}", data),
    "vae": lambda data: trains(f"vae:{_NETWORK},train.schedule=constant", data),
    "conv": lambda data: trains(f"vae:{_CONVOLUTIONS},train.schedule=constant", data),
    "ae": lambda data: trains(f"ae:{_NETWORK},train.schedule=constant", data),
    "decode": decode,
    "gibbs": gibbs,
    "ais": ais,
    "grid": cells.pooled,
    "grid-two-threads": cells.one_after_another,
}

if __name__ == "__main__":
    case, path = sys.argv[1:]
    serve(CASES[case](zoo.Data.from_arrays(np.load(path).reshape(-1, 28, 28), support="bits", name="race")))
