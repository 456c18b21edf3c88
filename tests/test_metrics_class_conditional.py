"""Metrics of samples of given classes, against closed forms and laws."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import nn

import zoo
from tests.class_means import ClassMeansPlugin
from zoo.api import Registry
from zoo.builtin.metrics.class_conditional import ClassFrechet, ClassificationAccuracy, class_frechet, classify
from zoo.builtin.metrics.frechet import corrected_frechet_distance
from zoo.builtin.metrics.jackknife import standard_error, without_each_group
from zoo.builtin.metrics.likelihood import Likelihood
from zoo.builtin.metrics.reconstruction import Reconstruction
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import FeatureSpace
from zoo.evaluation.reference import reference_split

AS_IT_IS = FeatureSpace(nn.Flatten(), "the values themselves")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def classes(n, seed, far=8.0, d=3):
    """n rows of each of three normal classes around far · e_c, and their classes, in random order."""
    y = torch.arange(3).repeat(n)
    return far * torch.eye(3, d)[y] + torch.randn(3 * n, d, generator=seeded(seed)), y


@pytest.fixture(scope="module")
def data():
    return zoo.Data.from_arrays(*classes(500, 0), name="three classes")


def test_the_distance_of_shifted_classes_is_the_mean_of_the_squared_shifts():
    """FD(N(m, I), N(m + δ, I)) = |δ|², here δ = 1, 2 and 3 for the three classes."""
    (real, y), (fake, fake_y) = classes(3000, 1), classes(6000, 2)
    shifted = fake + torch.tensor([1.0, 2.0, 3.0])[fake_y][:, None] / math.sqrt(3)
    assert class_frechet(real, shifted, y, fake_y, [0, 1, 2]) == pytest.approx((1 + 4 + 9) / 3, abs=0.15)
    assert class_frechet(real, shifted, y, fake_y, [2]) == pytest.approx(9, abs=0.3)


def test_samples_of_swapped_classes_are_far_although_all_together_are_not(data):
    fake, y = classes(400, 3)
    swapped = torch.tensor([1, 0, 2])[y]
    evaluation = Evaluation(None, data, fake, AS_IT_IS, labels=swapped)
    # two classes of three are 8 √2 apart, in units of the standard deviations of the columns
    scale = data.standardisation[1]
    apart = 2 / 3 * float((8 / scale[:2]).square().sum())
    assert ClassFrechet().measure(evaluation).value == pytest.approx(apart, rel=0.03)
    assert corrected_frechet_distance(evaluation.sample_features, evaluation.reference_features) < 0.01 * apart


def test_the_figure_and_its_errors_are_those_of_the_function(data):
    fake, y = classes(400, 4, far=7.0)
    evaluation = Evaluation(None, data, fake, AS_IT_IS, labels=y)
    real, fake, real_y = evaluation.reference_features, evaluation.sample_features, data.test_labels
    found = ClassFrechet().measure(evaluation)
    each = [corrected_frechet_distance(fake[y == c], real[real_y == c]) for c in range(3)]
    assert found.value == pytest.approx(sum(each) / 3)
    assert len(found.left_out) == 20
    # the distances of three classes have independent errors of test rows
    parts = [
        standard_error(without_each_group(lambda rows, c=c: corrected_frechet_distance(fake[y == c], rows), x))
        for c, x in ((c, real[real_y == c]) for c in range(3))
    ]
    assert standard_error(found.left_out) == pytest.approx(math.hypot(*parts) / 3, rel=0.5)
    assert 0 < found.stderr < standard_error(found.left_out)  # there are more samples


def test_classes_with_few_rows_are_left_out_and_named(data):
    fake, y = classes(60, 5)
    kept = (y != 1) | (torch.arange(len(y)) < 90)  # 30 samples of class 1
    evaluation = Evaluation(None, data, fake[kept], AS_IT_IS, labels=y[kept])
    found = ClassFrechet().measure(evaluation)
    assert found.note == "without the classes 1: fewer than 40 images"
    few = Evaluation(None, data, fake[:60], AS_IT_IS, labels=y[:60])
    with pytest.raises(zoo.Unsupported, match="a class with at least 40 samples and test images, got 20 at most"):
        ClassFrechet().measure(few)


def test_real_training_images_as_samples_reach_the_accuracy_of_real_images(data):
    evaluation = Evaluation(None, data, data.train, AS_IT_IS, labels=data.train_labels)
    found = ClassificationAccuracy().measure(evaluation)
    assert found.note == f"{found.value:.3f} if trained on {len(data.test)} real training images instead"
    assert found.value > 0.98  # 8 √2 standard deviations apart


@pytest.mark.parametrize("shift", [1, 2])
def test_samples_of_shifted_classes_teach_the_wrong_ones(data, shift):
    evaluation = Evaluation(None, data, data.train, AS_IT_IS, labels=(data.train_labels + shift) % 3)
    found = ClassificationAccuracy().measure(evaluation)
    assert found.value < 0.02
    assert float(found.note.split()[0]) > 0.98


def test_samples_without_a_class_miss_its_test_images(data):
    kept = data.train_labels != 2
    found = ClassificationAccuracy().measure(
        Evaluation(None, data, data.train[kept], AS_IT_IS, labels=data.train_labels[kept])
    )
    assert found.value == pytest.approx((data.test_labels != 2).double().mean().item(), abs=0.02)
    assert found.left_out == pytest.approx([found.value] * 20, abs=0.02)


def test_the_classifier_gives_the_names_of_its_classes_and_keeps_the_random_state():
    x, y = classes(200, 6)
    before = torch.get_rng_state()
    names = torch.tensor([2, 5, 9])[y]
    predicted = classify(x, names, x)
    assert (predicted == names).double().mean() > 0.98
    assert torch.equal(predicted, classify(x, names, x))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("metric", [ClassFrechet, ClassificationAccuracy])
def test_samples_without_classes_have_no_figure(data, metric):
    with pytest.raises(zoo.Unsupported, match="needs samples of given classes: a conditional model such as vae:cond"):
        metric().measure(Evaluation(None, data, data.valid, AS_IT_IS))
    refused = zoo.Unsupported("it does not sample")
    with pytest.raises(zoo.Unsupported, match="it does not sample"):
        metric().measure(Evaluation(None, data, refused, AS_IT_IS, labels=torch.zeros(3, dtype=torch.int64)))
    bare = data.without_labels()
    with pytest.raises(zoo.Unsupported, match="needs data with labels"):
        metric().measure(Evaluation(None, bare, data.valid, AS_IT_IS, labels=data.valid_labels))


def test_labels_of_samples_have_their_number(data):
    with pytest.raises(ValueError, match=r"labels must have shape \(150,\), got \(3,\)"):
        Evaluation(None, data, data.valid, AS_IT_IS, labels=torch.zeros(3))


def test_the_real_row_has_the_classes_of_the_validation_split(data):
    split = reference_split(data)
    assert torch.equal(split.real_labels, data.valid_labels[: len(split.real)])
    assert reference_split(data.without_labels()).real_labels is None


def test_the_likelihood_of_a_conditional_model_is_the_lower_bound_with_the_shares_of_its_classes(data):
    registry = Registry()
    registry.register(ClassMeansPlugin)
    model = registry.train("class-means", data, seed=0)
    found = Likelihood().measure(Evaluation(model, data, data.valid, AS_IT_IS))
    log_p = torch.tensor(data.class_shares).log() - 1.5 * math.log(2 * math.pi)
    joint = log_p - 0.5 * (data.standardise(data.test)[:, None] - model.module.m.detach()).square().sum(2)  # (N, K)
    assert found.kind == "lower"
    assert found.value == pytest.approx(joint.gather(1, data.test_labels[:, None]).mean().item(), rel=1e-5)
    assert found.value < joint.logsumexp(1).mean().item()
    assert found.note == "log p(y) + log p(x|y): "
    rare = dataclasses.replace(data, test_labels=torch.full_like(data.test_labels, 3))
    spec = dataclasses.replace(model.spec, class_shares=(*data.class_shares, 0.0))
    model.module.m = nn.Parameter(torch.cat([model.module.m, torch.zeros(1, 3)]))
    evaluation = Evaluation(dataclasses.replace(model, spec=spec), rare, data.valid, AS_IT_IS)
    with pytest.raises(zoo.Unsupported, match="the test split has classes that the training split does not have"):
        Likelihood().measure(evaluation)


def test_a_conditional_models_codes_are_given_the_classes_of_the_test_split(data, monkeypatch):
    registry = Registry()
    registry.register(ClassMeansPlugin)
    model = registry.train("class-means", data, seed=0)
    evaluation = Evaluation(model, data, data.valid, AS_IT_IS)
    assert torch.equal(evaluation.test_y(), data.test_labels)
    assert torch.equal(evaluation.test_y(5), data.test_labels[:5])
    assert Reconstruction().measure(evaluation) == pytest.approx(0, abs=1e-8)
    seen = []
    monkeypatch.setattr("zoo.builtin.metrics.reconstruction._BLOCK", 7)
    monkeypatch.setattr(type(model), "reconstruct", lambda self, x, y: seen.append((x, y)) or x)
    assert Reconstruction().measure(evaluation) == 0
    for given, whole in zip(zip(*seen, strict=True), (data.test, data.test_labels), strict=True):
        assert torch.equal(torch.cat(given), whole)
    assert Evaluation(None, data, data.valid, AS_IT_IS).test_y() is None
    assert dataclasses.replace(evaluation, model=None).test_y() is None
