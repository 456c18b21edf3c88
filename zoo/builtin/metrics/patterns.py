"""The share of samples that are valid patterns, for data whose patterns are all known."""

from __future__ import annotations

import math

import zoo


class ValidPatterns:
    """How often the model draws a valid pattern."""

    card = zoo.MetricCard(
        name="valid-patterns",
        title="valid patterns",
        summary="share of the samples, drawn as bits, that are patterns of the data, between 0 and 1",
        direction="higher",
        level="headline",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """p = 1/N Σᵢ 1[xᵢ is a pattern], with standard error sqrt(p (1 - p) / N)."""
        if not evaluation.data.enumerated:
            raise zoo.Unsupported("needs data whose every pattern is known, such as bars-and-stripes")
        patterns = set(map(tuple, evaluation.data.test.flatten(1).tolist()))
        valid = [tuple(x) in patterns for x in evaluation.sample_bits.flatten(1).tolist()]
        p = sum(valid) / len(valid)
        return zoo.Measurement(p, stderr=math.sqrt(p * (1 - p) / len(valid)))
