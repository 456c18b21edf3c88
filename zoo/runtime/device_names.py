"""The names of devices, without importing torch."""

from __future__ import annotations

import re

#: `cpu`, `cuda`, `cuda:1` for the second GPU, `mps` for the GPU of a Mac, or `auto` for the first of cuda, mps and cpu
DEVICE_NAME = re.compile(r"cpu|cuda(:\d+)?|mps(:0)?|auto")
RULE = "must be cpu, cuda, cuda:NUMBER, mps or auto"
