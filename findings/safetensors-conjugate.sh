#!/usr/bin/env bash
# safetensors 0.8.0, torch 2.13.0 (CPU), Python 3.11
#
# safetensors.torch stores a conjugated tensor without its conjugation. torch conjugates lazily: `x.conj()` shares the
# memory of x and sets a bit, and only the memory is written. The imaginary part of such a number comes back with the
# wrong sign in the same way. Nothing is raised or warned of; torch.save keeps both, and numpy() refuses such a
# tensor.
#
# Guessed: the right values, or an error like those for sparse, shared and non-contiguous tensors.
#
# Output seen:
#     conjugated spectrum: [6+0j, -2-2j, -2+0j]    torch.save: same values    safetensors: [6+0j, -2+2j, -2+0j]
#     imaginary part of conj(1 + 2i): -2.0    safetensors: 2.0
#     after resolve_conj(): same values
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  safetensors==0.8.0
venv/bin/python - <<'PYTHON'
import io
import warnings

import torch
from safetensors.torch import load, save

warnings.simplefilter("error")


def back(x):
    return load(save({"x": x}))["x"]


def as_text(x):
    return "[" + ", ".join(f"{v.real + 0:.0f}{v.imag + 0:+.0f}j" for v in x.resolve_conj().tolist()) + "]"


x = torch.fft.rfft(torch.arange(4.0)).conj()
file = io.BytesIO()
torch.save(x, file)
file.seek(0)
kept = torch.equal(torch.load(file), x)
print("conjugated spectrum:", as_text(x), "   torch.save:", "same values" if kept else "others", end="    ")
print("safetensors:", as_text(back(x)))
imaginary = torch.tensor(1 + 2j).conj().imag
print("imaginary part of conj(1 + 2i):", imaginary.item(), "   safetensors:", back(imaginary).item())
resolved = torch.equal(back(x.resolve_conj()), x)
print("after resolve_conj():", "same values" if resolved else "others")
assert kept and resolved
assert torch.equal(back(x), x.conj()) and not torch.equal(back(x), x)
assert imaginary.item() == -2 and back(imaginary).item() == 2
PYTHON
