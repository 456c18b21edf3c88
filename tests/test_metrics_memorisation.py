"""Adversarial accuracy, authenticity and the kept neighbours: hand-made sets, laws, copies, ties, damaged files."""

import math

import pytest
import torch
from torch import nn

import zoo
from zoo.builtin.datasets.digits import Digits
from zoo.builtin.metrics import neighbours as neighbours_module
from zoo.builtin.metrics.adversarial import Adversarial, PrivacyLoss, adversarial_accuracy
from zoo.builtin.metrics.authenticity import Authenticity, authenticity
from zoo.builtin.metrics.distances import neighbour_distances
from zoo.builtin.metrics.neighbours import held_out_neighbours, train_neighbours
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import FeatureSpace
from zoo.evaluation.reference import reference_split
from zoo.runtime.randomness import generator

PIXELS = FeatureSpace(nn.Flatten(), "the pixels themselves")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def column(*values):
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


@pytest.fixture(scope="module")
def digits():
    return Digits().load("")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    return tmp_path


# adversarial_accuracy


def test_adversarial_accuracy_of_points_on_a_line():
    train, test, fake = column(0, 4, 10), column(100, 101, 150), column(1, 4, 30)
    # of train to fake 1, 0, 6 against 4, 4, 6: the tie is not greater; of fake to train 1, 0, 20 against 3, 3, 26
    # of test to fake 70, … against 1, 1, 49: all greater; of fake to test 99, 96, 70 against 3, 3, 26
    assert adversarial_accuracy(train, test, fake) == (0, 1)
    assert adversarial_accuracy(test, train, fake).privacy_loss == -1
    # of 0, 7, 8 to the fakes 1, 3, 4 against 7, 1, 1; of 1, 3, 4 to the others 1, 3, 3 against 2, 1, 1
    assert adversarial_accuracy(column(0, 7, 8), test, column(1, 3, 4)).train == pytest.approx((2 + 2) / 6)
    # of the fakes 0 and 2 to -2 and 50: 2 and 4 against 2 and 2, where the tie is not greater
    assert adversarial_accuracy(column(-2, 50), column(-2, 50), column(0, 2)) == (1 / 4, 1 / 4)


def test_adversarial_accuracy_of_equal_laws_is_a_half_and_of_far_ones_1():
    repetitions = 200
    sets = normal(repetitions, 3, 40, 2, seed=1)
    found = torch.tensor([adversarial_accuracy(*each) for each in sets]).double()
    error = found.std(0) / math.sqrt(repetitions)
    assert ((found.mean(0) - 0.5).abs() < 4.5 * error).all()
    assert adversarial_accuracy(sets[0, 0], sets[0, 1], sets[0, 2] + 100) == (1, 1)


@pytest.mark.parametrize("repeats", [1, 3])
def test_adversarial_accuracy_of_copies_is_0_with_repeated_rows_too(repeats):
    train = normal(30, 20, seed=3).repeat(repeats, 1)
    test = normal(len(train), 20, seed=4) + 50
    found = adversarial_accuracy(train, test, train.flip(0))
    assert found == (0, 1)
    assert found.privacy_loss == 1


def test_of_larger_sets_as_many_rows_are_taken():
    x = torch.arange(200.0).unsqueeze(1)  # of 200 rows in order, 100 random ones are a set of nearest distances 1 and 2
    far = x[:100] + 1000
    assert adversarial_accuracy(x, far, far) == (1, 0)
    assert adversarial_accuracy(x, x, x[:100]) == adversarial_accuracy(x, x.clone(), x[:100])
    half = adversarial_accuracy(x, x, x[:100]).train
    assert 0 < half < 1  # the rows were not the first 100


def test_adversarial_accuracy_refuses_what_has_no_neighbours():
    with pytest.raises(ValueError, match=r"train and test and fake .*N at least 2, got \(5, 2\), \(1, 2\), \(5, 2\)"):
        adversarial_accuracy(torch.zeros(5, 2), torch.zeros(1, 2), torch.zeros(5, 2))


# authenticity


def test_authenticity_of_points_on_a_line():
    train = column(0, 1, 10, 14)  # nearest others at 1, 1, 4, 4
    fake = column(0, -1, -1.5, 2.5, 6.5, 5.5, 18, 18.5)  # copy, tie, +, +, near, + (4.5 from 1 or 10), tie, +
    assert authenticity(train, fake) == 4 / 8


def test_authenticity_of_the_training_law_on_a_line_is_a_third():
    repetitions, n = 40, 1000
    x = torch.rand(repetitions, 2, n, 1, generator=seeded(5), dtype=torch.float64)
    found = torch.tensor([authenticity(*pair) for pair in x])
    assert abs(float(found.mean()) - 1 / 3) < 4.5 * float(found.std()) / math.sqrt(repetitions) + 2 / n


def test_no_copy_is_authentic_not_even_of_a_repeated_row_and_what_is_far_is():
    train = normal(40, 30, seed=7).repeat(2, 1)
    assert authenticity(train, train) == 0
    assert authenticity(train, train + 1e-4) == 1  # next to a row that is there twice, but no copy
    assert authenticity(train[:40], train[:40] + 1e-4) == 0
    assert authenticity(train, train + 100) == 1


