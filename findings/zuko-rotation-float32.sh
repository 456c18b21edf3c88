#!/usr/bin/env bash
# zuko 1.6.0, torch 2.13.0, Python 3.11
#
# zuko.transforms.RotationTransform reports log|det| = 0, as a rotation has, but its matrix exp(A − Aᵀ) is orthogonal only
# up to the error of the matrix exponential in float32, which grows with D and with the norm of A, and has a sign. For
# A with entries from N(0, 1), log|det R| is −0.07 at D = 784: an exact likelihood of MNIST images is off by that many
# nats for every image, at every such layer, and x = f⁻¹(f(x)) is short by 2e-4. In float64 the error is below 1e-9.
#
# Guessed: rounding errors of the order of 1e-6, without a sign.
#
# Output seen: D, log|det| as reported, log|det R| in float32 and in float64
#     8     0.0        +3.7e-06               -1.2e-15
#     64    0.0        -2.1e-05               +2.0e-13
#     256   0.0        +2.0e-03               +5.3e-14
#     784   0.0        -7.0e-02               +9.6e-11
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check zuko==1.6.0
venv/bin/python - <<'PYTHON'
import torch
import zuko

found = {}
for D in (8, 64, 256, 784):
    torch.manual_seed(0)
    A, x = torch.randn(D, D), torch.randn(1, D)
    rotation, exact = (zuko.transforms.RotationTransform(each) for each in (A, A.double()))
    reported = rotation.log_abs_det_jacobian(x, rotation(x)).item()
    found[D] = (reported, *(torch.linalg.slogdet(each.R.double())[1].item() for each in (rotation, exact)))
    print(f"{D:<5} {reported:<10} {found[D][1]:+.1e}               {found[D][2]:+.1e}")
assert all(reported == 0 for reported, _, _ in found.values())
assert abs(found[8][1]) < 1e-4 and abs(found[784][1]) > 0.01
assert all(abs(exact) < 1e-8 for _, _, exact in found.values())
PYTHON
