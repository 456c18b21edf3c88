"""Claims about training: a trained model fits its data better than the untrained model.

Each claim holds if the model improves on at least one data set and does not get worse on any. It need not improve on
all: independent pixels, for example, have nothing to learn from a standardised table, whose means and variances an
untrained model may already have.
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

DRAWS = 4  # repetitions, with different seeds
EXAMPLES = 40  # whose likelihood is computed
ERRORS = 5  # a difference counts if it is larger than 5 standard errors
SMALLEST = 0.01  # relative differences below this are ignored
EXACT = 1e-4  # errors below this share of the data's variance count as 0: about that of rounding to 1/256


@plugin_claim
def training_lowers_the_loss(subject: Subject) -> None:
    """In evaluation mode, the loss on the training split is lower after training than before.

    The loss is that of the first phase, because later ones begin with a trained model.
    """
    if not subject.plugin.implements("loss"):
        raise DoesNotApply("it is trained by fit, so it has no loss")
    if any(len(case.phases[0].players) > 1 for case in subject.cases):
        raise DoesNotApply("its players take turns, and the loss of a player does not measure the quality of the model")
    _must_fall(subject, "the loss", _loss)


@plugin_claim
def training_brings_samples_nearer_to_the_data(subject: Subject) -> None:
    """The energy distance from samples to the training split is lower after training than before."""
    _must_fall(subject, "the energy distance of samples", _distance_of_samples, _spread_of_distances)


@plugin_claim
def training_improves_reconstructions(subject: Subject) -> None:
    """The squared error of decode(encode(x)) is lower after training than before, unless it is 0 before."""
    if subject.plugin.card.latent is None:
        raise DoesNotApply("it does not have a code")
    _must_fall(subject, "the reconstruction error", _reconstruction_error)


@plugin_claim
def training_raises_the_likelihood(subject: Subject) -> None:
    """The likelihood of the training split, or its lower bound, is higher after training than before."""
    if not subject.plugin.implements("log_prob"):
        raise DoesNotApply("it does not implement the hook 'log_prob'")
    _must_fall(subject, "the negative log-likelihood", lambda case, model, seed: -_log_likelihood(case, model, seed))


def energy_distance(x: Tensor, y: Tensor) -> float:
    """Estimate the energy distance of two distributions from draws, one per row (Székely & Rizzo 2013).

    It is 2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ ≥ 0, and 0 only for equal distributions.
    """
    x, y = x.flatten(1).double(), y.flatten(1).double()
    within = sum(torch.cdist(each, each).sum().item() / (len(each) * (len(each) - 1)) for each in (x, y))
    return 2 * torch.cdist(x, y).mean().item() - within


def _must_fall(
    subject: Subject,
    what: str,
    measure: Callable[[Case, Model, int], float],
    least: Callable[[Case], float] = lambda case: 0.0,
) -> None:
    """Compare a measure before and after training, with the same seeds; differences below `least` are ignored."""
    better, reports, left_out = False, [], dict[str, None]()
    for case in subject.cases:
        case.budgets.clear()
        try:
            before, after = ([measure(case, m, s) for s in range(DRAWS)] for m in (case.untrained, case.trained))
        except (DoesNotApply, Unsupported) as error:
            left_out[str(error)] = None
            continue
        gains = [b - a for b, a in zip(before, after, strict=True)]
        margin = ERRORS * stdev(gains) / DRAWS**0.5 + SMALLEST * abs(fmean(before)) + least(case)
        report = f"{fmean(before):.4g} before and {fmean(after):.4g} after training on {case.circumstances}"
        if fmean(gains) < -margin:
            raise Failure(f"training must lower {what}, got {report}")
        better |= fmean(gains) > margin
        reports.append(report)
    if not reports:
        raise DoesNotApply("; ".join(left_out))
    if not better:
        raise Failure(f"training must lower {what}, got {'; '.join(reports)}")


def _loss(case: Case, model: Model, seed: int) -> float:
    with torch.no_grad():
        losses = case.loss(model.module, case.turns[0], seed=seed)
    return float(losses["loss"])


def _distance_of_samples(case: Case, model: Model, seed: int) -> float:
    """Return the energy distance between standardised samples (bits for [0, 1] data) and the training split."""
    samples = case.samples if model is case.trained else case.first_samples
    x = samples.tensor_split(DRAWS)[seed]
    own = slice(None) if case.y is None else case.y == 0  # the class of the samples
    if case.data.spec.support == "real":
        return energy_distance(case.data.standardise(x), case.data.standardise(case.data.train[own]))
    return energy_distance(bernoulli(x, generator(seed, "bits of samples")), case.bits[own])


def _spread_of_distances(case: Case) -> float:
    """Return E‖Y − Y'‖ / N, the energy distance that is due to the choice of the training split alone."""
    y = case.data.standardise(case.bits).flatten(1)
    return torch.cdist(y, y).mean().item() / len(y)


def _reconstruction_error(case: Case, model: Model, seed: int) -> float:
    x = case.data.train
    gap = case.data.standardise(model.reconstruct(x, case.y)) - case.data.standardise(x)
    error = gap.square().flatten(1).sum(1).mean().item()
    if model is case.untrained and error < EXACT * case.data.standardise(x).var(0).sum().item():
        raise DoesNotApply("its reconstructions are already exact before training")
    return error


def _log_likelihood(case: Case, model: Model, seed: int) -> float:
    """Return the lowest of the answers, for the first examples only, because bounds may take many draws per example."""
    y = None if case.y is None else case.y[:EXAMPLES]
    return min(bound.nats.mean().item() for bound in model.log_prob(case.bits[:EXAMPLES], y, seed=seed))
