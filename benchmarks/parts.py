"""Where one seed of the default comparison spends its time: `python benchmarks/parts.py [MODEL ...]`.

Trains each model, then draws samples, and computes the likelihood and all other metrics of each row, in this process,
on one thread, without a server. Prints CPU seconds of each part and, by torch's profiler, how many of them are matrix
products, and how many are products, random draws, activations and their derivatives, or the optimiser's updates. No
other way to write the same computation with torch saves these. The profiler adds a little to every operation.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from zoo.runtime.threads import ENVIRONMENT

if not ENVIRONMENT.items() <= os.environ.items():  # glibc and OpenMP read it at their start
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ENVIRONMENT)

from torch.profiler import ProfilerActivity, profile

import zoo
from zoo.comparison.measuring import Measuring
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.threads import single_thread
from zoo.training.train import fit_density

FORK = multiprocessing.get_context("fork")
PRODUCTS = ["mm", "addmm", "addmm_", "bmm", "baddbmm"]
DRAWS = ["random_", "normal_", "uniform_", "randperm", "multinomial", "exponential_"]
ACTIVATIONS = ["sigmoid", "sigmoid_", "softplus", "softplus_backward", "clamp_min", "threshold_backward", "tanh"]
ACTIVATIONS += ["exp", "exp_", "log"]
UPDATES = ["_fused_adam_", "_fused_sgd_"]
KERNELS = {"products": PRODUCTS, "needed": [*PRODUCTS, *DRAWS, *ACTIVATIONS, *UPDATES]}
ROWS = {"ae": ("normal", "gaussian", "gmm"), "vae": ("", "gmm"), "rbm": ("",)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help="of ae, vae and rbm; all of them")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--epochs", type=int, help="of training; as many as in a comparison by default")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    seed, data, registry = asked.seed, zoo.load_data(asked.data), PluginRegistry()
    metrics = tuple(
        name
        for name in registry.names("zoo.metrics")
        if registry.plugin(name, "zoo.metrics").card.level != "full" and name != "likelihood"
    )
    bits = zoo.bernoulli(data.test, zoo.generator(seed, "bits"))
    sums = [0.0] * (1 + len(KERNELS))
    print(f"{'':24} {'CPU s':>8}", *(f"{each:>9}" for each in KERNELS))
    with single_thread(), tempfile.TemporaryDirectory() as folder:
        measuring = Measuring(data, Path(folder), metrics, None, registry)
        for name in asked.models or ROWS:
            densities = ROWS[name]
            trained = part(f"{name}: training", sums, partial(zoo.train, name, data, seed=seed, epochs=asked.epochs))
            for density in densities:
                row, model = name, trained
                if density:
                    row = f"{name}@{density}"
                    model = fit_density(trained, registry.plugin(density, "zoo.densities"), data, seed)
                samples = part(f"{row}: samples", sums, partial(model.sample, measuring.n, seed=seed))
                part(f"{row}: likelihood", sums, partial(model.log_prob, bits, seed=seed))
                part(f"{row}: metrics", sums, partial(measuring.samples, row, samples, seed, pictures=False))
    show("all", sums)


def part(name: str, sums: list[float], work: Callable[[], Any]) -> Any:
    """Run a part twice, first under the profiler, print its row, and return what it returns.

    The profiled run is that of a forked process, so that nothing that a model remembers of it is there for the other.
    """
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=send_kernels, args=(work, sender))
    child.start()
    sender.close()  # so that a child that fails ends the wait
    kernels = receiver.recv()
    child.join()
    began = time.process_time()
    found = work()
    seconds = [time.process_time() - began, *kernels]
    sums[:] = map(sum, zip(sums, seconds, strict=True))
    show(name, seconds)
    return found


def send_kernels(work: Callable[[], Any], sender: Connection) -> None:
    """Send the seconds that a part spends in each group of kernels."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        work()
    spent = {each.key.removeprefix("aten::"): each.self_cpu_time_total / 1e6 for each in profiler.key_averages()}
    sender.send([sum(spent.get(each, 0.0) for each in kernels) for kernels in KERNELS.values()])


def show(name: str, seconds: list[float]) -> None:
    print(f"{name:24} {seconds[0]:8.2f}", *(f"{each:9.2f}" for each in seconds[1:]), flush=True)


if __name__ == "__main__":
    main()
