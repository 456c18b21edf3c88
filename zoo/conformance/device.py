"""Claims about devices: a model trained and used on a GPU gives the same results as on the CPU."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from zoo.conformance.claim import Failure, Skip, case_claim
from zoo.conformance.determinism import draws_of
from zoo.conformance.emulation import PLACE, EmulatedDevice
from zoo.conformance.subject import FEW, Case
from zoo.errors import PluginError, Unsupported
from zoo.models.model import Model


@case_claim()
def another_device_gives_the_same(case: Case) -> None:
    """Training and all hooks work on a GPU, emulated if there is none; hooks give the same results as on the CPU."""
    real = torch.cuda.is_available()
    emulated = EmulatedDevice()
    wanted = _answers(case, case.trained)
    try:
        with contextlib.nullcontext() if real else emulated:
            with _failing("fit" if case.plugin.implements("fit") else "loss"):
                case.train(0, FEW, device=PLACE)
            moved = replace(case.trained, module=copy.deepcopy(case.trained.module).to(PLACE))
            found = _answers(case, moved, _failing)
        _must_agree(found, wanted, real=real)
    except Failure as error:
        if emulated.transformed:
            raise Skip(
                "its hooks use transforms of torch.func, which the emulated device does not follow; run zoo check on a "
                "machine with a GPU"
            ) from error
        raise


def _must_agree(found: dict[str, Tensor], wanted: dict[str, Tensor], *, real: bool) -> None:
    for hook, value in wanted.items():
        if real and hook not in ("encode", "decode"):
            continue  # a GPU draws different numbers
        gap = (found[hook] - value).abs().max().item()
        if gap > 1e-2 * (1 + value.abs().max().item()):
            raise Failure(f"{hook} must give the same result on {PLACE} and on the CPU, got a difference of {gap:g}")


def _answers(
    case: Case,
    model: Model,
    around: Callable[[str], AbstractContextManager[None]] = lambda hook: contextlib.nullcontext(),
) -> dict[str, Tensor]:
    """Return the hooks' results by name, all drawn with the same seed; each call is made inside `around(hook)`."""
    x = case.data.train[:8]
    calls: dict[str, Callable[[], Tensor]] = {"encode": lambda: model.encode(x), "decode": lambda: model.reconstruct(x)}
    calls |= {f"a draw of {hook}": partial(call, 0) for hook, call in draws_of(case, model).items()}
    found = {}
    for hook, call in calls.items():
        with contextlib.suppress(Unsupported), around(hook):
            found[hook] = call()
    return found


@contextlib.contextmanager
def _failing(hook: str) -> Iterator[None]:
    """Turn an error of a hook into a failure that names it; torch raises these types for tensors on two devices."""
    try:
        yield
    except (PluginError, RuntimeError, TypeError) as error:
        raise Failure(f"{hook} must run on the device that the model was moved to: {error}") from error
