"""A figure that is no number ranks nobody."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo.api import Registry
from zoo.comparison.measuring import Measuring


class Figure:
    """A metric that gives what it is told."""

    card = zoo.MetricCard(name="figure", title="Figure", summary="what it is told", direction="lower", level="headline")

    def __init__(self, answer):
        self.answer = answer

    @zoo.hookimpl
    def measure(self, evaluation):
        return self.answer


WRONG = [
    math.nan,
    math.inf,
    -math.inf,
    zoo.Measurement(1.0, stderr=math.nan),
    zoo.Measurement(1.0, bracket=(-math.inf, 1.0)),
]


@pytest.fixture
def measured(tmp_path):
    data = zoo.load_data("bars-and-stripes:3")

    def measured(answer, distribution=""):
        registry = Registry()
        registry.register(Figure(answer), "zoo.metrics")
        plugin = registry.plugin("figure", "zoo.metrics")
        object.__setattr__(plugin, "distribution", distribution)
        found = Measuring(data, tmp_path, ["figure"], None, registry)
        figure = found.samples("mine", torch.zeros(14, 3, 3), 0, pictures=False).metrics["figure"]
        return figure.model_dump(exclude_unset=True)

    return measured


@pytest.mark.parametrize("answer", WRONG, ids=str)
def test_a_figure_of_ours_that_is_not_finite_is_a_divergence(measured, answer):
    with pytest.raises(zoo.DivergedError, match="the metric .*figure.* gave"):
        measured(answer, "genzoo")


@pytest.mark.parametrize("answer", WRONG, ids=str)
def test_one_of_a_third_party_costs_its_own_column_alone(measured, answer):
    assert set(measured(answer)) == {"unsupported"}
    assert measured(answer)["unsupported"].endswith("which is not finite")


def test_a_finite_one_is_the_figure(measured):
    assert measured(zoo.Measurement(1.5, stderr=0.1)) == {"value": 1.5, "stderr": 0.1}
