#!/usr/bin/env bash
# eummd 0.0.2 (built from source: a C++ compiler is needed), numpy 2.4.6, scipy 1.17.1, Python 3.11
#
# eummd's two-sample test finds a sample to be different from itself. The p-value is two-sided: a maximum mean
# discrepancy that is unusually small counts as much as one that is unusually large. A sample against its own copy, in
# any order, has the least discrepancy of all, and with 200 permutations p = 2/201. So a generator that memorised the
# data is reported as "distributions differ, p < 0.01", exactly like one that misses them, and only the sign of the
# statistic tells.
#
# Guessed: p = 1, as for every one-sided permutation test of the discrepancy.
#
# Output seen:
#     a sample and itself:                  statistic -0.005847, p = 0.00995
#     a sample and itself, shuffled:        statistic -0.005847, p = 0.00995
#     a sample and a copy with noise 0.01:  statistic -0.005762, p = 0.00995
#     a sample and one shifted by 1:        statistic 0.104061, p = 0.00249
#     another sample of the same law:       statistic 0.001914, p = 0.38806
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  numpy==2.4.6 scipy==1.17.1 eummd==0.0.2
venv/bin/python - <<'PYTHON'
import numpy as np
from eummd import eummd

rng = np.random.default_rng(0)
x = rng.normal(size=200)
p = {}
for name, y in {
    "a sample and itself:": x,
    "a sample and itself, shuffled:": rng.permutation(x),
    "a sample and a copy with noise 0.01:": x + 0.01 * rng.normal(size=200),
    "a sample and one shifted by 1:": rng.normal(1, size=200),
    "another sample of the same law:": rng.normal(size=200),
}.items():
    result = eummd(x, y, seednum=1)
    p[name] = result["pval"]
    print(f"{name:37} statistic {result['stat']:.6f}, p = {result['pval']:.5f}")
*rejected, kept = p.values()
assert all(value < 0.01 for value in rejected) and kept > 0.05
PYTHON
