"""log p(x) of the test examples in nats, exact, bounded or estimated, for models that provide it.

A conditional model gives log p(x|y), which is not comparable. With the class shares p(y) of the training split,

    log p(x) ≥ log p(x, y) = log p(y) + log p(x|y),

a lower bound that is too low by -log p(y|x), which is little if the model's classes do not overlap.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.jackknife import without_each_group

_GROUPS = 100  # of test examples: the jackknife of a mean is exact but for the noise of 99 degrees of freedom
_Z = 1.96  # standard errors on either side of a 95 % interval
_CAUTIOUS = ("exact", "lower", "estimate", "upper")


class Likelihood:
    """The model's `log_prob` of the test split; grayscale data are drawn as bits once."""

    card = zoo.MetricCard(
        name="likelihood",
        title="log-likelihood",
        summary="mean log p(x) of the test examples in nats: the probability of unseen real examples under the model",
        direction="higher",
        level="headline",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """1/m Σᵢ log p(xᵢ); of several answers the most conservative one: exact, else lower, estimate, upper.

        On enumerated data the test split has each pattern of the uniform distribution once, so the maximum is -log m.
        """
        if evaluation.model is None:
            raise zoo.Unsupported("bare samples have no likelihood")
        data = evaluation.data
        y = evaluation.test_y()
        answers = evaluation.model.log_prob(evaluation.test_bits, y, seed=0)
        if y is not None:
            answers = _joint(answers, y, evaluation.model.class_shares)
        best = min(answers, key=lambda answer: _CAUTIOUS.index(answer.kind))
        notes = [best.method]
        for other in answers:
            if other is not best:
                notes.append(f"{other.kind} {_mean(other):.4f}" + (f" ({other.method})" if other.method else ""))
        if data.enumerated:
            notes.append(f"at most -log {len(data.test)} = {-math.log(len(data.test)):.4f}")
        bracket, errors = _bracket(answers)
        shift = bracket[0] - _mean(best) if bracket and best.kind == "lower" else 0.0
        return zoo.Measurement(
            _mean(best) + shift,
            best.kind,
            best.stderr or None,
            note="; ".join(filter(None, notes)),
            bracket=bracket,
            bracket_stderr=errors,
            declared=best.declared,
            left_out=()
            if data.enumerated
            else tuple(mean + shift for mean in without_each_group(_average, best.nats, _GROUPS)),
        )


def _joint(answers: tuple[zoo.LogProb, ...], y: Tensor, shares: tuple[float, ...]) -> tuple[zoo.LogProb, ...]:
    """Return log p(y) + log p(x|y), a lower bound on log p(x) if log p(x|y) is exact or a lower bound itself."""
    log_p = torch.tensor(shares, dtype=torch.float64)[y].log()
    if log_p.isinf().any():
        raise zoo.Unsupported("the test split has classes that the training split does not have")
    kinds: dict[str, Literal["lower", "estimate"]] = {"exact": "lower", "lower": "lower", "estimate": "estimate"}
    found = tuple(
        replace(each, nats=each.nats + log_p, kind=kinds[each.kind], method=f"log p(y) + log p(x|y): {each.method}")
        for each in answers
        if each.kind in kinds
    )
    if not found:
        raise zoo.Unsupported("an upper bound on log p(x|y) bounds log p(x) on neither side")
    return found


def _bracket(answers: tuple[zoo.LogProb, ...]) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return the highest lower and the lowest upper bound with their standard errors, if both exist.

    Bounds of estimated constants may cross. The bracket is then the union of both ends' 95 % intervals, which has no
    further error.
    """
    lower = [answer for answer in answers if answer.kind == "lower"]
    upper = [answer for answer in answers if answer.kind == "upper"]
    if not lower or not upper:
        return None, None
    a, b = max(lower, key=_mean), min(upper, key=_mean)
    if _mean(a) <= _mean(b):
        return (_mean(a), _mean(b)), (a.stderr, b.stderr)
    ends = [(_mean(each) - _Z * each.stderr, _mean(each) + _Z * each.stderr) for each in (a, b)]
    return (min(low for low, _ in ends), max(high for _, high in ends)), (0.0, 0.0)


def _mean(answer: zoo.LogProb) -> float:
    return _average(answer.nats)


def _average(nats: Tensor) -> float:
    return nats.double().mean().item()
