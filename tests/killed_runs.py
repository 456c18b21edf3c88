"""Trains in processes that are killed: `python killed_runs.py FOLDER KILLS SEED CONTESTANT…`, a line of JSON for each.

ZOO_EXAMPLES is the folder of the examples, whose models with phases need not be installed.

One process imports torch, computes nothing and forks the others, so that each starts in no time.
"""

import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

import zoo
from zoo.api import default
from zoo.contestant import parse_contestant
from zoo.files.tensor_file import read
from zoo.runtime.threads import ENVIRONMENT
from zoo.training.resolved import resolve

DATA = zoo.load_data("digits")
SETTINGS = {"save_every": 0, "keep": 2}


def begin(contestant, folder):
    zoo.train(contestant, DATA, steps=60, folder=folder, **SETTINGS)


def go_on(folder):
    zoo.resume(folder, data=DATA, **SETTINGS)


def forked(act, *arguments):
    """Start a process that does this and nothing else; its id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act(*arguments)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def status(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def same(run, whole):
    return (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def step(file):
    """Of a state file, None if it is torn; a model file is what follows the last step."""
    try:
        return read(file)[0].get("step", 60)
    except zoo.CheckpointError:
        return None


def register_examples():
    for name, plugin in (("dbn", "DBNPlugin"), ("vqvae", "VQVAEPlugin"), ("gan", "GANPlugin")):
        if name not in default.names():
            sys.path.insert(0, str(Path(os.environ["ZOO_EXAMPLES"]) / f"zoo-{name}"))
            default.register(getattr(importlib.import_module(f"zoo_{name}.plugin"), plugin))


def main(folder, kills, seed, *contestants):
    dice = random.Random(int(seed))
    register_examples()
    for number, contestant in enumerate(contestants):
        resolve(default, parse_contestant(contestant))  # imports its plugins
        whole, run = Path(folder) / f"{number}-whole", Path(folder) / f"{number}-killed"
        began = time.monotonic()
        assert status(forked(begin, contestant, whole)) == 0
        longest = time.monotonic() - began
        steps, torn, left = [], 0, 0
        while len(steps) < int(kills):
            child = forked(go_on, run) if (run / "run.json").exists() else forked(begin, contestant, run)
            time.sleep(dice.uniform(0.05, longest))
            os.kill(child, signal.SIGKILL)
            code = status(child)
            assert code in (0, -signal.SIGKILL), f"{contestant}: a process ended by itself with {code}"
            if code == 0:  # it was done before: that run counts for nothing, another one begins
                assert same(run, whole)
                shutil.rmtree(run)
                continue
            found = [step(file) for file in run.glob("*.safetensors")]
            torn += found.count(None)
            left += len(list(run.glob(".*.part")))
            steps.append(max(found, default=0))
        if not (run / "run.json").exists():
            assert status(forked(begin, contestant, run)) == 0
        assert status(forked(go_on, run)) == 0
        lines = [len((each / "metrics.jsonl").read_bytes().splitlines()) for each in (run, whole)]
        facts = {"contestant": contestant, "steps": steps, "torn": torn, "left": left, "identical": same(run, whole)}
        print(json.dumps(facts | {"lines": lines, "parts": len(list(run.glob(".*")))}), flush=True)


if __name__ == "__main__":
    assert all(os.environ.get(key) == value for key, value in ENVIRONMENT.items())
    torch.set_num_threads(1)
    main(*sys.argv[1:])
