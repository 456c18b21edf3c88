"""Memoriser: returns training images in random order. Perfect quality, nothing new.

Its samples are real images, so it fools every metric of quality. Metrics of memorisation, which measure the distance
from samples to the training split, expose it.

All images are used before any is repeated, because duplicates would also expose it: two real images never have distance
0.
"""

from __future__ import annotations

from typing import Annotated, NoReturn

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo


class MemoriserConfig(zoo.Config):
    """Capacity of the memory; it is a setting because a model's shapes are fixed before it receives data."""

    room: Annotated[int, Field(gt=0, description="largest number of training images to store")] = 20_000


class Memoriser(nn.Module):
    """Stored images, shape (room, *data.shape), of which the first `count` are used."""

    images: Tensor  # (room, *data.shape)
    count: Tensor  # ()

    def __init__(self, config: MemoriserConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(config.room, *data.shape))
        self.register_buffer("count", torch.tensor(1))

    def remember(self, train: Tensor, generator: Generator) -> None:
        """Store the training images (N, *data.shape), or a random subset if there are more than `room`."""
        kept = train[torch.randperm(len(train), generator=generator, device=generator.device)[: len(self.images)]]
        self.images[: len(kept)] = kept
        self.count.fill_(len(kept))

    def deal(self, n: int, generator: Generator) -> Tensor:
        """Return n images in random order, shape (n, *data.shape); all are used once before any is repeated."""
        count = int(self.count)
        decks = [torch.randperm(count, generator=generator, device=generator.device) for _ in range(-(-n // count))]
        return self.images[torch.cat(decks)[:n]]


class MemoriserPlugin:
    """Returns training images."""

    card = zoo.Card(
        name="memoriser",
        summary="control: returns training images; fools metrics of quality, exposed by those of memorisation",
        config=MemoriserConfig,
        trains_on="grey",
        latent=None,
        samples="means",
    )

    @zoo.hookimpl
    def build(self, config: MemoriserConfig, data: zoo.DataSpec) -> Memoriser:
        """Return a memory with a single black image."""
        return Memoriser(config, data)

    @zoo.hookimpl
    def fit(self, model: Memoriser, train: Tensor, generator: Generator) -> None:
        """Store the training split."""
        model.remember(train, generator)

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a memoriser has no codes, because an unseen example is not in its memory")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a memoriser has no codes")

    @zoo.hookimpl
    def sample(self, model: Memoriser, n: int, generator: Generator) -> Tensor:
        """Return n unchanged training images, shape (n, *data.shape)."""
        return model.deal(n, generator)
