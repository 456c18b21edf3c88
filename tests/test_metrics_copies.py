"""The copy test: hand-made sets, the law of the count by enumeration, ties, copies among samples, the memoriser."""

import itertools
import math

import pytest
import torch
from torch import nn

import zoo
from zoo.builtin.controls.memoriser import MemoriserConfig, MemoriserPlugin
from zoo.builtin.datasets.bars_and_stripes import BarsAndStripes
from zoo.builtin.datasets.digits import Digits
from zoo.builtin.metrics import copies as module
from zoo.builtin.metrics.copies import CopyTest, copies, copies_from_distances
from zoo.builtin.metrics.distances import nearest
from zoo.builtin.metrics.jackknife import GROUPS, groups
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import FeatureSpace

PIXELS = FeatureSpace(nn.Flatten(), "the pixels themselves")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def column(*values):
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


@pytest.fixture(scope="module")
def digits():
    return Digits().load("")


def test_count_of_points_on_a_line():
    train, held_out = column(0, 10), column(2, 7, 15)  # nearest training examples at 2, 3, 5
    fake = column(0, 1, 2, 9, 12.5)  # at 0, 1, 2, 1, 2.5; the one at 2 is not below 2
    found = copies(train, held_out, fake)
    assert (found.below, found.share, found.threshold) == (3, 3 / 5, 2)
    assert found.nominal == 1 / 4  # with fewer than 100 held-out examples, the smallest of their distances
    assert found.p_value == pytest.approx(math.comb(5, 3) / math.comb(8, 3))  # the three smallest of eight are samples


@pytest.mark.parametrize(("N", "share"), [(3, 100), (4, 2), (5, 2), (6, 3)])
def test_the_p_value_is_the_share_of_all_orders_with_as_many_samples_below(monkeypatch, N, share):
    monkeypatch.setattr(module, "_QUANTILE", share)
    M = 5
    found = []
    for held_out in itertools.combinations(range(N + M), N):
        rest = [rank for rank in range(N + M) if rank not in held_out]
        found.append(copies_from_distances(column(*held_out)[:, 0] + 1, column(*rest)[:, 0] + 1))
    for one in found:
        assert one.p_value == pytest.approx(sum(each.below >= one.below for each in found) / len(found), rel=1e-12)
    mean = sum(each.share for each in found) / len(found)
    assert found[0].nominal == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize(("N", "r"), [(1, 1), (99, 1), (100, 1), (101, 2), (718, 8), (10_000, 100)])
def test_the_threshold_is_the_one_per_cent_quantile(N, r):
    held_out = 1 + torch.randperm(N, generator=seeded(N)).double()
    found = copies_from_distances(held_out, torch.tensor([0.5, r - 0.5, float(r), r + 0.5]))
    assert (found.threshold, found.below, found.nominal) == (r, 2, r / (N + 1))


def test_a_distance_equal_up_to_rounding_is_not_below():
    found = copies_from_distances(column(1, 2)[:, 0], column(1 - 1e-12, 1 - 1e-6)[:, 0])
    assert found.below == 1


def test_equal_laws_have_p_below_5_per_cent_in_5_per_cent_of_cases():
    repetitions, N, M = 400, 150, 300
    x = torch.rand(repetitions, N + M, generator=seeded(1), dtype=torch.float64)
    p = torch.tensor([copies_from_distances(each[:N], each[N:]).p_value for each in x])
    for level in (0.05, 0.2):
        assert float((p <= level).double().mean()) <= level + 3 * math.sqrt(level * (1 - level) / repetitions)


@pytest.fixture
def evaluation(digits):
    """Real images that no model was trained on, as samples."""
    return Evaluation(None, digits, digits.test[:400], PIXELS, digits.test[400:])


def test_new_images_pass_and_5_per_cent_of_copies_do_not(digits, evaluation):
    found = CopyTest().measure(evaluation)
    assert found.value < 3
    assert found.p_value > 0.05
    assert found.warning == ""
    assert found.note == "new images: 1.3%"  # 4 of 318, plus 1
    noise = 0.02 * torch.randn(20, *digits.train.shape[1:], generator=seeded(2))
    for copied in (digits.train[:20], (digits.train[:20] + noise).clamp(0, 1)):
        samples = torch.cat([digits.test[:380], copied])
        caught = CopyTest().measure(Evaluation(None, digits, samples, PIXELS, digits.test[400:]))
        assert caught.value == pytest.approx(found.value + 5, abs=0.5)
        assert caught.p_value < 0.001
        assert caught.warning.startswith(f"{caught.value:.1f}% of the samples are near-copies of training images")


def test_shifted_copies_are_the_stated_blind_spot(digits):
    samples = digits.train[:400].roll(1, -1)
    assert CopyTest().measure(Evaluation(None, digits, samples, PIXELS, digits.test)).warning == ""


def test_the_memoriser_is_flagged_and_every_sample_of_it_is_a_copy(digits):
    memoriser = MemoriserPlugin().build(MemoriserConfig(), digits.spec)
    memoriser.remember(digits.train, seeded(3))
    found = CopyTest().measure(Evaluation(None, digits, memoriser.deal(500, seeded(4)), PIXELS))
    assert (found.value, found.stderr) == (100, 0)
    assert found.p_value < 1e-100
    assert found.warning.startswith("100.0% of the samples are near-copies of training images, against 1.1% expected")


def test_errors_are_those_of_a_share_and_of_the_held_out_images(digits, evaluation):
    found, share = CopyTest().measure(evaluation), CopyTest().measure(evaluation).value / 100
    assert 0 < share < 1
    assert found.stderr == pytest.approx(100 * math.sqrt(share * (1 - share) / 400))
    of, train = groups(318), evaluation.train_features
    held_out, fake = evaluation.held_out_features, evaluation.returned_features
    assert found.left_out == tuple(100 * copies(train, held_out[of != g], fake).share for g in range(GROUPS))
    assert nearest(fake, train)[0].min() > 0


def test_bits_are_compared_with_bits(digits):
    bits = zoo.bernoulli(digits.train, zoo.generator(zoo.BITS_SEED, "bits of the training split"))
    assert CopyTest().measure(Evaluation(None, digits, bits, PIXELS)).value == 100


def test_few_held_out_images_are_noted_and_what_cannot_be_tested_is_unsupported(digits):
    found = CopyTest().measure(Evaluation(None, digits, digits.test[:50], PIXELS, digits.test[50:80]))
    assert found.note == "new images: 3.2%; with 30 held-out images the threshold is the smallest of their distances"
    assert found.left_out == ()
    for count, smallest in ((100, True), (101, False)):
        found = CopyTest().measure(Evaluation(None, digits, digits.test[:50], PIXELS, digits.test[50 : 50 + count]))
        assert ("smallest" in found.note) == smallest
    with pytest.raises(zoo.Unsupported, match="held-out images equal training images"):
        CopyTest().measure(Evaluation(None, digits, digits.test[:50], PIXELS, digits.train[:50]))
    patterns = BarsAndStripes().load("2")
    with pytest.raises(zoo.Unsupported, match="enumerated"):
        CopyTest().measure(Evaluation(None, patterns, patterns.test, PIXELS))
    with pytest.raises(ValueError, match=r"train and held_out and fake must have shapes"):
        copies(torch.zeros(5, 2), torch.zeros(5, 3), torch.zeros(5, 2))
