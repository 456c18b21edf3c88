#!/usr/bin/env bash
# POT 0.9.7.post1, numpy 2.4.6, scipy 1.17.1, Python 3.11
#
# Below a certain regularisation POT's Sinkhorn distance of two different samples is 0: not nan, not an error, but the
# value of a perfect match. The kernel exp(-M / reg) underflows, and the last plan before the failure is returned,
# which moves next to no mass. The same holds for `empirical_sinkhorn_divergence`, whose 0 means "equal". With
# method="sinkhorn_log" the value is right. There are warnings about a division by zero; whoever ranks models by the
# number ranks a failed run first.
#
# Guessed: nan, or a plan with right sums and too smooth.
#
# Output seen:
#     exact cost 0.1157
#     reg     sinkhorn     mass moved    sinkhorn_log
#     1e-02   1.18e-01     1.0000        1.18e-01
#     1e-03   1.15e-01     1.0000        1.15e-01
#     1e-04   2.80e-25     0.0000        1.00e-01
#     empirical_sinkhorn_divergence of the two, reg 1e-4: 2.8e-25
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  numpy==2.4.6 scipy==1.17.1 POT==0.9.7.post1
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
import ot

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x, y = rng.random((300, 5)), rng.random((200, 5)) + 0.1
M = ot.dist(x, y)
print(f"exact cost {ot.emd2([], [], M):.4f}")
print("reg     sinkhorn     mass moved    sinkhorn_log")
value = {}
for reg in (1e-2, 1e-3, 1e-4):
    plan = ot.sinkhorn([], [], M, reg)
    value[reg] = float(ot.sinkhorn2([], [], M, reg)), float(plan.sum())
    stable = float(ot.sinkhorn2([], [], M, reg, method="sinkhorn_log"))
    print(f"{reg:.0e}   {value[reg][0]:.2e}     {value[reg][1]:.4f}        {stable:.2e}")
divergence = float(ot.bregman.empirical_sinkhorn_divergence(x, y, 1e-4))
print("empirical_sinkhorn_divergence of the two, reg 1e-4:", f"{divergence:.1e}")
assert value[1e-2][0] > 0.1 and abs(value[1e-2][1] - 1) < 1e-6
assert value[1e-4][0] < 1e-9 and value[1e-4][1] < 1e-9 and divergence < 1e-9
PYTHON
