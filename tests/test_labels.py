"""Labels: which hooks get them, row by row; what a model does with those it is given, and without any."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

import zoo
from tests.class_means import ClassMeansPlugin, LearnedClassMeansPlugin
from zoo.api import Registry
from zoo.conformance.subject import bits
from zoo.models.labels import as_labels
from zoo.plugins.plugin import Plugin

K = 3


@pytest.fixture
def registry():
    registry = Registry()
    registry.register(ClassMeansPlugin)
    registry.register(LearnedClassMeansPlugin)
    return registry


@pytest.fixture(scope="module")
def data():
    """Three classes of shares 0.5, 0.3 and 0.2, whose means are 10 apart."""
    draws = torch.Generator().manual_seed(0)
    y = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 600, replacement=True, generator=draws)
    x = torch.randn(600, 2, generator=draws) + 10 * y[:, None] * torch.tensor([1.0, -1.0])
    return zoo.Data.from_arrays(x, y, name="three classes")


@pytest.fixture
def model(registry, data):
    return registry.train("class-means", data, seed=0)


def means(data, split="train"):
    """The mean of each class, standardised, shape (K, 2)."""
    x, y = data.standardise(getattr(data, split)), getattr(data, f"{split}_labels")
    return torch.stack([x[y == c].mean(0) for c in range(K)])


def test_fit_gets_the_class_of_each_row(model, data):
    torch.testing.assert_close(model.module.m.detach(), means(data))
    assert model.spec.class_shares == data.class_shares
    assert model.spec.n_classes == K


def test_initialise_gets_the_class_of_each_row(registry, data):
    model = registry.train("learned-class-means:train.learning_rate=1e-30", data, steps=1)
    torch.testing.assert_close(model.module.m.detach(), means(data) / 2)


def test_loss_gets_the_class_of_each_row_of_a_batch(registry, data):
    model = registry.train("learned-class-means", data, epochs=40, seed=0)
    assert (model.module.m.detach() - means(data)).abs().max() < 0.02  # the means of the classes are about 1 apart


def test_early_stopping_gets_the_classes_of_the_validation_split(registry, data, tmp_path):
    model = registry.train("learned-class-means:train.patience=2", data, epochs=3, seed=0, folder=tmp_path)
    logged = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    best = min(line["valid_loss"] for line in logged if "valid_loss" in line)
    residual = data.standardise(data.valid) - model.module.m[data.valid_labels].detach()
    assert best == pytest.approx(residual.square().sum(1).mean().item(), rel=1e-5)


def test_codes_reconstructions_and_likelihoods_are_those_of_each_rows_class(model, data):
    x, y = data.test, data.test_labels
    residual = data.standardise(x) - model.module.m[y].detach()
    torch.testing.assert_close(model.encode(x, y), residual)
    torch.testing.assert_close(model.reconstruct(x, y), x, rtol=0, atol=1e-4)
    (answer,) = model.log_prob(x, y)
    torch.testing.assert_close(answer.nats, -0.5 * residual.square().sum(1) - math.log(2 * math.pi))


def test_blocks_keep_rows_and_classes_together(model, data, monkeypatch):
    x, y = data.test, data.test_labels
    residual, centres = data.standardise(x) - model.module.m[y].detach(), model.module.m[y[:50]].detach()
    monkeypatch.setattr("zoo.models.model.BLOCK", 7)
    torch.testing.assert_close(model.encode(x, y), residual)
    torch.testing.assert_close(model.reconstruct(x, y), x, rtol=0, atol=1e-4)
    sampled, others = (data.standardise(model.sample(50, each, seed=0)) for each in (y[:50], 0))  # the same noise
    torch.testing.assert_close(sampled - others, centres - model.module.m[0].detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "y", [2, torch.tensor(2), np.int64(2), [2] * 9, np.full(9, 2), torch.full((9,), 2, dtype=torch.uint8)]
)
def test_classes_are_given_in_any_form(model, y):
    assert torch.equal(model.sample(9, y, seed=1), model.sample(9, [2] * 9, seed=1))


def test_samples_of_a_class_have_its_mean(model, data):
    n = 4000
    x = data.standardise(model.sample(n, 1, seed=0))
    assert ((x.mean(0) - means(data)[1]).abs() < 4 / n**0.5).all()


def test_without_classes_samples_have_those_of_draw_labels_with_the_shares_of_training(model, data):
    n = 20_000
    y = model.draw_labels(n, seed=5)
    assert torch.equal(model.sample(n, seed=5), model.sample(n, y, seed=5))
    assert not torch.equal(y, model.draw_labels(n, seed=6))
    for c, share in enumerate(data.class_shares):
        assert share == (data.train_labels == c).double().mean().item()
        assert abs((y == c).double().mean().item() - share) < 4 * (share * (1 - share) / n) ** 0.5


def test_a_diagnosis_gets_the_classes_of_both_splits(model, data):
    found = model.diagnose(data.train, data.valid, data.train_labels, data.valid_labels)
    for name, split in (("training", "train"), ("validation", "valid")):
        residual = data.standardise(getattr(data, split)) - means(data)[getattr(data, f"{split}_labels")]
        assert found[name] == pytest.approx(residual.square().mean().item(), rel=1e-5)


def test_a_latent_density_is_fitted_to_codes_given_their_classes(registry, data):
    model = registry.train("class-means@gaussian", data, seed=0)
    residual = (data.standardise(data.train) - means(data)[data.train_labels]).double()
    C = torch.cov(residual.T, correction=0)
    torch.testing.assert_close(
        model.density.state["cholesky"] @ model.density.state["cholesky"].T, C, rtol=1e-4, atol=0
    )
    x = data.standardise(model.sample(4000, 2, seed=0))
    assert ((x.mean(0) - means(data)[2]).abs() < 5 * C.diagonal().sqrt() / 4000**0.5).all()


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (3, r"Classes y must be from 0 to 2, got 3\."),
        (-1, "from 0 to 2, got -1"),
        ([0, 1, 5, 7], "from 0 to 2, got 5"),
        (1.0, "Classes y must be whole numbers, got float64"),
        (torch.tensor([0.0] * 4), "whole numbers, got float32"),
        (True, "whole numbers, got bool"),
        ("1", "whole numbers, got <U1"),
        ([0, 1], r"one number, or one for each of the 4 examples, got shape \(2,\)"),
        (torch.zeros(4, 1, dtype=torch.int64), r"got shape \(4, 1\)"),
    ],
)
def test_invalid_classes_are_refused_everywhere(model, data, y, match):
    x, z = data.test[:4], torch.zeros(4, 2)
    for call in (
        lambda: model.sample(4, y, seed=0),
        lambda: model.sample_codes(4, y, seed=0),
        lambda: model.encode(x, y),
        lambda: model.decode(z, y),
        lambda: model.log_prob(x, y),
    ):
        with pytest.raises(zoo.ConfigError, match=match):
            call()


def test_a_conditional_model_needs_classes_of_what_exists(model, data):
    for call in (
        lambda: model.encode(data.test),
        lambda: model.decode(torch.zeros(4, 2)),
        lambda: model.reconstruct(data.test),
        lambda: model.log_prob(data.test),
    ):
        with pytest.raises(zoo.ConfigError, match=r"class-means is a model of p\(x\|y\); give the classes y"):
            call()


def test_another_model_takes_no_classes(registry):
    model, x = registry.create("vae:hidden=[2],latent_dim=1", bits()), bits().test[:4]
    for call in (
        lambda: model.encode(x, 0),
        lambda: model.decode(torch.zeros(4, 1), 0),
        lambda: model.log_prob(x, 0),
        lambda: model.sample(4, 0),
        lambda: model.sample_codes(4, 0, seed=0),
    ):
        with pytest.raises(zoo.ConfigError, match="vae is not conditional, so it takes no classes y; leave them out"):
            call()
    with pytest.raises(zoo.ConfigError, match="vae is not conditional, so it has no classes to draw"):
        model.draw_labels(1, seed=0)


def test_a_loaded_model_has_the_classes_and_gives_the_same(registry, data, model, tmp_path):
    loaded = registry.load(model.save(tmp_path))
    assert loaded.spec == model.spec
    assert torch.equal(loaded.sample(20, seed=3), model.sample(20, seed=3))


def test_a_model_with_a_label_is_that_of_one_class(model, data):
    only = dataclasses.replace(model, label=1)
    assert torch.equal(only.sample(5, seed=0), model.sample(5, 1, seed=0))
    assert torch.equal(only.encode(data.test), model.encode(data.test, 1))
    assert torch.equal(only.encode(data.test, 2), model.encode(data.test, 2))


@pytest.mark.parametrize("labels", [None, [-1, 0] * 20, [0, 10_000] * 20])
@pytest.mark.parametrize("train", [True, False])
def test_data_without_classes_are_refused_before_training(registry, labels, train, tmp_path):
    data = zoo.Data.from_arrays(torch.randn(40, 2), labels, name="bare")
    calls = {True: lambda: registry.train("class-means", data, folder=tmp_path / "run"),
             False: lambda: registry.create("class-means", data)}  # fmt: skip
    with pytest.raises(zoo.DataError, match=r"all examples need labels 0, 1, …, which bare does not have; choose"):
        calls[train]()
    assert not (tmp_path / "run").exists()


def test_classes_of_the_other_splits_count_and_have_the_share_0():
    x = torch.zeros(3, 1)
    y = [torch.tensor(each) for each in ([0, 2, 2], [1, 0, 0], [4, 0, 0])]
    data = zoo.Data("d", zoo.DataSpec((1,), "real"), x, x, x, *y)
    assert data.class_shares == (1 / 3, 0, 2 / 3, 0, 0)
    assert data.without_labels().class_shares == ()
    assert zoo.Data("d", zoo.DataSpec((1,), "real"), x, x, x, y[0]).class_shares == ()


@pytest.mark.parametrize("shares", [(0.5,), (1.5, -0.5), (float("nan"), 1.0)])
def test_shares_of_classes_sum_to_1(shares):
    with pytest.raises(ValueError, match="class_shares must be shares >= 0 that sum to 1"):
        zoo.DataSpec((2,), "bits", shares)


def test_labels_are_int64_whatever_is_given():
    assert as_labels(np.array([1, 0], dtype=np.uint8), 2, 2).dtype == torch.int64


def test_the_config_may_decide_whether_a_model_is_conditional():
    card = dataclasses.replace(ClassMeansPlugin.card, conditional=lambda config: None)
    assert not card.is_conditional_with(zoo.Config())
    assert ClassMeansPlugin.card.is_conditional_with(zoo.Config())
    with pytest.raises(ValueError, match="conditional .* must be one of 'class', None, got 'classes'"):
        dataclasses.replace(card, conditional="classes")
    with pytest.raises(ValueError, match="what the function of the config returns.* got True"):
        dataclasses.replace(card, conditional=lambda config: True).is_conditional_with(zoo.Config())


def test_a_hook_that_asks_for_labels_needs_a_conditional_card():
    class Plain(ClassMeansPlugin):
        card = dataclasses.replace(ClassMeansPlugin.card, conditional=None)

    with pytest.raises(zoo.PluginError, match="asks for 'y', but its card is not conditional; add conditional='class'"):
        Plugin(Plain(), "zoo.models")


def test_samples_of_a_conditional_model_depend_on_labels():
    class Deaf(ClassMeansPlugin):
        @zoo.hookimpl
        def sample(self, model, n, generator):
            return torch.zeros(n, 2)

    with pytest.raises(zoo.PluginError, match="its card is conditional, but its 'sample' does not ask for 'y'"):
        Plugin(Deaf(), "zoo.models")
