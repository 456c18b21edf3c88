#!/usr/bin/env bash
# pydantic 2.14.3, numpy 2.4.6, Python 3.11
#
# pydantic takes a numpy integer for an int by way of a float: above 2^53 it comes out as another number, without a
# word. A 63-bit seed drawn with numpy keeps its first 16 digits or so, and the run that is stored is not the run that
# was made. The same integer as a Python int, a string, a Decimal or JSON is exact; strict mode refuses the numpy one.
# An unsigned one of 2^63 or more is an error that blames a string.
#
# Guessed: exact by __index__, which numpy integers have, or refused in both modes.
#
# Output seen:
#     int64 9007199254740993 -> 9007199254740992
#     a seed drawn with numpy: 5874934615388537135 -> 5874934615388536832
#     the same as int, string, Decimal, JSON: exact True
#     strict: refused True
#     uint64 9223372036854775813: Unable to parse input string as an integer, exceeded maximum size
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  numpy==2.4.6 pydantic==2.14.3
venv/bin/python - <<'PYTHON'
import dataclasses
from decimal import Decimal

import numpy as np
from pydantic import TypeAdapter, ValidationError


@dataclasses.dataclass(frozen=True)
class Run:
    seed: int


integer, run = TypeAdapter(int), TypeAdapter(Run)
odd = np.int64(2**53 + 1)
print("int64", odd, "->", integer.validate_python(odd))
seed = np.random.default_rng(0).integers(2**63)
kept = run.validate_python({"seed": seed}).seed
print("a seed drawn with numpy:", seed, "->", kept)
whole = int(seed)
exact = all(integer.validate_python(v) == whole for v in (whole, str(whole), Decimal(whole)))
exact = exact and integer.validate_json(str(whole)) == whole
print("the same as int, string, Decimal, JSON: exact", exact)


def refusal(value, **options):
    try:
        integer.validate_python(value, **options)
    except ValidationError as error:
        return error.errors()[0]["msg"]
    return ""


print("strict: refused", bool(refusal(odd, strict=True)))
large = np.uint64(2**63 + 5)
print(f"uint64 {large}: {refusal(large)}")
assert integer.validate_python(odd) == 2**53 and kept != whole and abs(kept - whole) < 1024
assert exact and refusal(odd, strict=True) and "string" in refusal(large)
PYTHON
