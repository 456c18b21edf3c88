#!/usr/bin/env bash
# scikit-learn 1.9.1, scipy 1.17.1, Python 3.11
#
# KernelDensity(bandwidth="scott") and "silverman" use the factor of the rule without the spread of the data: the
# bandwidth depends on the number and the dimension of the examples only. Data with a standard deviation of 0.01 are
# smoothed with the bandwidth of data of standard deviation 1. scipy's gaussian_kde has the same factor and multiplies it
# by the covariance of the data. So the rules need data that were standardised before.
#
# Guessed: as in Scott's rule, the bandwidth is proportional to the standard deviation.
#
# Output seen: bandwidth for 500 normal values with standard deviation 0.01, 1, 100
#     scikit-learn: 0.289 0.289 0.289    scipy: 0.00293 0.293 29.3
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
venv/bin/python - <<'PYTHON'
import numpy as np
from scipy.stats import gaussian_kde
from sklearn.neighbors import KernelDensity

x = np.random.default_rng(0).standard_normal(500)
scales = (0.01, 1.0, 100.0)
ours = [KernelDensity(bandwidth="scott").fit(s * x[:, None]).bandwidth_ for s in scales]
theirs = [float(gaussian_kde(s * x, "scott").covariance[0, 0] ** 0.5) for s in scales]
print("scikit-learn:", *(f"{h:.3g}" for h in ours), "   scipy:", *(f"{h:.3g}" for h in theirs))
assert ours[0] == ours[1] == ours[2]
assert np.allclose(np.array(theirs) / theirs[1], scales)
PYTHON
