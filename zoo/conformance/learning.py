"""Claims about training: a model that is trained fits its data better than it did before the first step.

Each holds if it is better on one data set at least and worse on none: independent pixels, say, have nothing to learn of
a standardised table, whose means and variances an untrained model may have by chance.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, stdev

import torch
from torch import Tensor

from zoo.conformance.claim import DoesNotApply, Failure, plugin_claim
from zoo.conformance.subject import Case, Subject
from zoo.errors import Unsupported
from zoo.models.model import Model
from zoo.runtime.randomness import bernoulli, generator
from zoo.training.meter import Step

DRAWS = 4  # repetitions of whatever is drawn
EXAMPLES = 40  # whose likelihood is asked for
ERRORS = 5  # standard errors that a difference must have
SMALLEST = 0.01  # share of the value before, below which a difference counts as none
EXACT = 1e-4  # share of the data's variance, below which an error counts as none: a grey value rounded to 1/256 has it


@plugin_claim
def training_lowers_the_loss(subject: Subject) -> None:
    """In evaluation mode, the loss of the training split is lower after the training than before it."""
    if not subject.plugin.implements("loss"):
        raise DoesNotApply("it is trained by fit")
    _must_fall(subject, "the loss", _loss)


@plugin_claim
def training_brings_samples_nearer_to_the_data(subject: Subject) -> None:
    """The energy distance from samples to the training split is lower after the training than before it."""
    _must_fall(subject, "the energy distance of samples", _distance_of_samples, _spread_of_distances)


@plugin_claim
def training_improves_reconstructions(subject: Subject) -> None:
    """The squared error of decode(encode(x)) is lower after the training than before it, unless it is 0 before."""
    if subject.plugin.card.latent is None:
        raise DoesNotApply("it has no code")
    _must_fall(subject, "the reconstruction error", _reconstruction_error)


@plugin_claim
def training_raises_the_likelihood(subject: Subject) -> None:
    """The likelihood of the training split, or its lower bound, is higher after the training than before it."""
    if not subject.plugin.implements("log_prob"):
        raise DoesNotApply("it has no hook 'log_prob'")
    _must_fall(subject, "minus the log-likelihood", lambda case, model, seed: -_log_likelihood(case, model, seed))


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ ≥ 0, and 0 for equal distributions (Székely & Rizzo 2013); rows are draws."""
    x, y = x.flatten(1).double(), y.flatten(1).double()
    within = sum(torch.cdist(each, each).sum().item() / (len(each) * (len(each) - 1)) for each in (x, y))
    return 2 * torch.cdist(x, y).mean().item() - within


def _must_fall(
    subject: Subject,
    what: str,
    measure: Callable[[Case, Model, int], float],
    least: Callable[[Case], float] = lambda case: 0.0,
) -> None:
    """Compare a figure before and after, with the same draws on both sides; a difference below `least` is none."""
    better, reports, left_out = False, [], dict[str, None]()
    for case in subject.cases:
        try:
            before, after = ([measure(case, m, s) for s in range(DRAWS)] for m in (case.untrained, case.trained))
        except (DoesNotApply, Unsupported) as error:
            left_out[str(error)] = None
            continue
        gains = [b - a for b, a in zip(before, after, strict=True)]
        margin = ERRORS * stdev(gains) / DRAWS**0.5 + SMALLEST * abs(fmean(before)) + least(case)
        report = f"{fmean(before):.4g} before and {fmean(after):.4g} after on {case.name}"
        if fmean(gains) < -margin:
            raise Failure(f"{what} must fall by training, got {report}")
        better |= fmean(gains) > margin
        reports.append(report)
    if not reports:
        raise DoesNotApply("; ".join(left_out))
    if not better:
        raise Failure(f"{what} must fall by training, got {'; '.join(reports)}")


def _loss(case: Case, model: Model, seed: int) -> float:
    with torch.no_grad():
        losses = case.plugin.hooks.loss(
            model=model.module, x=case.shown, generator=generator(seed, "loss"), step=Step()
        )
    return float(losses["loss"])


def _distance_of_samples(case: Case, model: Model, seed: int) -> float:
    """Between standardised samples, as bits on [0, 1] data, and the training split."""
    samples = case.samples if model is case.trained else case.first_samples
    x = samples.tensor_split(DRAWS)[seed]
    if case.data.spec.support == "real":
        return energy_distance(case.data.standardise(x), case.data.standardise(case.data.train))
    return energy_distance(bernoulli(x, generator(seed, "bits of samples")), case.bits)


def _spread_of_distances(case: Case) -> float:
    """How far the energy distance is from 0 by the choice of the training split alone: E‖Y − Y'‖ / N."""
    y = case.data.standardise(case.bits).flatten(1)
    return torch.cdist(y, y).mean().item() / len(y)


def _reconstruction_error(case: Case, model: Model, seed: int) -> float:
    x = case.data.train
    gap = case.data.standardise(model.reconstruct(x)) - case.data.standardise(x)
    error = gap.square().flatten(1).sum(1).mean().item()
    if model is case.untrained and error < EXACT * case.data.standardise(x).var(0).sum().item():
        raise DoesNotApply("its reconstructions are exact before the training, too")
    return error


def _log_likelihood(case: Case, model: Model, seed: int) -> float:
    """The cautious one of the answers, on the first examples: a bound may take many draws for each."""
    return min(bound.nats.mean().item() for bound in model.log_prob(case.bits[:EXAMPLES], seed=seed))
