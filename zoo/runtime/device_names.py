"""The names of devices, without importing torch."""

from __future__ import annotations

import re

#: `cpu`, `cuda`, or `cuda:1` for the second GPU
DEVICE_NAME = re.compile(r"cpu|cuda(:\d+)?")
