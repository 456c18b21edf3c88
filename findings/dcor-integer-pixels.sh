#!/usr/bin/env bash
# dcor 0.7, numba 0.68.1, numpy 2.4.6, scipy 1.17.1, Python 3.11
#
# dcor computes in the integers that it is given, and they overflow. For 8-bit grey levels a distance correlation,
# which lies between 0 and 1, comes out as 153,741; the other algorithm of the same function gives 0.14 for it, and
# the energy distance of two sets of 8-bit pictures falls from 420 to 0.8. The only warning is about speed. int16
# raises OverflowError; int32 and floats are right.
#
# Guessed: integers are converted to float64 first, as scipy's distances do.
#
# Output seen:
#     distance correlation of two grey levels    float64: 0.951    uint8: 153741    uint8, naive: 0.143
#     the same numbers as uint16: 2.302, as int16: OverflowError, as int32: 0.951
#     energy distance of two sets of pictures    float64: 420.410    uint8: 0.811
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  numpy==2.4.6 scipy==1.17.1 numba==0.68.1 dcor==0.7
venv/bin/python - <<'PYTHON'
import warnings

import dcor
import numpy as np

warnings.simplefilter("ignore")  # "Falling back to uncompiled": about speed
rng = np.random.default_rng(0)
x = rng.integers(0, 256, 500)
y = np.clip(x + rng.integers(-40, 41, 500), 0, 255)


def correlation(dtype, **options):
    return float(dcor.distance_correlation(x.astype(dtype), y.astype(dtype), **options))


right, wrong, naive = correlation("float64"), correlation("uint8"), correlation("uint8", method="naive")
print(f"distance correlation of two grey levels    float64: {right:.3f}    uint8: {wrong:.0f}    uint8, naive: {naive:.3f}")
try:
    short = f"{correlation('int16'):.3f}"
except OverflowError:
    short = "OverflowError"
print(f"the same numbers as uint16: {correlation('uint16'):.3f}, as int16: {short}, as int32: {correlation('int32'):.3f}")
light, dark = rng.integers(0, 256, (200, 64)), rng.integers(0, 128, (200, 64))
energies = [float(dcor.energy_distance(light.astype(d), dark.astype(d))) for d in ("float64", "uint8")]
print(f"energy distance of two sets of pictures    float64: {energies[0]:.3f}    uint8: {energies[1]:.3f}")
assert 0.9 < right < 1 and wrong > 100 and naive < 0.5 and short == "OverflowError"
assert correlation("uint16") > 1 and abs(correlation("int32") - right) < 1e-6
assert energies[0] > 100 and energies[1] < 10
PYTHON
