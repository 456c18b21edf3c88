"""Claims about devices: a model that is moved works where it is."""

from __future__ import annotations

import copy

import torch

from zoo.testing.claim import Failure, Skip, case_claim
from zoo.testing.subject import Case


@case_claim()
def another_device_gives_the_same(case: Case) -> None:
    """Moved to a GPU, `encode` and `decode` answer there, as they do on the CPU."""
    if not torch.cuda.is_available():
        raise Skip("there is no GPU here")
    hooks, x = case.plugin.hooks, case.data.standardise(case.data.train[:8])
    module = copy.deepcopy(case.trained.module).to("cuda")
    with torch.no_grad():
        z = hooks.encode(model=case.trained.module, x=x, generator=None)
        wanted = {"encode": z, "decode": hooks.decode(model=case.trained.module, z=z, generator=None)}
        found = {
            "encode": hooks.encode(model=module, x=x.cuda(), generator=None),
            "decode": hooks.decode(model=module, z=z.cuda(), generator=None),
        }
    for hook, value in found.items():
        if value.device.type != "cuda":
            raise Failure(f"{hook} must return a tensor on cuda, as it was given, got {value.device}")
        gap = (value.cpu() - wanted[hook]).abs().max().item()
        if gap > 1e-2 * (1 + wanted[hook].abs().max().item()):
            raise Failure(f"{hook} must be the same on cuda and on the CPU, got a difference of {gap:g}")
