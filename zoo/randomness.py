"""Where random numbers come from: seeds that depend on nothing but the cell, and a scope that leaves no trace.

A cell's seed and a purpose ("train", "epoch 3", "sample") give a seed of their own, so that no draw depends on the
order in which things happen to run.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Generator, Tensor


def derive_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed that is a pure function of (seed, purpose)."""
    digest = hashlib.sha256(f"zoo:{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(seed: int, purpose: str) -> Generator:
    """A CPU generator seeded by `derive_seed`."""
    return Generator().manual_seed(derive_seed(seed, purpose))


@contextlib.contextmanager
def scoped_randomness(seed: int) -> Iterator[None]:
    """Seed the global state of torch, numpy and random inside the block; restore the caller's after it."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


def bernoulli(p: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw bits b with P(b = 1) = p, as 0.0 and 1.0 in p's shape and dtype.

    Args:
        p: probabilities in [0, 1]; 0 gives 0 and 1 gives 1, always.
        generator: where the draws come from; None takes torch's global state.
    """
    return torch.rand(p.shape, generator=generator, dtype=p.dtype, device=p.device).lt_(p)
