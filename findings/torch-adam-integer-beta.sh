#!/usr/bin/env bash
# torch 2.13.0, Python 3.11
#
# torch.optim.Adam(parameters, betas=(0, 0.9)) raises ValueError: "betas must be either both floats or both Tensors". The
# integer 0 is the usual way to write the β₁ of a Wasserstein GAN with gradient penalty, and older code has it; with
# betas=(0.0, 0.9) the optimiser is made. AdamW refuses it, too. NAdam, RAdam and Adamax take the integer.
#
# Guessed: a number that passes the check 0 <= β < 1 is accepted, as in other optimisers.
#
# Output seen:
#     (0, 0.9): Adam refused, AdamW refused, NAdam made, RAdam made, Adamax made
#     (0.0, 0.9): Adam made, AdamW made, NAdam made, RAdam made, Adamax made
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import torch

NAMES = ["Adam", "AdamW", "NAdam", "RAdam", "Adamax"]


def outcome(name, betas):
    try:
        getattr(torch.optim, name)([torch.nn.Parameter(torch.zeros(2))], betas=betas)
    except ValueError:
        return "refused"
    return "made"


found = [[outcome(name, betas) for name in NAMES] for betas in [(0, 0.9), (0.0, 0.9)]]
for betas, outcomes in zip(["(0, 0.9)", "(0.0, 0.9)"], found):
    print(f"{betas}:", ", ".join(map(" ".join, zip(NAMES, outcomes))))
assert found == [["refused"] * 2 + ["made"] * 3, ["made"] * 5]
PYTHON
