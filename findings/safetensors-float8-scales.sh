#!/usr/bin/env bash
# safetensors 0.8.0, torch 2.13.0, Python 3.11
#
# safetensors writes float8_e8m0fnu, the type of the scales of microscaling formats, and packed float4, and its own
# reader does not know them: `save` returns bytes, `load` of these bytes raises KeyError('F8_E8M0'). The header is valid
# and the values are in the file, so a checkpoint is lost only when it is needed.
#
# Guessed: a type that `load` cannot read is refused by `save`, as complex128 is.
#
# Output seen:
#     float32: read back, equal    float8_e4m3fn: read back, equal    float8_e5m2: read back, equal
#     float8_e8m0fnu: written, KeyError when read    float4_e2m1fn_x2: written, KeyError when read
#     complex128: refused when written
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6 safetensors==0.8.0
venv/bin/python - <<'PYTHON'
import torch
from safetensors.torch import load, save


def outcome(dtype):
    if dtype.is_complex:
        tensor = torch.ones(4, dtype=dtype)
    else:
        size = dtype.itemsize * 4
        tensor = torch.full((size,), 64, dtype=torch.uint8).view(dtype)
    try:
        content = save({"x": tensor})
    except Exception:
        return "refused when written"
    try:
        found = load(content)["x"]
    except Exception as error:
        return f"written, {type(error).__name__} when read"
    same = torch.equal(found.view(torch.uint8), tensor.view(torch.uint8))
    return f"read back, {'equal' if same else 'different'}"


rows = [("float32", "float8_e4m3fn", "float8_e5m2"), ("float8_e8m0fnu", "float4_e2m1fn_x2"), ("complex128",)]
found = {name: outcome(getattr(torch, name)) for row in rows for name in row}
for row in rows:
    print("    ".join(f"{name}: {found[name]}" for name in row))
assert all(found[name] == "read back, equal" for name in rows[0])
assert all(found[name] == "written, KeyError when read" for name in rows[1])
assert found["complex128"] == "refused when written"
PYTHON
