#!/usr/bin/env bash
# torch 2.13.0 (CPU), scikit-learn 1.9.1 (for its digits), Python 3.11
#
# torch.pca_lowrank with its own settings is far from the PCA. Asked for q components, it works with q random
# directions and no spare ones: on the 1797 digits with q = 8 the smallest of the 8 singular values is 4 to 20 % too
# small, depending on the seed, the last directions point elsewhere, and two calls on the same data differ, since it
# draws from the global generator and takes no other. With ten spare directions the first eight are right to three
# digits; scikit-learn's randomised PCA adds them itself.
#
# Guessed: right to about 1 % on 64 columns, and the same from call to call.
#
# Output seen:
#     q = 8, smallest of the 8 singular values / the exact one, five seeds: 0.805 0.936 0.876 0.913 0.960
#     variance kept by the 8 directions / the best possible: 0.953 at the worst
#     two calls without a new seed: same False
#     q = 18, of which the first 8 are used: 0.998 at the worst
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  scipy==1.17.1 scikit-learn==1.9.1
venv/bin/python - <<'PYTHON'
import torch
from sklearn.datasets import load_digits

torch.set_num_threads(1)
x = torch.tensor(load_digits().data, dtype=torch.float32) / 16
centred = x - x.mean(0)
exact = torch.linalg.svdvals(centred)[:8]
least, kept, spare = [], [], []
for seed in range(5):
    torch.manual_seed(seed)
    _, S, V = torch.pca_lowrank(x, q=8)
    least.append((S / exact).min().item())
    kept.append(((centred @ V).square().sum() / exact.square().sum()).item())
    spare.append((torch.pca_lowrank(x, q=18)[1][:8] / exact).min().item())
print("q = 8, smallest of the 8 singular values / the exact one, five seeds:", *(f"{v:.3f}" for v in least))
print(f"variance kept by the 8 directions / the best possible: {min(kept):.3f} at the worst")
again = torch.equal(torch.pca_lowrank(x, q=8)[1], torch.pca_lowrank(x, q=8)[1])
print("two calls without a new seed: same", again)
print(f"q = 18, of which the first 8 are used: {min(spare):.3f} at the worst")
assert min(least) < 0.9 and max(least) < 0.98 and min(spare) > 0.99 and not again
PYTHON
