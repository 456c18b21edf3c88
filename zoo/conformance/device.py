"""Claims about devices: a model trained and used on a GPU gives the same results as on the CPU."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from zoo.conformance.claim import Failure, case_claim
from zoo.conformance.determinism import draws_of
from zoo.conformance.emulation import PLACE, EmulatedDevice
from zoo.conformance.subject import FEW, Case
from zoo.errors import PluginError, Unsupported
from zoo.models.model import Model


@case_claim()
def another_device_gives_the_same(case: Case) -> None:
    """A model trains on a GPU (emulated if the machine has none), and its hooks give the same results as on the CPU."""
    real = torch.cuda.is_available()
    there = contextlib.nullcontext() if real else EmulatedDevice()
    wanted = _answers(case, case.trained)
    with there:
        try:
            case.train(0, FEW, device=PLACE)
            moved = replace(case.trained, module=copy.deepcopy(case.trained.module).to(PLACE))
            found = _answers(case, moved)
        except (PluginError, RuntimeError, TypeError) as error:  # torch's errors for tensors on different devices
            raise Failure(f"a model must train and run on the device that it was moved to: {error}") from error
    for hook, value in wanted.items():
        if real and hook not in ("encode", "decode"):
            continue  # a GPU draws different numbers
        gap = (found[hook] - value).abs().max().item()
        if gap > 1e-2 * (1 + value.abs().max().item()):
            raise Failure(f"{hook} must give the same result on {PLACE} and on the CPU, got a difference of {gap:g}")


def _answers(case: Case, model: Model) -> dict[str, Tensor]:
    """Return the hooks' results by name, all drawn with the same seed."""
    x = case.data.train[:8]
    calls: dict[str, Callable[[], Tensor]] = {"encode": lambda: model.encode(x), "decode": lambda: model.reconstruct(x)}
    calls |= {f"a draw of {hook}": partial(call, 0) for hook, call in draws_of(case, model).items()}
    found = {}
    for hook, call in calls.items():
        with contextlib.suppress(Unsupported):
            found[hook] = call()
    return found
