"""Device selection: the CPU, or one NVIDIA GPU.

A model is built and initialised on the CPU, so that a seed gives the same initial weights everywhere, and then moved.
A model's hooks see only its own device; `zoo.Model` moves tensors there and back.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch import nn

from zoo.errors import ConfigError
from zoo.runtime.device_names import DEVICE_NAME

CPU = torch.device("cpu")


def find_device(name: str) -> torch.device:
    """Return the device named `cpu`, `cuda`, or `cuda:1` (the second GPU).

    Raises:
        ConfigError: if the name is invalid, or torch does not see that GPU.
    """
    if not DEVICE_NAME.fullmatch(name):
        raise ConfigError(f"The device must be cpu, cuda or cuda:NUMBER, got {name!r}.")
    if name == "cpu":
        return CPU
    number, count = int(name.partition(":")[2] or 0), torch.cuda.device_count()
    if number >= count:
        raise ConfigError(
            f"The device {name!r} is not available: torch {torch.__version__} sees {count} GPUs; use another one, or "
            "cpu."
        )
    return torch.device("cuda", number)


def device_of(module: nn.Module) -> torch.device:
    """Return the device of a module's tensors; the CPU if it has none."""
    return next((tensor.device for tensor in chain(module.parameters(), module.buffers())), CPU)


def describe_device(device: torch.device) -> str:
    """Describe a device for results: the CPU's instruction set or the GPU's model; both affect the last digits."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
