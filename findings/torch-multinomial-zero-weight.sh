#!/usr/bin/env bash
# torch 2.13.0 (CPU), Python 3.11
#
# torch.multinomial without replacement hands out categories of weight 0 as soon as those with a weight are used up,
# and says nothing. WeightedRandomSampler passes it on: rows that were switched off by weight 0 enter the epoch. All
# weights 0 is an error, and with replacement a weight of 0 is kept to.
#
# Guessed: an error, "not enough categories with a weight".
#
# Output seen:
#     weights 0 1 0 0 0, three draws without replacement: 1 4 0
#     the same with replacement: 1 1 1
#     all weights 0: RuntimeError
#     WeightedRandomSampler([0, 1, 1], 3, replacement=False): 0 is drawn: True
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import torch
from torch.utils.data import WeightedRandomSampler


def draws(weights, n, replacement):
    g = torch.Generator().manual_seed(0)
    return torch.multinomial(torch.tensor(weights), n, replacement=replacement, generator=g).tolist()


without, with_ = draws([0.0, 1, 0, 0, 0], 3, False), draws([0.0, 1, 0, 0, 0], 3, True)
print("weights 0 1 0 0 0, three draws without replacement:", *without)
print("the same with replacement:", *with_)
try:
    draws([0.0, 0, 0], 1, False)
    refused = "drawn"
except RuntimeError:
    refused = "RuntimeError"
print("all weights 0:", refused)
sampled = list(WeightedRandomSampler([0.0, 1.0, 1.0], 3, replacement=False))
print("WeightedRandomSampler([0, 1, 1], 3, replacement=False): 0 is drawn:", 0 in sampled)
assert without[0] == 1 and len(set(without)) == 3 and with_ == [1, 1, 1] and refused == "RuntimeError"
assert sorted(sampled) == [0, 1, 2]
PYTHON
