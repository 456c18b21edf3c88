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
from zoo.contract.training import Phase, Player
from zoo.runtime.randomness import generator, scoped_randomness
from zoo.training.modules import parameters_of, set_mode

WIDTH = 1e-7  # ε, small enough to rarely cross a kink of a rectifier
TOLERANCE = 1e-2  # relative; the error of a wrong gradient is larger
NOISE = 1e-6  # absolute error of a finite difference, for a loss of about 1


@case_claim("loss")
def gradients_are_those_of_the_loss(case: Case) -> None:
    """The gradient that training uses is that of the loss: along random directions it equals a finite difference."""
    with _double():
        for turn in case.turns:
            module = _in_double(case, turn)
            loss, gradients = _differentiated(case, copy.deepcopy(module), turn)
            for name, gradient in gradients.items():
                u = torch.randn(gradient.shape, generator=generator(0, name))
                u /= u.norm()
                above, below = (_loss(case, _moved(module, name, sign * WIDTH * u), turn).item() for sign in (1, -1))
                difference, along = (above - below) / (2 * WIDTH), (gradient * u).sum().item()
                if abs(difference - along) > TOLERANCE * max(abs(difference), abs(along)) + NOISE * (1 + abs(loss)):
                    raise Failure(f"the gradient of {name} along a direction must be {difference:.6g}, got {along:.6g}")


@case_claim("loss")
def every_parameter_is_trained(case: Case) -> None:
    """The loss depends on every parameter that requires a gradient; tensors that are not trained are buffers."""
    module = case.build()
    trained = {id(each) for _, player in case.turns for each in parameters_of(module, player)}
    idle = [name for name, each in module.named_parameters() if each.requires_grad and id(each) not in trained]
    if idle:
        raise Failure(f"every parameter must be that of a player, but none trains {', '.join(idle)}")
    for phase, player in case.turns:
        module = case.build(until=phase)
        set_mode(module, phase)
        case.loss(module, (phase, player), progress=0.5)["loss"].backward()
        ours = {id(each) for each in parameters_of(module, player) if each.requires_grad and each.grad is None}
        if idle := [name for name, each in module.named_parameters() if id(each) in ours]:
            raise Failure(f"the loss must depend on every parameter, but it does not depend on {', '.join(idle)}")


@contextlib.contextmanager
def _double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _in_double(case: Case, turn: tuple[Phase, Player]) -> nn.Module:
    """Return a module built and initialized in double precision; skip if its loss requires another precision."""
    try:
        module = case.build(until=turn[0]).double()
        set_mode(module, turn[0])
        _loss(case, copy.deepcopy(module), turn)
    except RuntimeError as error:
        raise Skip(f"its loss cannot be computed in double precision ({error})") from None
    return module


def _loss(case: Case, module: nn.Module, turn: tuple[Phase, Player]) -> Tensor:
    """Return the loss on the training split, with the same draws on every call; it may change the module's buffers.

    The step is half-way through the training, after any warm-up of loss terms.
    """
    with scoped_randomness(0):
        return case.loss(module, turn, case.training_split.double(), progress=0.5)["loss"]


def _differentiated(case: Case, module: nn.Module, turn: tuple[Phase, Player]) -> tuple[float, dict[str, Tensor]]:
    """Return the loss and its gradients by name, of the player; zeros for parameters on which it does not depend."""
    loss = _loss(case, module, turn)
    own = {id(parameter) for parameter in parameters_of(module, turn[1])}
    parameters = {name: each for name, each in module.named_parameters() if each.requires_grad and id(each) in own}
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    gradients = zip(parameters.items(), found, strict=True)
    return loss.item(), {name: torch.zeros_like(p) if g is None else g for (name, p), g in gradients}


def _moved(module: nn.Module, name: str, change: Tensor) -> nn.Module:
    """Return a copy of the module with one parameter moved."""
    twin = copy.deepcopy(module)
    with torch.no_grad():
        twin.get_parameter(name).add_(change)
    return twin
