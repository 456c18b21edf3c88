"""Where one seed of the default comparison spends its time: `python benchmarks/parts.py [--seed N]`.

Trains each model, then draws samples, and computes the likelihood and all other metrics of each row, in this process,
on one thread, without a server. Prints CPU seconds of each part, and how many of them are matrix products, by torch's
profiler, which adds a little to every operation. No other way to write the same computation saves the products.
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
PRODUCTS = ("aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm", "aten::baddbmm")
ROWS = {"ae": ("normal", "gaussian", "gmm"), "vae": ("", "gmm"), "rbm": ("",)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    data, registry = zoo.load_data("digits"), PluginRegistry()
    metrics = tuple(
        name
        for name in registry.names("zoo.metrics")
        if registry.plugin(name, "zoo.metrics").card.level != "full" and name != "likelihood"
    )
    bits = zoo.bernoulli(data.test, zoo.generator(seed, "bits"))
    sums = [0.0, 0.0]
    print(f"{'':24} {'CPU s':>8} {'products':>9}")
    with single_thread(), tempfile.TemporaryDirectory() as folder:
        measuring = Measuring(data, Path(folder), metrics, None, registry)
        for name, densities in ROWS.items():
            trained = part(f"{name}: training", sums, partial(zoo.train, name, data, seed=seed))
            for density in densities:
                row, model = name, trained
                if density:
                    row = f"{name}@{density}"
                    model = fit_density(trained, registry.plugin(density, "zoo.densities"), data, seed)
                samples = part(f"{row}: samples", sums, partial(model.sample, measuring.n, seed=seed))
                part(f"{row}: likelihood", sums, partial(model.log_prob, bits, seed=seed))
                part(f"{row}: metrics", sums, partial(measuring.samples, row, samples, seed, pictures=False))
    print(f"{'all':24} {sums[0]:8.1f} {sums[1]:9.1f}")


def part(name: str, sums: list[float], work: Callable[[], Any]) -> Any:
    """Run a part twice, first under the profiler, print its row, and return what it returns.

    The profiled run is that of a forked process, so that nothing that a model remembers of it is there for the other.
    """
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=send_products, args=(work, sender))
    child.start()
    sender.close()  # so that a child that fails ends the wait
    products = receiver.recv()
    child.join()
    began = time.process_time()
    found = work()
    seconds = time.process_time() - began
    sums[0] += seconds
    sums[1] += products
    print(f"{name:24} {seconds:8.2f} {products:9.2f}", flush=True)
    return found


def send_products(work: Callable[[], Any], sender: Connection) -> None:
    """Send the seconds that a part spends in matrix products."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        work()
    sender.send(sum(each.self_cpu_time_total for each in profiler.key_averages() if each.key in PRODUCTS) / 1e6)


if __name__ == "__main__":
    main()
