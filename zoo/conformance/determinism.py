"""Claims about randomness: hooks draw from the generator that they are given, and from no other source."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.conformance.claim import DoesNotApply, Failure, case_claim
from zoo.conformance.subject import FEW, Case
from zoo.errors import Unsupported
from zoo.models.model import Model
from zoo.runtime.randomness import generator, scoped_randomness
from zoo.training.budget import TrainingBudget
from zoo.training.meter import Meter


@case_claim()
def the_same_generator_gives_the_same(case: Case) -> None:
    """Samples, drawn codes and likelihoods with one seed are bit-identical, whatever was drawn in between."""
    for hook, call in draws_of(case).items():
        try:
            first, _, second = call(0), call(1), call(0)
        except Unsupported:
            continue
        if not torch.equal(first, second):
            raise Failure(
                f"{hook} must give the same for the same generator, got a difference of {_gap(first, second)}"
            )


@case_claim()
def another_generator_gives_other_samples(case: Case) -> None:
    """Samples that are draws, and samples of a model with a code, differ from seed to seed."""
    card = case.plugin.card
    if card.samples == "means" and card.latent is None and case.data.spec.support != "real":
        raise DoesNotApply("its samples are means and it has no code: they may be the same for every seed")
    if torch.equal(case.trained.sample(16, seed=0), case.trained.sample(16, seed=1)):
        raise Failure("sample must draw from the given generator; two seeds gave the same samples")


@case_claim()
def samples_of_one_call_differ(case: Case) -> None:
    """64 samples are not all the same, if they are draws or the model has a code."""
    card = case.plugin.card
    if card.samples == "means" and card.latent is None and case.data.spec.support != "real":
        raise DoesNotApply("its samples are means and it has no code: they may all be the same")
    x = case.trained.sample(64, seed=0)
    if (x == x[0]).all():
        raise Failure("sample must return n separate draws, got n copies of one sample")


@case_claim()
def the_same_seed_gives_the_same_weights(case: Case) -> None:
    """Two trainings with the same seed end with bit-identical weights."""
    first, second = (_state(case.train(0, FEW)) for _ in range(2))
    for name, value in first.items():
        if not torch.equal(value, second[name]):
            gap = _gap(value, second[name])
            raise Failure(f"{name} must be the same after two trainings with the same seed, got a difference of {gap}")


@case_claim("loss")
def another_seed_gives_other_weights(case: Case) -> None:
    """Two trainings with `loss` and different seeds end with different weights."""
    first, second = (_state(case.train(seed, FEW)) for seed in (0, 1))
    if all(torch.equal(value, second[name]) for name, value in first.items()):
        raise Failure(
            "two seeds must give different weights, so that intervals over seeds have a meaning; got equal weights"
        )


@case_claim()
def no_hook_reseeds(case: Case) -> None:
    """`build`, `initialise`, `loss` and `fit` never set the seed of torch, numpy or random."""
    module = case.build()
    for hook, call in _training_hooks(case, module).items():
        after = []
        for seed in (1, 2):
            with scoped_randomness(seed):
                call()
                after.append(random_states())
        names = [name for name in after[0] if after[0][name] == after[1][name]]
        if names:
            raise Failure(f"{hook} must not set the seed of {', '.join(names)}; draw from the given generator")


@case_claim()
def no_hook_draws_from_the_global_state(case: Case) -> None:
    """The hooks of a trained model do not draw from the global random states of torch, numpy and random."""
    for call in draws_of(case).values():
        before = random_states()
        try:
            call(0)
        except Unsupported:
            continue
        if random_states() != before:
            raise Failure("hooks must draw from the given generator, but one drew from the global random state")


def draws_of(case: Case, model: Model | None = None) -> dict[str, Callable[[int], Tensor]]:
    """Return the hooks that may draw, as functions of the seed; the model defaults to the case's trained model."""
    model, x = model or case.trained, case.data.train[:16]
    calls: dict[str, Callable[[int], Tensor]] = {
        "sample": lambda seed: model.sample(16, seed=seed),
        "encode": lambda seed: model.encode(x, seed=seed),
        "decode": lambda seed: model.decode(model.encode(x), seed=_noise(case, seed)),
    }
    if case.plugin.implements("log_prob"):
        calls["log_prob"] = lambda seed: torch.stack(
            [bound.nats for bound in model.log_prob(case.bits[:16], seed=seed)]
        )
    if case.plugin.implements("sample_codes"):
        calls["sample_codes"] = lambda seed: model.sample_codes(16, seed=seed)
    return calls


def random_states() -> dict[str, Any]:
    """Return the global states of torch, numpy and random, as values that can be compared."""
    name, words, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (name, np.asarray(words).tobytes(), *rest),
        "random": random.getstate(),
    }


def _training_hooks(case: Case, module: torch.nn.Module) -> dict[str, Callable[[], Any]]:
    """Return the hooks that run during training, each called as in training."""
    build = case.plugin.hooks.build
    calls: dict[str, Callable[[], Any]] = {"build": lambda: build(config=case.config, data=case.spec)}
    if case.plugin.implements("initialise"):
        calls["initialise"] = lambda: case.initialise(module, case.phases[-1])
    if case.plugin.implements("loss"):
        module.train()
        calls["loss"] = lambda: [case.loss(module, turn) for turn in case.turns]
    else:
        calls["fit"] = lambda: fit(case, module)
    return calls


def fit(case: Case, module: torch.nn.Module) -> None:
    """Call `fit` as the core does, but without scoping the global random state."""
    train, valid = (case.data.standardise(x) for x in (case.data.train, case.data.valid))
    budget = Meter(TrainingBudget(FEW, "steps"), len(train), case.plugin.card.training.batch_size)
    case.plugin.hooks.fit(
        model=module,
        train=train,
        valid=valid,
        generator=generator(0, "fit"),
        budget=budget,
        y=case.y,
        valid_y=None if case.y is None else case.data.valid_labels,
    )


def _noise(case: Case, seed: int) -> int | None:
    return seed if case.data.spec.support == "real" else None


def _state(model: Model) -> dict[str, Tensor]:
    return dict(model.module.state_dict())


def _gap(first: Tensor, second: Tensor) -> str:
    return f"{(first.double() - second.double()).abs().max().item():g}"
