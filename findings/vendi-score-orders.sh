#!/usr/bin/env bash
# vendi-score 0.0.3, numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, Python 3.11
#
# The Vendi score of order q fails at both ends of its range. At q = 0 it counts eigenvalues, those that are rounding
# errors included: 100 points in 5 dimensions have some 52 "effective" kinds, where their similarity matrix has rank
# 5. At q = infinity it wants the word "inf": the number math.inf gives nan, without an error.
#
# Guessed: at most 5 for q = 0, by a tolerance; math.inf and "inf" alike.
#
# Output seen (the two counts vary with the linear algebra library):
#     rank of the similarity matrix: 5
#     q = 0: 52 in float64, 52 in float32; q = 0.5: 3.194; q = 1: 2.181
#     q = "inf": 1.255; q = math.inf: nan
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 vendi-score==0.0.3
venv/bin/python - <<'PYTHON'
import math
import warnings

import numpy as np
from vendi_score import vendi

warnings.simplefilter("ignore")
x = np.random.default_rng(0).random((100, 5))
x /= np.linalg.norm(x, axis=1, keepdims=True)
K = x @ x.T
rank = np.linalg.matrix_rank(K)
print("rank of the similarity matrix:", rank)


def score(q, dtype="float64"):
    return float(vendi.score_K(K.astype(dtype), q=q))


none, single = score(0), score(0, "float32")
print(f"q = 0: {none:.0f} in float64, {single:.0f} in float32; q = 0.5: {score(0.5):.3f}; q = 1: {score(1):.3f}")
print(f'q = "inf": {score("inf"):.3f}; q = math.inf: {score(math.inf)}')
assert rank == 5 and none > 10 and score(1) < 5
assert 1 < score("inf") < score(1) and math.isnan(score(math.inf))
PYTHON
