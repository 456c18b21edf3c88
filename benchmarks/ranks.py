"""One model in two processes: does it become as good, and how much sooner is it done?

    python benchmarks/ranks.py quality      held-out figures of 5 seeds on the digits, one process and two
    python benchmarks/ranks.py throughput   time of a step of a convolutional VAE on MNIST, one process and two, in turn

Each process computes with one thread, so that two of them need two idle cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONV = "vae:network=conv,train.batch_size=128"


def started(processes: int, *words: str) -> list[dict[str, Any]]:
    """Run this file's `work` under torchrun, and return what the first process has printed, one value per line."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run([*launcher, __file__, "work", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def work(contestant: str, data: str, unit: Any, value: float, seeds: int) -> None:
    """Train a contestant with each seed; the first process prints the time of a step and the held-out figure."""
    from zoo.api import default
    from zoo.contestant import parse_contestant
    from zoo.runtime.randomness import bernoulli, generator
    from zoo.runtime.ranks import joined
    from zoo.training.budget import TrainingBudget
    from zoo.training.train import plan, train

    with joined() as ranks, tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            job = plan(
                default,
                parse_contestant(contestant),
                data,
                seed=seed,
                budget=TrainingBudget(value, unit),
                folder=Path(folder) / str(seed),
                ranks=ranks,
            )
            model = train(job)
            if ranks.is_first:
                facts = json.loads((Path(folder) / str(seed) / "run.json").read_bytes())
                bits, figure = bernoulli(job.data.valid, generator(0, "bits")), None
                if seeds > 1 and contestant == "rbm":
                    figure = model.module.pseudo_log_likelihood(bits.flatten(1)).mean().item()
                elif seeds > 1:
                    figure = model.log_prob(bits)[0].nats.mean().item()
                print(json.dumps({"step_ms": facts["step_ms"]["all"], "figure": figure}), flush=True)


def quality(epochs: int, seeds: int) -> None:
    """Print mean and standard deviation of the figures of all seeds, and the difference in standard errors."""
    for contestant, name in (("vae", "log p(x) >="), ("rbm", "pseudo-log-likelihood")):
        found = [
            [each["figure"] for each in started(processes, contestant, "digits", "epochs", str(epochs), str(seeds))]
            for processes in (1, 2)
        ]
        means, deviations = [statistics.mean(each) for each in found], [statistics.stdev(each) for each in found]
        error = sum(deviation**2 / seeds for deviation in deviations) ** 0.5
        print(f"{contestant}, {name}, validation split, {seeds} seeds, {epochs} epochs:")
        for processes, mean, deviation in zip((1, 2), means, deviations, strict=True):
            print(f"  processes {processes}: {mean:.3f}, standard deviation of the seeds {deviation:.3f}")
        print(f"  difference {means[1] - means[0]:+.3f}, standard error {error:.3f}", flush=True)


def throughput(steps: int, repeats: int) -> None:
    """Print the medians of the times of a step, and their ratio."""
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(repeats):
        for processes, found in times.items():
            found.append(started(processes, CONV, "mnist", "steps", str(steps), "1")[0]["step_ms"])
            print(f"processes {processes}: {found[-1]:.1f} ms a step", flush=True)
    one, two = (statistics.median(found) for found in times.values())
    print(f"{CONV}: {one:.1f} ms in one process, {two:.1f} ms in two, {one / two:.2f} times as fast")


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(*sys.argv[2:5], float(sys.argv[5]), int(sys.argv[6]))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("what", choices=("quality", "throughput"))
        parser.add_argument("--epochs", type=int, default=30)
        parser.add_argument("--seeds", type=int, default=5)
        parser.add_argument("--steps", type=int, default=100)
        parser.add_argument("--repeats", type=int, default=5)
        options = parser.parse_args()
        if options.what == "quality":
            quality(options.epochs, options.seeds)
        else:
            throughput(options.steps, options.repeats)
