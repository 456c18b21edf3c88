"""log p(x) of the test examples in nats, exact, bounded or estimated, for models that provide it."""

from __future__ import annotations

import math

import zoo

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
        answers = evaluation.model.log_prob(evaluation.test_bits, seed=0)
        best = min(answers, key=lambda answer: _CAUTIOUS.index(answer.kind))
        notes = [best.method]
        for other in answers:
            if other is not best:
                notes.append(f"{other.kind} {_mean(other):.4f}" + (f" ({other.method})" if other.method else ""))
        if data.enumerated:
            notes.append(f"at most -log {len(data.test)} = {-math.log(len(data.test)):.4f}")
        bracket = _bracket(answers)
        return zoo.Measurement(
            bracket[0] if bracket and best.kind == "lower" else _mean(best),
            best.kind,
            best.stderr or None,
            note="; ".join(filter(None, notes)),
            bracket=bracket,
        )


def _bracket(answers: tuple[zoo.LogProb, ...]) -> tuple[float, float] | None:
    """Return the highest lower and the lowest upper bound, if both exist; estimated bounds may cross."""
    lower = [_mean(answer) for answer in answers if answer.kind == "lower"]
    upper = [_mean(answer) for answer in answers if answer.kind == "upper"]
    if not lower or not upper:
        return None
    ends = sorted((max(lower), min(upper)))
    return ends[0], ends[1]


def _mean(answer: zoo.LogProb) -> float:
    return answer.nats.double().mean().item()
