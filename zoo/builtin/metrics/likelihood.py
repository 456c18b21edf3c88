"""log p(x) of the test examples in nats, exact, bounded or estimated, for models that provide it."""

from __future__ import annotations

import math

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
        answers = evaluation.model.log_prob(evaluation.test_bits, evaluation.test_y(), seed=0)
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
