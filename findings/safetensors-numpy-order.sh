#!/usr/bin/env bash
# safetensors 0.8.0, numpy 2.4.6, scikit-learn 1.9.1, Python 3.11
#
# safetensors.numpy writes an array's memory as it lies and ignores its strides. A transposed or Fortran-ordered array
# comes back with the same shape and other values, every second entry of a vector comes back as the first half of it,
# and nothing is raised or warned of. The fitted `components_` of scikit-learn's PCA are such an array: a PCA that is
# stored this way decodes to noise. The function for torch refuses the same layout.
#
# Guessed: an error, as in safetensors.torch, or a copy in C order.
#
# Output seen:
#     the transpose of a 2 x 3 matrix:     [[0, 3], [1, 4], [2, 5]] -> [[0, 1], [2, 3], [4, 5]]
#     every second of 0..5:                [0, 2, 4] -> [0, 1, 2]
#     PCA components of the digits:        C order False, entries that differ: 317 of 320
#     after np.ascontiguousarray:          same values True
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 safetensors==0.8.0
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
from safetensors.numpy import load, save
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

warnings.simplefilter("error")


def back(array):
    return load(save({"a": array}))["a"]


transposed, second = np.arange(6).reshape(2, 3).T, np.arange(6)[::2]
print("the transpose of a 2 x 3 matrix:    ", transposed.tolist(), "->", back(transposed).tolist())
print("every second of 0..5:               ", second.tolist(), "->", back(second).tolist())
W = PCA(5, svd_solver="full").fit(load_digits().data).components_
differ = int((back(W) != W).sum())
print("PCA components of the digits:        C order", f"{W.flags.c_contiguous}, entries that differ: {differ} of {W.size}")
whole = np.array_equal(back(np.ascontiguousarray(W)), W)
print("after np.ascontiguousarray:          same values", whole)
assert back(transposed).tolist() == [[0, 1], [2, 3], [4, 5]] and back(second).tolist() == [0, 1, 2]
assert back(W).shape == W.shape and differ > 200 and whole
PYTHON
