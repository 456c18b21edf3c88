"""A deck of training images, shuffled and dealt: perfect quality, nothing new.

Its samples are real images, so that every measure of quality finds them as good as real ones; it fools them all. What
catches it are the measures of memorisation, which ask how near a sample is to the training split.

Dealt without replacement, since repeats would give it away: of 359 draws with replacement from the 899 training images
of the digits, every third one has a double, and two samples at distance 0 are nothing that real images have.
"""

from __future__ import annotations

from typing import Annotated, NoReturn

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo


class MemoriserConfig(zoo.Config):
    """How much it remembers. What a model stores has its shape before the data come, so the room is a setting."""

    room: Annotated[int, Field(gt=0, description="training images that it remembers at most")] = 20_000


class Memoriser(nn.Module):
    """Room for images, shape (room, *data.shape), of which the first `count` are used."""

    images: Tensor  # (room, *data.shape)
    count: Tensor  # ()

    def __init__(self, config: MemoriserConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(config.room, *data.shape))
        self.register_buffer("count", torch.tensor(1))

    def remember(self, train: Tensor, generator: Generator) -> None:
        """Keep the training images (N, *data.shape), or a random choice of them where they are more than the room."""
        kept = train[torch.randperm(len(train), generator=generator, device=generator.device)[: len(self.images)]]
        self.images[: len(kept)] = kept
        self.count.fill_(len(kept))

    def deal(self, n: int, generator: Generator) -> Tensor:
        """Deal n images from the shuffled deck, shape (n, *data.shape); a deck that is used up is shuffled anew."""
        count = int(self.count)
        decks = [torch.randperm(count, generator=generator, device=generator.device) for _ in range(-(-n // count))]
        return self.images[torch.cat(decks)[:n]]


class MemoriserPlugin:
    """Returns training images."""

    card = zoo.Card(
        name="memoriser",
        summary="control: deals training images; fools every measure of quality, caught by those of memorisation",
        config=MemoriserConfig,
        trains_on="grey",
        latent=None,
        samples="means",
    )

    @zoo.hookimpl
    def build(self, config: MemoriserConfig, data: zoo.DataSpec) -> Memoriser:
        """Return an empty memory, one black image."""
        return Memoriser(config, data)

    @zoo.hookimpl
    def fit(self, model: Memoriser, train: Tensor, generator: Generator) -> None:
        """Remember the training split."""
        model.remember(train, generator)

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a memoriser has no code: an unseen example is not in its memory")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a memoriser has no code to decode")

    @zoo.hookimpl
    def sample(self, model: Memoriser, n: int, generator: Generator) -> Tensor:
        """Return n training images as they are, grey where they are grey, shape (n, *data.shape)."""
        return model.deal(n, generator)
