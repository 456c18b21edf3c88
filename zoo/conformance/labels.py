"""Claims about conditional models: samples, codes and likelihoods are those of the class of their row."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zoo.conformance.claim import DoesNotApply, Failure, case_claim
from zoo.conformance.evaluation import TOLERANCE
from zoo.conformance.learning import energy_distance
from zoo.conformance.subject import Case
from zoo.errors import Unsupported
from zoo.runtime.randomness import bernoulli, generator

SAMPLES = 500  # of each class
ROWS = 12


@case_claim()
def samples_are_of_their_class(case: Case) -> None:
    """After training, samples of a class are nearer to training examples of that class than to those of any other."""
    y = _classes(case)
    for c in y.unique().tolist():
        x = case.trained.sample(SAMPLES, c, seed=c)
        distances = {each: _distance(case, x, y == each) for each in y.unique().tolist()}
        nearest = min(distances, key=distances.__getitem__)
        if nearest != c:
            raise Failure(
                f"samples of class {c} must be nearest to training examples of class {c}, got an energy distance of "
                f"{distances[c]:.4g} to them and of {distances[nearest]:.4g} to those of class {nearest}"
            )


@case_claim()
def each_row_has_its_own_class(case: Case) -> None:
    """The codes, decoded codes and exact likelihood of a row depend on the class of that row and on no other."""
    y, model, x = _classes(case)[:ROWS], case.trained, case.data.train[:ROWS]
    other = (y + 1) % case.spec.n_classes
    kept = torch.arange(ROWS) % 2 == 0
    mixed = torch.where(kept, y, other)
    calls: dict[str, Callable[[Tensor], Tensor]] = {
        "encode": lambda of: model.encode(x, of),
        "decode": lambda of: model.decode(model.encode(x, y), of),
        "log_prob": lambda of: _exact(case, of),
    }
    for hook, call in calls.items():
        try:
            wanted = torch.where(_as_column(kept, call(y)), call(y), call(other))
            gap = (call(mixed) - wanted).abs().max().item()
        except (DoesNotApply, Unsupported):
            continue
        if gap > TOLERANCE * (1 + wanted.abs().max().item()):
            raise Failure(f"{hook} must use the class of each row, got a difference of {gap:g} when others change")


@case_claim("log_prob")
def examples_are_most_likely_under_their_class(case: Case) -> None:
    """After training, the mean likelihood of training examples is higher under their classes than under others."""
    y = _classes(case)
    rows = slice(0, 40)
    own, wrong = (
        case.trained.log_prob(case.bits[rows], each[rows], seed=0)[0].nats.double().mean().item()
        for each in (y, (y + 1) % case.spec.n_classes)
    )
    if own <= wrong:
        raise Failure(
            f"log_prob must be that of the given classes, got a mean of {own:.4g} nats under the classes of the "
            f"examples and {wrong:.4g} under others"
        )


def _classes(case: Case) -> Tensor:
    if case.y is None:
        raise DoesNotApply("it is not conditional")
    return case.y


def _distance(case: Case, x: Tensor, rows: Tensor) -> float:
    """Return the energy distance from samples to training examples, as bits for data in [0, 1]."""
    if case.data.spec.support == "real":
        return energy_distance(case.data.standardise(x), case.data.standardise(case.data.train[rows]))
    return energy_distance(bernoulli(x, generator(0, "bits of samples")), case.bits[rows])


def _exact(case: Case, y: Tensor) -> Tensor:
    found = case.trained.log_prob(case.bits[:ROWS], y, seed=0)[0]
    if found.kind != "exact":
        raise DoesNotApply("its likelihood has draws")
    return found.nats


def _as_column(rows: Tensor, like: Tensor) -> Tensor:
    """Return one truth value per row, for broadcasting."""
    return rows.view(-1, *(1 for _ in like.shape[1:]))
