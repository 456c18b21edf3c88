"""Claims about `log_prob`: exact values are normalised, bounds are on the correct side, and samples agree with both.

The data have few enough pixels to enumerate all 2^V patterns, and few enough columns to integrate over a grid. Exact
values must satisfy Σ_x p(x) = 1, bounds Σ_x exp(lower bound) ≤ 1 and Σ_x exp(upper bound) ≥ 1, and the frequencies of
samples must agree with both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import product
from statistics import fmean, stdev

import torch
from torch import Tensor

from zoo.conformance.claim import DoesNotApply, Failure, case_claim
from zoo.conformance.evaluation import exact, kind_of
from zoo.conformance.subject import SAMPLES, Case
from zoo.contract.log_prob import LogProb
from zoo.models.density import FittedDensity
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin
from zoo.runtime.randomness import bernoulli, generator

DRAWS = 3  # seeds for computing a bound, which holds only in expectation
EXACT = 2e-3  # largest deviation from 1 of a sum of exact probabilities
SLACK = 0.03  # largest deviation of a sum of bounds to the wrong side of 1
REACH = 5.0  # half the width of the grid over standardised columns
COARSE, FINE = 0.5, 0.1  # steps of the grid: for bounds, which cost more, and for exact values


@case_claim("log_prob")
def an_exact_likelihood_sums_to_one(case: Case) -> None:
    """The probabilities of all patterns of bits sum to 1; a density over two columns integrates to 1 on a grid."""
    total, error = _summed(case, torch.exp)
    if abs(total - 1) > EXACT + 5 * error:
        raise Failure(f"exact probabilities must sum to 1, got {total:.4f} ± {error:.4f}")


@case_claim("log_prob")
def an_exact_likelihood_does_not_depend_on_draws(case: Case) -> None:
    """A likelihood that is declared exact is the same for every generator."""
    first, second = (exact(case, case.bits[:32], seed) for seed in (0, 1))
    gap = (first - second).abs().max().item()
    if gap > 1e-4:
        raise Failure(f"an exact log_prob must not depend on the generator, got a difference of {gap:g} nats")


@case_claim("log_prob")
def a_bound_is_on_its_side(case: Case) -> None:
    """Over all x, exp of a lower bound sums to at most 1, and exp of an upper bound to at least 1."""
    _must_be_on_its_side(case.trained, case)


@case_claim("log_prob")
def a_bound_under_a_latent_density_is_on_its_side(case: Case) -> None:
    """With a latent density attached, bounds hold for the distribution of decoded draws from it."""
    if not case.plugin.names("log_prob", "prior"):
        raise DoesNotApply("its log_prob does not take `prior`, so it has no likelihood under a latent density")
    for name in case.registry.names("zoo.densities"):
        density = case.registry.plugin(name, "zoo.densities")
        if case.plugin.card.latent in density.card.accepts:
            model = _under_narrow_codes(case, density)
            _must_be_on_its_side(model, case)
            if case.data.spec.support != "real":
                _must_occur(model, case, model.sample(SAMPLES, seed=0))
            return
    raise DoesNotApply(f"no installed latent density accepts codes of type {case.plugin.card.latent}")


@case_claim("log_prob")
def a_bracket_is_in_order(case: Case) -> None:
    """The mean of the lower bound is not above the mean of the upper bound, if the model gives both."""
    bounds = case.trained.log_prob(case.bits)
    lower, upper = kind_of(bounds, "lower"), kind_of(bounds, "upper")
    gap = (lower.nats.mean() - upper.nats.mean()).item()
    if gap > 4 * (lower.stderr + upper.stderr) + 1e-3:
        raise Failure(f"the lower bound must not be above the upper bound, but it is {gap:g} nats above it on average")


@case_claim("log_prob", supports=("bits", "unit"))
def samples_occur_as_often_as_the_likelihood_says(case: Case) -> None:
    """In bits drawn from samples, the frequency of each pattern is within the bounds on its probability.

    With f the frequencies in n draws, T = Σ_x max(0, p(x) − f(x)) has a mean of at most ½ Σ_x √(p(x)(1 − p(x))/n), and
    by McDiarmid's inequality exceeds it by √(10/n) with a probability below e^−20.
    """
    _must_occur(case.trained, case, case.samples)


@case_claim("log_prob")
def samples_are_as_likely_as_they_should_be(case: Case) -> None:
    """The mean exact log p of samples is Σ_x p(x) log p(x), within 5 standard errors."""
    wanted, spread = _summed(case, lambda log_p: log_p.exp() * log_p)
    samples = case.samples
    if case.data.spec.support != "real":
        samples = bernoulli(samples, generator(0, "bits of samples"))
    found = exact(case, samples).double()
    error = (found.var().item() / SAMPLES + spread**2) ** 0.5
    if abs(found.mean().item() - wanted) > 5 * error + 1e-2:
        raise Failure(
            f"samples must have a mean log p of {wanted:.3f} nats, like the model's distribution, "
            f"got {found.mean():.3f} ± {error:.3f}"
        )


def _rounds(case: Case, step: float, rounds: int) -> Iterator[tuple[Tensor, float]]:
    """Yield all patterns of bits with weight 1, or grids over two columns in their units with the area of a cell.

    On a grid, x is drawn uniformly from each cell, so that a peak narrower than a cell makes the sums over the grid
    differ from round to round instead of being overlooked in all of them.
    """
    if case.data.spec.support != "real":
        for _ in range(min(rounds, DRAWS)):
            yield _patterns(case.data.spec.size).reshape(-1, *case.data.spec.shape).clone(), 1.0
        return
    assert case.data.standardisation is not None
    offset, scale = case.data.standardisation
    side = torch.arange(-REACH, REACH, step)
    corners, draws = torch.cartesian_prod(side, side), generator(0, "cells")
    for _ in range(rounds):
        yield (corners + step * torch.rand(corners.shape, generator=draws)) * scale + offset, step**2


def _summed(case: Case, f: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Return Σ_x f(log p(x)) over all patterns, or the integral over two columns, and its standard error."""
    return _mean(f(exact(case, x).double()).sum().item() * cell for x, cell in _rounds(case, FINE, 8))


