"""Derived seeds, generators, scoped global randomness, and fast Bernoulli draws.

Each draw has a seed derived from the cell's seed and a purpose ("train", "epoch 3", "sample"), so that no draw depends
on the order of execution.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Generator, Tensor

from zoo.runtime.seeds import derive_seed
from zoo.runtime.threads import alone


def generator(seed: int, purpose: str, device: torch.device | None = None) -> Generator:
    """Return a generator seeded by `derive_seed`, for draws on a device; None is the CPU."""
    return Generator(device or "cpu").manual_seed(derive_seed(seed, purpose))


@contextlib.contextmanager
def scoped_randomness(seed: int) -> Iterator[None]:
    """Seed the global state of torch, numpy and random inside the block, and restore the caller's state afterwards.

    The states belong to the process, so that blocks of several threads run one after another.
    """
    kind, gpus = "cuda", torch.cuda.device_count() if torch.cuda.is_initialized() else 0
    if torch.backends.mps.is_available():
        kind, gpus = "mps", 1
    with alone(), torch.random.fork_rng(range(gpus), device_type=kind):
        states = np.random.get_state(), random.getstate()
        try:
            _seed_torch(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)
            yield
        finally:
            np.random.set_state(states[0])
            random.setstate(states[1])


def _seed_torch(seed: int) -> None:
    """Seed torch's global state; `torch.manual_seed` takes 100 times as long, because it also prepares absent GPUs."""
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def bernoulli(p: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw bits b with P(b = 1) = p, as 0.0 and 1.0 in p's shape and dtype.

    b = 1 where u < p, with a u of 24 bits. Its 16 high bits are drawn for each b, four per 64-bit draw, because draws
    dominate the cost; its 8 low bits are drawn once per call. Hence P(b = 1) is p rounded up to a multiple of 2^-24, as
    with `torch.rand` in float32, and two bits of one call have a covariance of at most 2^-34.

    Args:
        p: probabilities in [0, 1]; 0 always gives 0, and 1 always gives 1.
        generator: source of the draws; None uses torch's global state.
    """
    n = p.numel()
    if p.device.type == "mps":  # draws no 64-bit numbers
        return torch.rand(p.shape, generator=generator, device=p.device).lt_(p).to(p.dtype)
    draws = torch.empty(-(-n // 4), dtype=torch.int64, device=p.device).random_(-(2**63), None, generator=generator)
    low = torch.randint(2**23, 2**23 + 2**8, (), generator=generator, device=p.device)
    high = draws.view(torch.int16)[:n].view(p.shape).float()  # in [-2^15, 2^15): the 2^23 above makes u start at 0
    return high.mul_(2**-16).add_(low, alpha=2**-24).lt_(p).to(p.dtype)
