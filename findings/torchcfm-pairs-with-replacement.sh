#!/usr/bin/env bash
# torchcfm 1.0.7, POT 0.9.7.post1, torch 2.13.0, numpy 2.4.6, Python 3.11
#
# Optimal-transport flow matching pairs the noise and the images of a batch by the exact transport plan, which is a
# permutation when both have equally many rows. torchcfm draws the pairs from that plan with replacement: of a batch of
# 256 images, 63 % (1 - 1/e) are used, some of them five times, and the others are dropped without notice.
# `sample_plan(replace=False)` uses all 256, but the flow matchers do not pass it. The pairs come from numpy's global
# random state, so torch.manual_seed does not repeat a batch.
#
# Guessed: the pairs of an exact plan are the permutation, as in the paper's minibatch coupling.
#
# Output seen:
#     the plan is a permutation of 256 pairs: True
#     distinct images in a batch, mean of 200 batches    drawn: 162.0 of 256    replace=False: 256
#     largest number of uses of one image in a batch: 3 to 7, most often 5
#     two batches after torch.manual_seed(0): different, after numpy.random.seed(0): equal
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 POT==0.9.7.post1
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check --no-deps torchcfm==1.0.7
venv/bin/python - <<'PYTHON'
from collections import Counter

import numpy as np
import torch
from sklearn.datasets import load_digits
from torchcfm.conditional_flow_matching import ExactOptimalTransportConditionalFlowMatcher
from torchcfm.optimal_transport import OTPlanSampler

N, BATCHES = 256, 200
images = torch.tensor(load_digits().data[:N] / 16, dtype=torch.float32)
assert len(images.unique(dim=0)) == N
noise = torch.randn(N, 64, generator=torch.Generator().manual_seed(0))
sampler = OTPlanSampler("exact")
plan = sampler.get_map(noise, images)
permutation = bool(((plan > 0).sum(0) == 1).all() and ((plan > 0).sum(1) == 1).all())
np.random.seed(0)
uses = [sampler.sample_plan(noise, images)[1].unique(dim=0, return_counts=True)[1] for _ in range(BATCHES)]
distinct, most = np.mean([len(each) for each in uses]), Counter(int(each.max()) for each in uses)
kept = len(sampler.sample_plan(noise, images, replace=False)[1].unique(dim=0))
print(f"the plan is a permutation of {N} pairs: {permutation}")
print(f"distinct images in a batch, mean of {BATCHES} batches    drawn: {distinct:.1f} of {N}    replace=False: {kept}")
print(f"largest number of uses of one image in a batch: {min(most)} to {max(most)}, most often {most.most_common(1)[0][0]}")
matcher = ExactOptimalTransportConditionalFlowMatcher(sigma=0.0)


def batch(seed):
    seed(0)
    _, x, _ = matcher.sample_location_and_conditional_flow(noise, images, t=torch.full((N,), 0.5))
    return x


equal = {seed: torch.equal(batch(seed), batch(seed)) for seed in (torch.manual_seed, np.random.seed)}
words = {True: "equal", False: "different"}
print(f"two batches after torch.manual_seed(0): {words[equal[torch.manual_seed]]}, "
      f"after numpy.random.seed(0): {words[equal[np.random.seed]]}")
assert permutation and kept == N and 0.61 < distinct / N < 0.65 and min(most) >= 3
assert not equal[torch.manual_seed] and equal[np.random.seed]
PYTHON
