"""The classifier two-sample test: the best possible accuracy of known laws, exact p-values, degenerate sets."""

import math

import pytest
import torch

import zoo
from zoo.builtin.metrics.jackknife import groups
from zoo.builtin.metrics.two_sample import C2ST, c2st
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import FeatureSpace


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def normal_cdf(z):
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


@pytest.mark.parametrize("δ", [0.0, 1.0, 3.0])
def test_accuracy_between_two_normals_is_the_best_there_is(δ):
    n = 20_000
    test = c2st(normal(n, 1, seed=1), δ + normal(n, 1, seed=2))
    assert test.n == n
    assert abs(test.accuracy - normal_cdf(δ / 2)) < 4.5 * math.sqrt(normal_cdf(δ / 2) * (1 - normal_cdf(δ / 2)) / n)


@pytest.mark.parametrize("d", [2, 65])
def test_a_difference_in_scale_alone_is_seen(d):
    """Up to 64 columns and beyond. In one dimension of d the scale is doubled: the best rule cuts at |x| = c."""
    n = 10_000
    x, y = normal(n, d, seed=3), normal(n, d, seed=4)
    y[:, 0] *= 2
    c = math.sqrt(2 * math.log(2) / (1 - 1 / 4))
    best = 0.5 * (2 * normal_cdf(c) - 1) + 0.5 * 2 * (1 - normal_cdf(c / 2))
    assert abs(c2st(x, y).accuracy - best) < 4.5 * math.sqrt(best * (1 - best) / n)


def test_a_difference_in_correlation_alone_is_seen():
    n, ρ = 10_000, 0.8
    x, y = normal(n, 2, seed=5), normal(n, 2, seed=6)
    y = torch.stack([y[:, 0], ρ * y[:, 0] + math.sqrt(1 - ρ**2) * y[:, 1]], 1)
    more = normal(100_000, 2, seed=7)
    other = torch.stack([more[:, 0], ρ * more[:, 0] + math.sqrt(1 - ρ**2) * more[:, 1]], 1)

    def ratio(z):  # log N(z; 0, C) - log N(z; 0, I)
        a, b = z.T
        return -0.5 * math.log(1 - ρ**2) - (a**2 - 2 * ρ * a * b + b**2) / (2 * (1 - ρ**2)) + (a**2 + b**2) / 2

    best = 0.5 * float((ratio(other) > 0).double().mean() + (ratio(more) <= 0).double().mean())
    assert abs(c2st(x, y).accuracy - best) < 4.5 * math.sqrt(best * (1 - best) / n)


@pytest.mark.parametrize("δ", [0.0, 1.0])
def test_the_p_value_is_the_tail_of_the_binomial(δ):
    test = c2st(normal(30, 2, seed=9), δ + normal(30, 2, seed=10))
    right = round(test.accuracy * test.n)
    tail = sum(math.comb(test.n, k) for k in range(right, test.n + 1)) / 2**test.n
    assert test.p_value == pytest.approx(tail, rel=1e-9)
    below = sum(math.comb(test.n, k) for k in range(right + 1)) / 2**test.n
    assert test.p_below == pytest.approx(below, rel=1e-9)
    a = float(test.fake_right.double().mean())  # of the 15 held-out fakes, half of the rows
    assert test.stderr == pytest.approx(math.sqrt(a * (1 - a) / 15) / 2, rel=1e-12)


def test_equal_laws_are_rejected_no_more_often_than_promised():
    repetitions = 300
    tests = [c2st(*pair) for pair in normal(repetitions, 2, 60, 3, seed=11)]
    rejected = sum(test.p_value <= 0.05 for test in tests) / repetitions
    assert rejected <= 0.05 + 4.5 * math.sqrt(0.05 * 0.95 / repetitions)
    accuracy = torch.tensor([test.accuracy for test in tests]).double()
    assert abs(float(accuracy.mean()) - 0.5) < 4.5 * float(accuracy.std()) / math.sqrt(repetitions)


def test_every_row_is_either_seen_or_held_out():
    """A point that only fakes have is told apart wherever it is held out; of 7 rows 3 are seen and 4 held out."""
    test = c2st(torch.zeros(7, 2), torch.ones(7, 2))
    assert (test.accuracy, test.n) == (1, 8)
    assert test.p_value == pytest.approx(1 / 2**8, rel=1e-9)


def test_constant_columns_and_identical_fakes_do_no_harm():
    x = normal(100, 5, seed=13)
    x[:, 2] = 1e6
    alike = c2st(x, x[:1].expand(100, 5))
    assert alike.accuracy > 0.5
    constant = torch.full((100, 3), 0.1)
    assert c2st(constant, constant).accuracy == 0.5
    noise = normal(100, 1, seed=14)
    with_noise = c2st(torch.cat([constant, noise], 1), torch.cat([constant, -noise + 4], 1))
    assert with_noise.accuracy == c2st(noise, -noise + 4).accuracy


def test_the_result_depends_on_nothing_but_the_sets():
    x, y = normal(80, 4, seed=15), 0.5 + normal(80, 4, seed=16)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = c2st(x, y)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = c2st(x, y)
    assert torch.equal(again.real_right, first.real_right)
    assert torch.equal(again.fake_right, first.fake_right)


def test_leaving_test_images_out_leaves_the_held_out_ones_of_a_group_out():
    test = c2st(normal(120, 2, seed=19), 1 + normal(120, 2, seed=20))
    of = groups(120)
    fakes = float(test.fake_right.double().mean())
    for g, found in enumerate(test.left_out):
        kept = [right for row, right in zip(test.rows.tolist(), test.real_right.tolist(), strict=True) if of[row] != g]
        assert found == pytest.approx((sum(kept) / len(kept) + fakes) / 2)
    assert c2st(normal(79, 2, seed=19), normal(79, 2, seed=20)).left_out == ()


def test_copies_of_the_test_images_are_flagged_and_count_as_worse_than_one_half():
    data = zoo.Data.from_arrays(normal(600, 6, seed=21).float(), name="normal")
    space = FeatureSpace(torch.nn.Identity(), "values")
    copies = C2ST().measure(Evaluation(None, data, data.test, space))
    assert copies.value < 0.4
    assert "significantly below 0.5" in copies.warning
    assert C2ST().measure(Evaluation(None, data, data.valid, space)).warning == ""
    assert C2ST.card.ideal == 0.5


def test_accuracy_does_not_depend_on_the_units_of_the_columns():
    x, y = normal(200, 3, seed=17), 0.6 + normal(200, 3, seed=18)
    units = torch.tensor([1e-4, 1.0, 1e4])
    assert c2st(x * units + 7, y * units + 7).accuracy == pytest.approx(c2st(x, y).accuracy, abs=1e-12)


def test_sets_of_unequal_size_or_shape_are_refused():
    with pytest.raises(ValueError, match="equal length, got 10 and 9 rows; subsample one"):
        c2st(torch.zeros(10, 2), torch.zeros(9, 2))
    with pytest.raises(ValueError, match=r"N at least 4, got \(3, 2\), \(3, 2\)"):
        c2st(torch.zeros(3, 2), torch.zeros(3, 2))
