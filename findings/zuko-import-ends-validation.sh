#!/usr/bin/env bash
# zuko 1.6.0, torch 2.13.0, Python 3.11
#
# `import zuko` switches off the validation of arguments in torch.distributions for the whole process: before it,
# Normal(0, −1) raises ValueError; after it, Normal(0, −1) is built and its log_prob is nan, also in code that never
# uses zuko. A model that relies on these errors to notice a diverged scale trains on with nan.
#
# Guessed: an import changes nothing outside the package.
#
# Output seen:
#     before: refused    after: built, log_prob nan    default for validation: False
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
from torch.distributions import Distribution, Normal


def outcome():
    try:
        normal = Normal(torch.tensor(0.0), torch.tensor(-1.0))
    except ValueError:
        return "refused"
    return f"built, log_prob {normal.log_prob(torch.tensor(0.0)).item()}"


before = outcome()
import zuko  # noqa: E402, F401

after = outcome()
print(f"before: {before}    after: {after}    default for validation: {Distribution._validate_args}")
assert (before, after, Distribution._validate_args) == ("refused", "built, log_prob nan", False)
PYTHON
