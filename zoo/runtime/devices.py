"""Where a model lives and works: the processor, or one NVIDIA GPU.

A model is built and initialised on the processor, whose random numbers give it the same first weights everywhere, and
is then moved. The hooks of a model see its own device alone; `zoo.Model` takes tensors there and back.
"""

from __future__ import annotations

import re
from itertools import chain

import torch
from torch import nn

from zoo.errors import ConfigError

CPU = torch.device("cpu")


def find_device(name: str) -> torch.device:
    """The device of a name: `cpu`, `cuda`, or `cuda:1` for the second GPU.

    Raises:
        ConfigError: for another name, or a GPU that torch does not see.
    """
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ConfigError(f"A device is cpu, cuda or cuda:NUMBER, got {name!r}.")
    if name == "cpu":
        return CPU
    number, count = int(name.partition(":")[2] or 0), torch.cuda.device_count()
    if number >= count:
        raise ConfigError(
            f"There is no device {name!r}: torch {torch.__version__} sees {count} GPUs here; use another, or the "
            "processor (cpu)."
        )
    return torch.device("cuda", number)


def device_of(module: nn.Module) -> torch.device:
    """Where a module lives; one without tensors, on the processor."""
    return next((tensor.device for tensor in chain(module.parameters(), module.buffers())), CPU)


def describe_device(device: torch.device) -> str:
    """What results say of a device: the processor's instructions, or the GPU's model; both change last digits."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
