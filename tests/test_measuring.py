"""A figure that is no number ranks nobody."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import zoo
from tests.class_means import ClassMeansPlugin
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


@pytest.mark.parametrize(("n", "expected"), [(None, 72), (10, 10), (72, 72), (100, 72)])
def test_n_limits_the_test_examples_of_every_metric(n, expected, tmp_path, monkeypatch):
    """The likelihood of a variation of settings is that of its reference images, not of the whole test split."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    seen = []

    class Look(Figure):
        @zoo.hookimpl
        def measure(self, evaluation):
            seen.append(evaluation)
            return 0.0

    registry = Registry()
    registry.register(Look(0.0), "zoo.metrics")
    data = zoo.Data.from_arrays(torch.rand(180, 3, 3, generator=torch.Generator().manual_seed(0)), name="grey")
    assert len(data.test) == 72
    Measuring(data, tmp_path, ["figure"], n, registry).samples("mine", torch.rand(60, 3, 3), 0, pictures=False)
    (evaluation,) = seen
    assert evaluation.data.sha256 == data.sha256
    assert torch.equal(evaluation.data.test, data.test[:expected])
    assert torch.equal(evaluation.reference, evaluation.data.test)
    assert len(evaluation.test_bits) == expected


def test_the_classes_of_samples_have_the_shares_of_training_and_reach_the_metrics(tmp_path, monkeypatch):
    """A metric that sees the evaluation: samples, their classes, and the codes of a model that is given classes."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    seen = []

    class Look:
        card = zoo.MetricCard(name="look", title="Look", summary="what it is given", direction="none")

        @zoo.hookimpl
        def measure(self, evaluation):
            seen.append(evaluation)
            return 0.0

    registry = Registry()
    registry.register(Look(), "zoo.metrics")
    registry.register(ClassMeansPlugin)
    y = torch.arange(3).repeat(60)
    data = zoo.Data.from_arrays(torch.randn(180, 2) + 9.0 * y[:, None], y, name="three")
    model = registry.train("class-means", data, seed=0)
    measuring = Measuring(data, tmp_path, ["look"], None, registry)
    found = measuring.model("mine", model, 7, pictures=True)
    (evaluation,) = seen
    assert torch.equal(evaluation.labels, model.draw_labels(measuring.n, seed=7))
    assert torch.equal(evaluation.samples, model.sample(measuring.n, evaluation.labels, seed=7))
    residual = data.standardise(data.valid) - model.module.m[data.valid_labels].detach()
    assert found.diagnostics["validation"] == pytest.approx(residual.square().mean().item(), rel=1e-5)
    with np.load(tmp_path / "mine.pictures.npz") as pictures:
        np.testing.assert_allclose(pictures["reconstructions"], data.test[:16], rtol=0, atol=1e-4)
        for path, start in zip(pictures["interpolation"], data.test[:6], strict=True):
            np.testing.assert_allclose(path[0], start, rtol=0, atol=1e-4)
