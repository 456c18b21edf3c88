#!/usr/bin/env bash
# torchsde 0.2.6 and FrEIA 0.2 with torch 2.13.0 (CPU), numpy 2.4.6, scipy 1.17.1, Python 3.11
#
# torch.manual_seed does not seed torchsde: the Brownian path of `sdeint` takes its seed from numpy's global
# generator, so that the same torch seed gives another solution on every call, and a forgotten numpy seed gives
# another one in every run. The invertible networks of FrEIA draw the channel order of an AllInOneBlock from numpy in
# the same way, beside weights that torch draws.
#
# Guessed: a library that takes and returns torch tensors draws from torch.
#
# Output seen:
#     sdeint, torch seeded twice alike: same path False
#     sdeint, numpy seeded twice alike, torch not: same path True
#     AllInOneBlock, torch seeded alike, numpy not: same weights True, same channel order False
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  scipy==1.17.1 torchsde==0.2.6 FrEIA==0.2
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
import torchsde
from FrEIA.framework import SequenceINN
from FrEIA.modules import AllInOneBlock

torch.set_num_threads(1)


class OrnsteinUhlenbeck:
    noise_type, sde_type = "diagonal", "ito"

    def f(self, t, y):
        return -y

    def g(self, t, y):
        return torch.ones_like(y)


def path(torch_seed, numpy_seed):
    torch.manual_seed(torch_seed)
    np.random.seed(numpy_seed)
    return torchsde.sdeint(OrnsteinUhlenbeck(), torch.zeros(8, 1), torch.tensor([0.0, 1.0]), dt=0.1)[-1]


def block(numpy_seed):
    torch.manual_seed(0)
    np.random.seed(numpy_seed)
    flow = SequenceINN(16)
    flow.append(AllInOneBlock, subnet_constructor=torch.nn.Linear)
    state = flow.state_dict()
    return [v for k, v in state.items() if "subnet" in k], [v for k, v in state.items() if "perm" in k]


by_torch, by_numpy = torch.equal(path(0, 1), path(0, 2)), torch.equal(path(1, 0), path(2, 0))
print("sdeint, torch seeded twice alike: same path", by_torch)
print("sdeint, numpy seeded twice alike, torch not: same path", by_numpy)
(weights, order), (other_weights, other_order) = block(1), block(2)
same_weights = all(map(torch.equal, weights, other_weights))
same_order = all(map(torch.equal, order, other_order))
print(f"AllInOneBlock, torch seeded alike, numpy not: same weights {same_weights}, same channel order {same_order}")
assert not by_torch and by_numpy and weights and order and same_weights and not same_order
PYTHON
