"""Device selection: the CPU, one NVIDIA GPU, or the GPU of a Mac (MPS).

A model is built and initialised on the CPU, so that a seed gives the same initial weights everywhere, and then moved.
A model's hooks see only its own device; `zoo.Model` moves tensors there and back.

MPS has no float64. What moves there is float32. Hooks that may compute in float64 (`log_prob`, `log_prob_codes` and
`diagnose`) run on the CPU instead, and so does a model with its own `fit`.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

from zoo.errors import ConfigError
from zoo.runtime.device_names import DEVICE_NAME, RULE

CPU = torch.device("cpu")


def find_device(name: str) -> torch.device:
    """Return the device named `cpu`, `cuda`, `cuda:1` (the second GPU) or `mps`; `auto` is the first of cuda, mps, cpu.

    Raises:
        ConfigError: if the name is invalid, or torch does not see that GPU.
    """
    if not isinstance(name, str) or not DEVICE_NAME.fullmatch(name):
        raise ConfigError(f"The device {RULE}, got {name!r:.80}.")
    if name == "auto":
        name = "cuda" if torch.cuda.device_count() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cpu":
        return CPU
    if name.startswith("mps"):
        if not torch.backends.mps.is_available():
            raise ConfigError(
                f"The device 'mps' is not available: torch {torch.__version__} sees no GPU of a Mac; use cpu."
            )
        return torch.device("mps", 0)
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
    if device.type == "mps":
        return str(torch.backends.mps.get_name())
    return torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()


def has_float64(device: torch.device) -> bool:
    """Whether tensors on the device may be float64."""
    return device.type != "mps"


def suited(device: torch.device, *, float64: bool) -> torch.device:
    """Return the device, or the CPU if float64 is needed and the device has none."""
    return CPU if float64 and not has_float64(device) else device


def moved(x: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device; float64 becomes float32 before it moves to a device without float64."""
    if x.dtype == torch.float64 and not has_float64(device):
        x = x.float()
    return x.to(device)


def random_state(device: torch.device) -> Tensor | None:
    """Return the global random state of a GPU; None for the CPU."""
    if device.type == "mps":
        return torch.mps.get_rng_state()
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def set_random_state(device: torch.device, state: Tensor) -> None:
    """Set the global random state of a GPU."""
    if device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.cuda.set_rng_state(state, device)
