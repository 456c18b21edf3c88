"""Whether compiling a training step pays on a small network: `python benchmarks/compiled.py`.

Trains a dense autoencoder of the digits' size, 64-256-16-256-64 with batches of 50, on one thread, with torch's eager
step and with the same step compiled by `torch.compile`. Prints the seconds that compiling takes, milliseconds per step
of both, and the number of steps after which the compiled one is ahead. It needs a C++ compiler.
"""

import os
import tempfile
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache  # what an earlier run has compiled is not used
        race()


def race() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 16), nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 64)
    )
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    x = torch.rand(50, 64)

    def loss_and_gradient(x: Tensor) -> None:
        F.binary_cross_entropy_with_logits(network(x), x, reduction="sum").backward()

    compiled = torch.compile(loss_and_gradient)
    began = time.perf_counter()
    compiled(x)
    seconds = time.perf_counter() - began
    eager_ms, compiled_ms = (milliseconds(each, optimiser, x) for each in (loss_and_gradient, compiled))
    print(f"compiling {seconds:.1f} s; a step {eager_ms:.2f} ms, compiled {compiled_ms:.2f} ms", end="; ")
    gain = eager_ms - compiled_ms
    print(f"ahead after {seconds * 1000 / gain:,.0f} steps" if gain > 0 else "never ahead")


def milliseconds(step: Callable[[Tensor], None], optimiser: torch.optim.Optimizer, x: Tensor) -> float:
    """Time of a step, after a tenth as many to warm up."""
    for count in (STEPS // 10, STEPS):
        began = time.perf_counter()
        for _ in range(count):
            optimiser.zero_grad()
            step(x)
            optimiser.step()
    return (time.perf_counter() - began) / STEPS * 1000


if __name__ == "__main__":
    main()
