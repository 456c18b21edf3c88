#!/usr/bin/env bash
# mnist1d 0.0.2.post1, numpy 2.4.6, scipy 1.17.1, Python 3.11
#
# Making the data set MNIST-1D resets the random numbers of the whole process: `make_dataset` seeds numpy's global
# generator and Python's `random` with its own seed 42 and leaves them where it stopped. Whatever draws from them
# afterwards, such as a split or a shuffle, repeats for every seed that a script had set, and seeds no longer measure
# any spread. torch's generator is left alone, so that half of a script still varies.
#
# Guessed: a generator of its own, or the caller's state put back.
#
# Output seen:
#     numpy after make_dataset, seeds 1, 2 and 3 set before: 0.380769 0.380769 0.380769
#     random after make_dataset, the same seeds:             0.639427 0.639427 0.639427
#     without it:                                            0.417022 0.435995 0.550798
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  numpy==2.4.6 scipy==1.17.1 requests==2.34.2 matplotlib==3.11.2
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  --no-deps mnist1d==0.0.2.post1
venv/bin/python - <<'PYTHON'
import random

import numpy as np
from mnist1d.data import get_dataset_args, make_dataset


def drawn(seed, made):
    np.random.seed(seed)
    random.seed(seed)
    if made:
        make_dataset(get_dataset_args())
    return np.random.rand(), random.random()


after, without = [[drawn(seed, made) for seed in (1, 2, 3)] for made in (True, False)]
print("numpy after make_dataset, seeds 1, 2 and 3 set before:", *(f"{a:.6f}" for a, _ in after))
print("random after make_dataset, the same seeds:            ", *(f"{b:.6f}" for _, b in after))
print("without it:                                           ", *(f"{a:.6f}" for a, _ in without))
assert len(set(after)) == 1 and len({a for a, _ in without}) == 3 and len({b for _, b in without}) == 3
PYTHON
