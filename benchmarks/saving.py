"""Cost of saving checkpoints during training on MNIST: `python benchmarks/saving.py`.

Prints the time of a checkpoint relative to the default interval between two. Set ZOO_DATA to a folder with MNIST,
otherwise it is downloaded. Each model trains for SECONDS and saves a checkpoint every second.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import torch

import zoo
from zoo.training.checkpoints import FILE, CheckpointPolicy, States

CONTESTANTS = ("rbm", "ae", "vae")
SECONDS = 15


def main() -> None:
    torch.set_num_threads(1)
    data = zoo.load_data("mnist")
    every, save = CheckpointPolicy().every, States.save
    for contestant in CONTESTANTS:
        taken = []

        def timed(states, parts, step, taken=taken):
            began = time.perf_counter()
            save(states, parts, step)
            taken.append(time.perf_counter() - began)

        States.save = timed
        with tempfile.TemporaryDirectory() as folder:
            zoo.train(contestant, data, seconds=SECONDS, folder=folder, save_every=1)
            size = (Path(folder) / FILE).stat().st_size
        taken.sort()
        median, worst = taken[len(taken) // 2], taken[-1]
        facts = {
            "contestant": contestant,
            "megabytes": round(size / 1e6, 1),
            "checkpoints": len(taken),
            "median seconds": round(median, 4),
            "worst seconds": round(worst, 4),
            f"share of {every:g} s": f"{median / every:.2%}",
            "share of the interval, worst": f"{worst / every:.2%}",
        }
        print(json.dumps(facts))


if __name__ == "__main__":
    main()
