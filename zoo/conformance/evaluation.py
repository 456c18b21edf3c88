"""Claims about trained models: results for an example do not depend on the batch; calls do not change the model."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, stdev

import torch
from torch import Generator, Tensor, nn

from zoo.conformance.claim import DoesNotApply, Failure, case_claim
from zoo.conformance.determinism import draws_of
from zoo.conformance.subject import FEW, Case
from zoo.contract.log_prob import LogProb
from zoo.contract.training import Phase, Player
from zoo.errors import Unsupported
from zoo.runtime.randomness import generator

SEEDS = 8  # of the draws of a loss
TOLERANCE = 1e-4  # for values near 1 in float32, where the order of summation depends on the batch size


@case_claim()
def codes_do_not_depend_on_the_batch(case: Case) -> None:
    """The code and the reconstruction of an example do not depend on the other examples in the batch."""
    x = case.data.train[:8]
    for what, function in (("encode", case.trained.encode), ("decode", case.trained.reconstruct)):
        together, alone = function(x), torch.cat([function(each) for each in x.split(1)])
        _must_be_close(together, alone, f"{what} must treat each example separately")


@case_claim("log_prob")
def likelihoods_do_not_depend_on_the_batch(case: Case) -> None:
    """An exact likelihood of an example does not depend on the other examples in the batch."""
    x = case.bits[:8]
    together, alone = exact(case, x), torch.cat([exact(case, each) for each in x.split(1)])
    _must_be_close(together, alone, "an exact log_prob must treat each example separately")


@case_claim()
def using_a_model_leaves_it_as_it_is(case: Case) -> None:
    """`sample`, `encode`, `decode`, `log_prob` and `sample_codes` do not change weights, buffers or training mode."""
    module = case.trained.module
    before = _everything(module)
    for hook, call in draws_of(case).items():
        try:
            call(0)
        except Unsupported:
            continue
        _must_be_unchanged(module, before, hook)


@case_claim()
def a_later_call_leaves_earlier_results_as_they_are(case: Case) -> None:
    """What a hook returned does not change when the hook is called again."""
    for hook, call in _direct_calls(case).items():
        try:
            with torch.no_grad():
                first = call(0)
                before = first.clone()
                call(1)
        except Unsupported:
            continue
        if not torch.equal(first, before):
            raise Failure(f"{hook} must return a new tensor on every call, but a second call changed the first result")


@case_claim("loss")
def a_loss_is_a_mean_over_the_batch(case: Case) -> None:
    """In evaluation mode, repeating every example of a batch leaves the loss about the same.

    A sum over the batch would double, which changes the step size with the batch size. A difference counts if it is
    larger than half the loss and 5 standard errors over seeds, so that losses that compare examples pass.
    """
    once, twice = case.training_split, torch.cat([case.training_split] * 2)
    for turn in case.turns:
        values = [[_loss(case, turn, x, seed) for x in (once, twice)] for seed in range(SEEDS)]
        before = fmean(value for value, _ in values)
        gaps = [second - first for first, second in values]
        if abs(fmean(gaps)) > abs(before) / 2 + 5 * stdev(gaps) / SEEDS**0.5 + TOLERANCE:
            raise Failure(
                f"loss must be a mean over the batch, got {before:.4g} for {len(once)} examples and "
                f"{before + fmean(gaps):.4g} if each occurs twice"
            )


@case_claim("loss")
def a_loss_in_evaluation_leaves_the_model_as_it_is(case: Case) -> None:
    """Calling `loss` in evaluation mode, as early stopping does, changes no weights, buffers or training mode."""
    module = case.train(0, FEW).module.eval()
    before = _everything(module)
    with torch.no_grad():
        for turn in case.turns:
            case.loss(module, turn)
    _must_be_unchanged(module, before, "loss in evaluation mode")


def exact(case: Case, x: Tensor, seed: int = 0) -> Tensor:
    """Return the exact log p(x) in nats, shape (N,); raises `DoesNotApply` if the model has only bounds."""
    kind_of(case.trained.log_prob(case.bits[:1]), "exact")  # fails early, because bounds for all x are slow
    return kind_of(case.trained.log_prob(x, seed=seed), "exact").nats


def kind_of(bounds: tuple[LogProb, ...], kind: str) -> LogProb:
    """Return the likelihood of this kind; raises `DoesNotApply` if the model does not give one."""
    for bound in bounds:
        if bound.kind == kind:
            return bound
    raise DoesNotApply(f"its likelihood is {' and '.join(bound.kind for bound in bounds)}, not {kind}")


def _direct_calls(case: Case) -> dict[str, Callable[[int], Tensor]]:
    """Return the hooks as functions of a number, from which inputs and draws follow; `zoo.Model` would copy results."""
    hooks, module, codes = case.plugin.hooks, case.trained.module, case.trained.encode
    options = case.plugin.card.options.parse(case.options, f"the sampling of {case.plugin.card.name}")
    x = case.data.standardise(case.data.train[:16]).split(8)
    bits = case.data.standardise(case.bits[:16]).split(8)
    y = torch.zeros(8, dtype=torch.int64) if case.is_conditional else None

    def draws(number: int) -> Generator:
        return generator(number, "a call")

    calls: dict[str, Callable[[int], Tensor]] = {
        "sample": lambda number: hooks.sample(model=module, n=8, generator=draws(number), options=options, y=y),
        "encode": lambda number: hooks.encode(model=module, x=x[number], generator=None, y=y, options=options),
        "a draw of encode": lambda number: hooks.encode(
            model=module, x=x[number], generator=draws(number), y=y, options=options
        ),
        "decode": lambda number: hooks.decode(
            model=module, z=codes(case.data.train[8 * number :][:8]).float(), generator=None, y=y, options=options
        ),
    }
    if case.plugin.implements("log_prob"):
        calls["log_prob"] = lambda number: (
            hooks.log_prob(model=module, x=bits[number], generator=draws(number), options=options, prior=None, y=y)[
                0
            ].nats
        )
    if case.plugin.implements("sample_codes"):
        calls["sample_codes"] = lambda number: hooks.sample_codes(
            model=module, n=8, generator=draws(number), options=options, y=y
        )
    return calls


def _loss(case: Case, turn: tuple[Phase, Player], x: Tensor, seed: int) -> float:
    with torch.no_grad():
        losses = case.loss(case.trained.module, turn, x, seed)
    return float(losses["loss"])


def _everything(module: nn.Module) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers, including buffers that are not saved."""
    return {name: value.detach().clone() for name, value in [*module.named_parameters(), *module.named_buffers()]}


def _must_be_unchanged(module: nn.Module, before: dict[str, Tensor], hook: str) -> None:
    after = _everything(module)
    if after.keys() != before.keys():
        raise Failure(f"{hook} must not change the model, but it added or removed tensors")
    changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
    if changed:
        raise Failure(f"{hook} must not change the model, but it changed {', '.join(changed)}")
    if any(part.training for part in module.modules()):
        raise Failure(f"{hook} must leave the model in evaluation mode, but it switched to training mode")


def _must_be_close(found: Tensor, wanted: Tensor, rule: str) -> None:
    gap = (found - wanted).abs().max().item()
    if gap > TOLERANCE * (1 + wanted.abs().max().item()):
        raise Failure(f"{rule}, got a difference of {gap:g} between a batch of {len(found)} and batches of 1")
