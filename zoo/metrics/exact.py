"""Exact answers, on data whose distribution is known: M patterns, each with probability 1/M."""

from __future__ import annotations

import math

import zoo

_BEST = ("exact", "lower", "estimate", "upper")  # of several answers, the one that flatters a model least


class ExactLikelihood:
    """The mean log-likelihood, which for M equally likely patterns is at most -log M."""

    card = zoo.MetricCard(
        name="likelihood",
        title="log p(x), nats",
        summary="mean log-likelihood of all patterns in nats; at most -log M for M patterns",
        direction="higher",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """1/M Σₓ log p(x) over every pattern x: minus the cross-entropy, -log M - KL(data || model)."""
        data = evaluation.data
        if not data.enumerated:
            raise zoo.Unsupported("needs data of which every pattern is known, such as bars-and-stripes")
        if evaluation.model is None:
            raise zoo.Unsupported("bare samples have no likelihood")
        answers = evaluation.model.log_prob(data.test, seed=0)
        best = min(answers, key=lambda answer: _BEST.index(answer.kind))
        notes = [best.method, *(f"{other.kind} {_mean(other):.4f}" for other in answers if other is not best)]
        notes.append(f"at most -log {len(data.test)} = {-math.log(len(data.test)):.4f}")
        return zoo.Measurement(_mean(best), best.kind, best.stderr, "; ".join(note for note in notes if note))


def _mean(answer: zoo.LogProb) -> float:
    return answer.nats.double().mean().item()


class ValidPatterns:
    """The share of samples that are possible at all."""

    card = zoo.MetricCard(
        name="valid-patterns",
        title="valid patterns",
        summary="share of the sampled bits that are patterns of the data, between 0 and 1",
        direction="higher",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """p = 1/N Σᵢ 1[xᵢ is a pattern], with standard error sqrt(p (1 - p) / N)."""
        if not evaluation.data.enumerated:
            raise zoo.Unsupported("needs data of which every pattern is known, such as bars-and-stripes")
        patterns = set(map(tuple, evaluation.data.test.flatten(1).tolist()))
        valid = [tuple(x) in patterns for x in evaluation.sample_bits.flatten(1).tolist()]
        p = sum(valid) / len(valid)
        return zoo.Measurement(p, stderr=math.sqrt(p * (1 - p) / len(valid)))
