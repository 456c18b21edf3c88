#!/usr/bin/env bash
# torch 2.13.0, Python 3.11
#
# The first optimiser of a process imports torch's compiler: torch.optim.SGD(parameters, lr=0.1) alone, in a program that
# compiles nothing, loads more than 800 modules, among them torch._dynamo, sympy and mpmath, and takes about as long as
# `import torch` itself. Every short training in a process of its own pays for it, and a measurement of the first step
# includes it. torch's own `inspect.unwrap`-able wrappers cause it: an optimiser whose class has the unwrapped
# `add_param_group` is made without any of these modules.
#
# Guessed: what an optimiser needs is imported with torch.
#
# Output seen:
#     SGD: 823 new modules, compiler True, sympy True
#     SGD with the unwrapped add_param_group: 0 new modules, compiler False, sympy False
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat >count.py <<'PYTHON'
import inspect
import sys

import torch

kind = torch.optim.SGD
name = "SGD"
if sys.argv[1:] == ["unwrapped"]:
    kind = type("SGD", (kind,), {"add_param_group": inspect.unwrap(kind.add_param_group)})
    name = "SGD with the unwrapped add_param_group"
module, before = torch.nn.Linear(1, 1), set(sys.modules)
kind(module.parameters(), lr=0.1)
new = set(sys.modules) - before
print(f"{name}: {len(new)} new modules, compiler {'torch._dynamo' in new}, sympy {'sympy' in new}")
assert (len(new) > 500) == ("torch._dynamo" in new) == ("sympy" in new) == (name == "SGD")
PYTHON
venv/bin/python count.py
venv/bin/python count.py unwrapped