def _mean(values: Iterable[float]) -> tuple[float, float]:
    """Return the mean and its standard error."""
    found = list(values)
    return fmean(found), stdev(found) / len(found) ** 0.5


@cache
def _patterns(size: int) -> Tensor:
    """Return all patterns of `size` bits in binary order, the first pixel as highest bit; shape (2^size, size)."""
    return torch.tensor(list(product((0.0, 1.0), repeat=size)))


def _under_narrow_codes(case: Case, density: Plugin) -> Model:
    """Return the trained model with a latent density fitted to its codes after shrinking and shifting them."""
    codes = case.trained.encode(case.data.train, seed=0)
    flat = 0.5 * codes.flatten(1).double() + 1
    state = density.hooks.fit(codes=flat, generator=generator(0, "density"))
    return case.trained.with_density(FittedDensity(density, state, tuple(codes.shape[1:])))


def _must_occur(model: Model, case: Case, samples: Tensor) -> None:
    """Compare the frequencies of patterns in samples of a model with each of its bounds."""
    ((x, _),) = _rounds(case, COARSE, 1)
    f = _frequencies(samples)
    for bound in _cautious(model, x):
        p = bound.nats.double().exp().clamp(max=1)
        signs = {"exact": (1, -1), "lower": (1,), "upper": (-1,)}.get(bound.kind, ())
        allowed = 0.5 * (p * (1 - p) / len(samples)).sqrt().sum().item() + (10 / len(samples)) ** 0.5
        for sign in signs:
            missing = (sign * (p - f)).clamp(min=0).sum().item()
            if missing > allowed:
                way = "rarer" if sign > 0 else "more frequent"
                raise Failure(
                    f"samples must follow the {bound.kind} likelihood; in total, patterns are {way} by {missing:.3f}, "
                    f"and at most {allowed:.3f} is allowed"
                )


def _frequencies(samples: Tensor) -> Tensor:
    """Return the frequency of each pattern in bits drawn from samples, shape (2^V,)."""
    x = bernoulli(samples, generator(0, "bits of samples")).flatten(1)
    size = x.shape[1]
    places = (x.long() * 2 ** torch.arange(size - 1, -1, -1)).sum(1)
    return torch.bincount(places, minlength=2**size).double() / len(x)


def _cautious(model: Model, x: Tensor) -> list[LogProb]:
    """Return the model's answers over a few seeds: the lowest value of a lower bound, the highest of an upper bound."""
    runs = [model.log_prob(x, seed=seed) for seed in range(DRAWS)]
    return [
        LogProb(values.amax(0) if same[0].kind == "upper" else values.amin(0), same[0].kind, same[0].stderr)
        for same in zip(*runs, strict=True)
        for values in [torch.stack([bound.nats.double() for bound in same])]
    ]


def _must_be_on_its_side(model: Model, case: Case) -> None:
    """Test the sum of exp of each bound over all x, with new draws in every round."""
    totals: dict[str, list[float]] = {}
    shared = 0.0
    for seed, (x, cell) in enumerate(_rounds(case, COARSE, 4)):
        for bound in model.log_prob(x, seed=seed):
            totals.setdefault(bound.kind, []).append(bound.nats.double().exp().sum().item() * cell)
            shared = max(shared, bound.stderr)
    if not {"lower", "upper"} & totals.keys():
        raise DoesNotApply("its likelihood is not a bound")
    for kind, sign, side in (("lower", 1, "at most"), ("upper", -1, "at least")):
        total, error = _mean(totals[kind]) if kind in totals else (1.0, 0.0)
        if sign * (total - 1) > SLACK + 5 * error + 4 * shared:
            raise Failure(f"exp of {kind} bounds must sum to {side} 1 over all x, got {total:.4f} ± {error:.4f}")