def test_given_neighbours_are_used():
    train, fake = column(0, 1, 10), column(3, 11)
    assert authenticity(train, fake, neighbour_distances(train)) == authenticity(train, fake) == 1 / 2
    assert authenticity(train, fake, torch.tensor([0.5, 0.5, 0.5])) == 1
    assert authenticity(train, fake, torch.tensor([9.0, 9.0, 9.0])) == 0
    with pytest.raises(ValueError, match=r"neighbours must have shape \(3,\)"):
        authenticity(train, fake, torch.zeros(2))
    with pytest.raises(ValueError, match="less than the number of rows, 1"):
        authenticity(train[:1], fake)


# train_neighbours


def test_neighbours_of_the_training_split_are_read_from_the_file_and_a_damaged_one_is_replaced(
    digits, cache, monkeypatch
):
    evaluation = Evaluation(None, digits, digits.valid, PIXELS)
    expected = neighbour_distances(digits.train.flatten(1))
    assert torch.equal(train_neighbours(evaluation), expected)
    (path,) = (cache / "neighbours").iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[:-8], whole[:40], b"\x80\x04.", whole[:-8] + b"\xff" * 8):
        path.write_bytes(damaged)
        assert torch.equal(train_neighbours(evaluation), expected)
        assert path.read_bytes() == whole
    monkeypatch.setattr(neighbours_module, "neighbour_distances", None)  # nothing is computed
    assert torch.equal(train_neighbours(Evaluation(None, digits, digits.test, PIXELS)), expected)


def test_neighbours_are_kept_for_each_form_feature_space_and_data_set(digits, cache):
    doubled = FeatureSpace(nn.Sequential(nn.Flatten(), nn.Linear(64, 64)), "other")
    bits = zoo.bernoulli(digits.valid, generator(0, "test"))
    other = zoo.Data.from_arrays(torch.rand(30, 8, 8, generator=seeded(9)), name="other", support="unit")
    evaluations = [
        Evaluation(None, digits, digits.valid, PIXELS),
        Evaluation(None, digits, bits, PIXELS),
        Evaluation(None, digits, digits.valid, doubled),
        Evaluation(None, other, digits.valid, PIXELS),
    ]
    for count, evaluation in enumerate(evaluations, 1):
        assert torch.equal(train_neighbours(evaluation), neighbour_distances(evaluation.train_features))
        assert len(list((cache / "neighbours").iterdir())) == count


def test_neighbours_of_held_out_images_are_kept_for_each_set_of_reference_images(digits, cache, monkeypatch):
    train, sets = digits.train.flatten(1).double(), (digits.test, digits.test[:50], digits.valid[:50])
    expected = [tuple(torch.cdist(some.flatten(1).double(), train).min(1)) for some in sets]
    evaluations = [Evaluation(None, digits, digits.valid, PIXELS, some) for some in sets]
    for count, (evaluation, found) in enumerate(zip(evaluations, expected, strict=True), 1):
        torch.testing.assert_close(held_out_neighbours(evaluation), found)
        assert len(list((cache / "neighbours").iterdir())) == count
    monkeypatch.setattr(neighbours_module, "nearest", None)  # nothing is computed
    for evaluation, found in zip(evaluations, expected, strict=True):
        torch.testing.assert_close(held_out_neighbours(evaluation), found)


# the plugins


@pytest.mark.parametrize("bits", [False, True])
def test_a_memoriser_is_caught_and_unseen_real_images_are_not(digits, bits):
    """n of N training images are copied; of n random ones a share of n/N is, so that AA(train) is near ½ (1 - n/N)."""
    real = reference_split(digits).real
    n, N = len(real), len(digits.train)
    copies = digits.train[torch.randperm(N, generator=seeded(11))[:n]]
    if bits:
        train = zoo.bernoulli(digits.train, generator(0, "bits of the training split"))
        copies = train[torch.randperm(N, generator=seeded(11))[:n]]
        real = zoo.bernoulli(real, generator(3, "test"))
    memoriser, honest = Evaluation(None, digits, copies, PIXELS), Evaluation(None, digits, real, PIXELS)
    held_out = authenticity(memoriser.train_features, memoriser.held_out_features)
    assert Authenticity().measure(memoriser).value == -held_out < -0.4
    error = math.sqrt(2 * 0.25 / n)
    fair = Authenticity().measure(honest)
    assert abs(fair.value) < 4.5 * error
    both = 1 / n + 1 / len(digits.test)
    assert fair.stderr == pytest.approx(math.sqrt(held_out * (1 - held_out) * both), rel=0.05)
    assert f"held-out real examples {held_out:.3f}" in fair.note
    assert abs(PrivacyLoss().measure(memoriser) - n / (2 * N)) < 4.5 * error
    assert abs(PrivacyLoss().measure(honest)) < 4.5 * error
    assert abs(Adversarial().measure(honest).value - 0.5) < 4.5 * error


def test_the_figures_are_those_of_the_functions_on_returned_samples(digits):
    evaluation = Evaluation(None, digits, reference_split(digits).real, PIXELS)
    sets = [x.flatten(1) for x in (digits.train, evaluation.reference, evaluation.samples)]
    expected = adversarial_accuracy(*sets)
    assert Adversarial().measure(evaluation) == zoo.Measurement(
        expected.test, note=f"training examples: {expected[0]:.3f}"
    )
    assert PrivacyLoss().measure(evaluation) == expected.privacy_loss
    assert Authenticity().measure(evaluation).value == authenticity(*sets[::2]) - authenticity(*sets[:2])
