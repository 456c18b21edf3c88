"""Claims about values: codes and samples have the kind that the card declares."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zoo.conformance.claim import DoesNotApply, Failure, case_claim
from zoo.conformance.subject import Case, N
from zoo.errors import Unsupported


@case_claim()
def codes_are_of_the_declared_kind(case: Case) -> None:
    """For codes of bits, draws are 0 or 1 and means are in [0, 1]; indices are integers >= 0."""
    latent = case.plugin.card.latent
    if latent is None:
        _must_be_unsupported(case)
    means, draws = case.trained.encode(case.data.train), case.trained.encode(case.data.train, seed=0)
    if latent == "bits":
        if not _are_bits(draws):
            raise Failure(f"latent = 'bits' requires draws of 0 or 1, got values in {_range(draws)}")
        if means.min() < 0 or means.max() > 1:
            raise Failure(f"latent = 'bits' requires means in [0, 1], got values in {_range(means)}")
    if latent == "index" and not (torch.equal(draws, draws.round()) and draws.min() >= 0):
        raise Failure(f"latent = 'index' requires integers >= 0, got values in {_range(draws)}")


@case_claim(supports=("bits", "unit"))
def samples_are_what_the_card_says(case: Case) -> None:
    """On [0, 1] data, samples declared as draws are 0 or 1; on grayscale data, means are not all 0 or 1."""
    declared, x = case.plugin.card.samples, case.trained.sample(N, seed=0)
    if declared == "draws" and not _are_bits(x):
        raise Failure(f"samples = 'draws' requires values of 0 or 1, got values in {_range(x)}; declare 'means'")
    if declared == "means" and case.data.spec.support == "unit" and _are_bits(x):
        raise Failure("samples = 'means' requires means, but all values are 0 or 1; declare 'draws'")


@case_claim()
def extreme_examples_stay_finite(case: Case) -> None:
    """Codes, reconstructions and likelihoods are finite for examples of all 0 or all 1, and for outliers in a table."""
    x = case.data.train[:2].clone()
    spread = 0.0 if case.data.spec.support != "real" else 20 * case.data.train.std().item()
    x[0], x[1] = (0.0, 1.0) if not spread else (x.mean() - spread, x.mean() + spread)
    supported = 0
    for call in (lambda: case.trained.reconstruct(x), lambda: case.trained.log_prob(x)):
        supported += _works(call)
    if not supported:
        raise DoesNotApply("it supports neither codes nor a likelihood")


def _must_be_unsupported(case: Case) -> None:
    """Test that `encode` of a model without a code raises `Unsupported`."""
    codes = case.trained.encode(case.data.train[:1])  # must raise `Unsupported`
    raise Failure(
        f"latent = None requires an encode that raises zoo.Unsupported, got codes of shape {tuple(codes.shape)}"
    )


def _works(call: Callable[[], object]) -> bool:
    try:
        call()
    except Unsupported:
        return False
    return True


def _are_bits(x: Tensor) -> bool:
    return bool(((x == 0) | (x == 1)).all())


def _range(x: Tensor) -> str:
    return f"[{x.min().item():g}, {x.max().item():g}]"
