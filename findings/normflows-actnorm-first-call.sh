#!/usr/bin/env bash
# normflows 1.7.3, torch 2.13.0 (CPU), numpy 2.4.6, Python 3.11
#
# An ActNorm layer of normflows sets itself to whatever passes through it first, in eval mode and under no_grad as
# well. Sampling a few points before training (a picture of step 0, a test of the interface) sets its scale and shift
# to those few points of noise in the wrong direction, and the data no longer do so; asking for the density of a
# single row sets them to nan, for good. The calls look like reading, and they write parameters that are then saved.
#
# Guessed: initialised by the first batch in training mode, as batch norm is, or only on the way from data to noise.
#
# Output seen:
#     mean log-density of 1000 rows, new flow:                   -6.099
#     in eval mode, 4 points sampled before:                     -32.949
#     in eval mode, the density of one row asked for before:     nan
#     parameters changed by log_prob in eval mode under no_grad: True
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  normflows==1.7.3
venv/bin/python - <<'PYTHON'
import warnings

import normflows
import torch

warnings.simplefilter("ignore")  # the deviation of one row
torch.manual_seed(0)
x = torch.randn(1000, 2) * 5 + 3


def flow():
    return normflows.NormalizingFlow(normflows.distributions.base.DiagGaussian(2), [normflows.flows.ActNorm(2)])


with torch.no_grad():
    new = flow().log_prob(x).mean().item()
    sampled = flow().eval()
    sampled.sample(4)
    after_sampling = sampled.log_prob(x).mean().item()
    single = flow().eval()
    single.log_prob(x[:1])
    after_one = single.log_prob(x).mean().item()
    read = flow().eval()
    before = {name: value.clone() for name, value in read.state_dict().items()}
    read.log_prob(x)
changed = any(not torch.equal(before[name], value) for name, value in read.named_parameters())
print(f"mean log-density of 1000 rows, new flow:                   {new:.3f}")
print(f"in eval mode, 4 points sampled before:                     {after_sampling:.3f}")
print(f"in eval mode, the density of one row asked for before:     {after_one:.3f}")
print("parameters changed by log_prob in eval mode under no_grad:", changed)
assert new > -7 and after_sampling < new - 5 and after_one != after_one and changed
PYTHON
