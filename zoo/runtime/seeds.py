"""Fixed seeds of the protocol, which no training of a table uses, and seeds that follow from others."""

import hashlib
from typing import Any

from zoo.errors import ConfigError
from zoo.scalars import plain

SPLIT_SEED = 0  # training, validation and test splits
BITS_SEED = 0  # bits drawn from samples and from test images for the comparison, in separate streams
FEATURE_SEED = 0  # feature network
TUNING_SEED = 1_000_003  # of every training that tuning compares, apart from the seeds of tables


def is_seed(value: Any) -> bool:
    """Return whether a plain value is a seed: a whole number >= 0, and not a boolean."""
    return type(value) is int and value >= 0


def checked_seed(seed: Any, name: str = "seed") -> int:
    """Return a seed as an `int`.

    Args:
        seed: as given by a user; an integer of NumPy is accepted.
        name: of the argument, for the message.

    Raises:
        ConfigError: for anything but a whole number >= 0.
    """
    number = plain(seed)
    if not is_seed(number):
        raise ConfigError(f"{name} must be a whole number >= 0, got {seed!r:.80}.")
    return int(number)


def derive_seed(seed: int, purpose: str) -> int:
    """Return a 63-bit seed, a pure function of (seed, purpose).

    Raises:
        ConfigError: for a seed that is not a whole number >= 0.
    """
    digest = hashlib.sha256(f"zoo:{checked_seed(seed)}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
