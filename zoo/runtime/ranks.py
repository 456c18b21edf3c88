"""Ranks: the processes that train one model together, over `torch.distributed`, as torchrun starts them.

Each global batch is cut into contiguous shards, one for each rank. A mean over the batch is the mean of the ranks'
means, weighted by the sizes of their shards:

    1/B Σ_i f(x_i) = Σ_r (B_r/B) (1/B_r) Σ_{i in shard r} f(x_i)

Rank 0 decides what the ranks must agree on, such as the time, the end and the start. Without torchrun there is one.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from zoo.errors import ZooError
from zoo.runtime.seeds import derive_seed

T = TypeVar("T")


class LostRankError(ZooError):
    """Another rank has ended, and with it the training; that rank has said why, unless it was killed."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Ranks:
    """The ranks that train one model, as one of them sees them.

    Attributes:
        rank: number of this process, from 0.
        count: number of processes.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count
        self._now = 0.0  # seconds since rank 0 joined, at the last `agree`
        self._joined = time.monotonic()

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes files and reports progress."""
        return self.rank == 0

    def seed(self, seed: int) -> int:
        """Return the seed of this rank's own draws: that of the training on rank 0, and a derived one on others."""
        return derive_seed(seed, f"rank {self.rank}") if self.rank else seed

    def device(self, name: str) -> str:
        """Return the device of this rank: of several ranks on a machine, each has the GPU of its own number."""
        return name if self.count == 1 or name == "cpu" else f"cuda:{os.environ['LOCAL_RANK']}"

    def shard(self, batch: Tensor) -> tuple[Tensor, float]:
        """Return this rank's rows of a global batch, at least one, and their weight in means over the batch.

        The first rows belong to rank 0, and shards differ by one row at most. A rank without a row of its own, in a
        batch with fewer rows than ranks, gets the first one with a weight of 0.
        """
        if self.count == 1:
            return batch, 1.0
        begin, end = (len(batch) * number // self.count for number in (self.rank, self.rank + 1))
        return (batch[begin:end], (end - begin) / len(batch)) if end > begin else (batch[:1], 0.0)

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor], weight: float) -> None:
        """Replace tensors by their means over the ranks, weighted by `shard`; all at once, in one exchange."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors]).mul_(weight)
        with _joint():
            dist.all_reduce(flat)
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    @torch.no_grad()
    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by those of rank 0."""
        for tensor in tensors if self.count > 1 else ():
            whole = tensor.detach().clone(memory_format=torch.contiguous_format)
            with _joint():
                dist.broadcast(whole, 0)
            tensor.copy_(whole)

    def agree(self, signal: int | None) -> int | None:
        """Return a stop signal that any rank has received, on every rank; and set every `clock` by that of rank 0."""
        if self.count == 1:
            return signal
        now = time.monotonic() - self._joined if self.is_first else 0.0
        shared = torch.tensor([now, signal or 0], dtype=torch.float64)
        with _joint():
            dist.all_reduce(shared, dist.ReduceOp.MAX)
        self._now = shared[0].item()
        return int(shared[1]) or None

    def clock(self) -> float:
        """Return a time in seconds, the same on all ranks: that of the last `agree`, or of now if there is one rank."""
        return time.monotonic() if self.count == 1 else self._now

    def on_first(self, work: Callable[[], T]) -> T:
        """Let rank 0 work, and return its result on every rank.

        Raises:
            ZooError: what `work` raised, on rank 0; a `LostRankError` on others.
        """
        if self.count == 1:
            return work()
        answer: list[Any] = [None, None]  # result, error
        if self.is_first:
            try:
                answer[0] = work()
            except ZooError as error:
                answer[1] = error
        with _joint():
            dist.broadcast_object_list(answer, 0)
        if isinstance(answer[1], ZooError):
            raise answer[1] if self.is_first else LostRankError(str(answer[1]), answer[1].exit_code)
        result: T = answer[0]
        return result

    def in_turn(self, work: Callable[[], T]) -> T:
        """Let rank 0 work, and then the others, which find what it has fetched; return the result of each on it.

        Raises:
            ZooError: as `on_first`.
        """
        own: list[T] = []
        self.on_first(lambda: own.append(work()))
        return own[0] if own else work()

    def gather(self, value: T) -> list[T]:
        """Return the values of all ranks, in their order, on rank 0, and nothing on others."""
        if self.count == 1:
            return [value]
        found: list[Any] | None = [None] * self.count if self.is_first else None
        with _joint():
            dist.gather_object(value, found, 0)
        return found or []


ALONE = Ranks()


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other processes of torchrun inside the block; yield the only rank without torchrun.

    Tensors on the CPU are exchanged over gloo, those on GPUs over nccl.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("WORLD_SIZE") == "1":
        yield ALONE
        return
    with _joint():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def _joint() -> Iterator[None]:
    """Turn the error of an exchange with a process that has ended into a sentence."""
    try:
        yield
    except RuntimeError as error:
        raise LostRankError(
            "An exchange with another process of this training has failed: that process has ended, or --debug shows "
            "the reason."
        ) from error
