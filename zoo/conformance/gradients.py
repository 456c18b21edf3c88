"""Claims about gradients: autograd of `loss` agrees with finite differences.

Everything is computed in double precision, which is also the default dtype meanwhile, so that differences are accurate.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from zoo.conformance.claim import Failure, Skip, case_claim
from zoo.conformance.subject import Case
from zoo.runtime.randomness import generator, scoped_randomness
from zoo.training.meter import Step

WIDTH = 1e-7  # ε, small enough to rarely cross a kink of a rectifier
TOLERANCE = 1e-2  # relative; the error of a wrong gradient is larger
NOISE = 1e-6  # absolute error of a finite difference, for a loss of about 1


@case_claim("loss")
def gradients_are_those_of_the_loss(case: Case) -> None:
    """The gradient of each parameter along a random direction u equals (L(θ + εu) − L(θ − εu))/2ε."""
    with _double():
        module = _in_double(case)
        loss, gradients = _differentiated(case, copy.deepcopy(module))
        for name, gradient in gradients.items():
            u = torch.randn(gradient.shape, generator=generator(0, name))
            u /= u.norm()
            above, below = (_loss(case, _moved(module, name, sign * WIDTH * u)).item() for sign in (1, -1))
            difference, along = (above - below) / (2 * WIDTH), (gradient * u).sum().item()
            if abs(difference - along) > TOLERANCE * max(abs(difference), abs(along)) + NOISE * (1 + abs(loss)):
                raise Failure(f"the gradient of {name} along a direction must be {difference:.6g}, got {along:.6g}")


@case_claim("loss")
def every_parameter_is_trained(case: Case) -> None:
    """The loss depends on every parameter that requires a gradient; tensors that are not trained are buffers."""
    module = case.build().train()
    losses = case.plugin.hooks.loss(
        model=module, x=case.training_split, generator=generator(0, "loss"), step=_step(), y=case.y
    )
    losses["loss"].backward()
    idle = [name for name, parameter in module.named_parameters() if parameter.requires_grad and parameter.grad is None]
    if idle:
        raise Failure(f"the loss must depend on every parameter, but it does not depend on {', '.join(idle)}")


@contextlib.contextmanager
def _double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _in_double(case: Case) -> nn.Module:
    """Return a module built and initialized in double precision; skip if its loss requires another precision."""
    try:
        module = case.build().double().train()
        _loss(case, copy.deepcopy(module))
    except RuntimeError as error:
        raise Skip(f"its loss cannot be computed in double precision ({error})") from None
    return module


def _loss(case: Case, module: nn.Module) -> Tensor:
    """Return the loss on the training split, with the same draws on every call; it may change the module's buffers."""
    draws, x = generator(0, "loss"), case.training_split.double()
    with scoped_randomness(0):
        losses = case.plugin.hooks.loss(model=module, x=x, generator=draws, step=_step(), y=case.y)
    value: Tensor = losses["loss"]
    return value


def _differentiated(case: Case, module: nn.Module) -> tuple[float, dict[str, Tensor]]:
    """Return the loss and its gradients by name; zeros for parameters on which it does not depend."""
    loss = _loss(case, module)
    parameters = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    gradients = zip(parameters.items(), found, strict=True)
    return loss.item(), {name: torch.zeros_like(p) if g is None else g for (name, p), g in gradients}


def _moved(module: nn.Module, name: str, change: Tensor) -> nn.Module:
    """Return a copy of the module with one parameter moved."""
    twin = copy.deepcopy(module)
    with torch.no_grad():
        twin.get_parameter(name).add_(change)
    return twin


def _step() -> Step:
    """Return a step half-way through the training, after any warm-up of loss terms."""
    return Step(index=100, epoch=1, progress=0.5)
