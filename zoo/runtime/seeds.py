"""Fixed seeds of the protocol, which no training of a table uses, and seeds that follow from others."""

import hashlib

SPLIT_SEED = 0  # training, validation and test splits
BITS_SEED = 0  # bits drawn from samples and from test images for the comparison, in separate streams
FEATURE_SEED = 0  # feature network
TUNING_SEED = 1_000_003  # of every training that tuning compares, apart from the seeds of tables


def derive_seed(seed: int, purpose: str) -> int:
    """Return a 63-bit seed, a pure function of (seed, purpose)."""
    digest = hashlib.sha256(f"zoo:{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
