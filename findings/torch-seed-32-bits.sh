#!/usr/bin/env bash
# torch 2.13.0 (CPU), numpy 2.4.6, Python 3.11
#
# A torch generator on the CPU uses the lowest 32 bits of its seed and drops the rest, while `initial_seed()` reports
# all 64. Seeds that differ by a multiple of 2^32 give the same numbers, so that seeds taken from a 64-bit hash repeat
# one another as 32-bit seeds do: of 200,000 such seeds some pairs share a stream, where 64 bits would all but exclude
# it. numpy's generators use every bit of the seed.
#
# Guessed: 64-bit seeds give 64-bit many streams, since the state is larger than that and seeds up to 2^64 - 1 are
# accepted.
#
# Output seen:
#     seeds 1, 1 + 2^32, 1 + 2^63: same numbers True, initial_seed() 1, 4294967297, 9223372036854775809
#     numpy, seeds 1 and 1 + 2^32: same numbers False
#     200,000 hashed 63-bit seeds: all different True, pairs that agree in 32 bits: 8
#     such a pair, 1000 normal draws each: same numbers True
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import hashlib

import numpy as np
import torch


def stream(seed, n=4):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed))


seeds = [1, 1 + 2**32, 1 + 2**63]
same = all(torch.equal(stream(seed), stream(1)) for seed in seeds)
reported = [torch.Generator().manual_seed(seed).initial_seed() for seed in seeds]
print("seeds 1, 1 + 2^32, 1 + 2^63: same numbers", f"{same}, initial_seed()", *(f"{r}," for r in reported[:-1]), reported[-1])
first, second = (np.random.default_rng(seed).random(4) for seed in seeds[:2])
print("numpy, seeds 1 and 1 + 2^32: same numbers", np.array_equal(first, second))
hashed = [int.from_bytes(hashlib.sha256(f"{k}".encode()).digest()[:8], "little") >> 1 for k in range(200_000)]
met, pairs = {}, []
for seed in hashed:
    other = met.setdefault(seed % 2**32, seed)
    if other != seed:
        pairs.append((other, seed))
print("200,000 hashed 63-bit seeds: all different", len(set(hashed)) == len(hashed), end=", ")
print("pairs that agree in 32 bits:", len(pairs))
repeated = all(torch.equal(stream(a, 1000), stream(b, 1000)) for a, b in pairs)
print("such a pair, 1000 normal draws each: same numbers", repeated)
assert same and reported == seeds and not np.array_equal(first, second)
assert len(set(hashed)) == len(hashed) and pairs and repeated
PYTHON
