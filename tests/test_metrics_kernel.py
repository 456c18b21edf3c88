"""The kernel distance and the jackknife, held to sums by hand, closed forms, and the spread of repetitions."""

import math

import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from zoo.builtin.metrics import distances, kernel
from zoo.builtin.metrics.frechet import frechet_distance
from zoo.builtin.metrics.jackknife import GROUPS, bias_corrected, groups, standard_error, without_each_group
from zoo.builtin.metrics.kernel import _sums, kernel_distance


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def by_hand(x, y):
    """KID in three loops over pairs."""
    k = lambda a, b: (float(a @ b) / len(a) + 1) ** 3  # noqa: E731
    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j)
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j)
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize("block", [1, 70, 2**20])
def test_kernel_distance_equals_the_sums_over_pairs_in_blocks_of_every_size(monkeypatch, block):
    monkeypatch.setattr(distances, "_BLOCK", block)
    x, y = normal(13, 6, seed=1), 1 + normal(17, 6, seed=2)  # more than 5 features: pairs
    assert kernel_distance(x, y) == pytest.approx(by_hand(x, y), rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_kernel_distance_of_few_features_equals_the_sums_over_pairs(monkeypatch, d):
    monkeypatch.setattr(kernel, "_pair_sum", None)
    x, y = normal(13, d, seed=1), 1 + normal(17, d, seed=2)
    assert kernel_distance(x, y) == pytest.approx(by_hand(x, y), rel=1e-12)


def test_sums_by_moments_are_those_over_pairs_for_each_pair_of_groups():
    x, y = normal(83, 4, seed=3), 1 + normal(61, 4, seed=4)
    for by_moments, sets in zip(kernel._moment_sums(x, y), [(x, x), (y, y), (x, y)], strict=True):
        torch.testing.assert_close(by_moments, kernel._pair_sum(*sets), rtol=1e-12, atol=1e-12)


def test_kernel_distance_of_normals_is_that_of_their_moments_and_unbiased_at_small_n():
    """(xy + 1)³ = Σ_a C(3, a) xᵃyᵃ, so that KID = Σ_a C(3, a) (E xᵃ - E yᵃ)² for a = 1, 2, 3."""
    δ, repetitions = 0.5, 300
    expected = 3 * δ**2 + 3 * δ**4 + (3 * δ + δ**3) ** 2
    draws = normal(repetitions, 2, 10, 1, seed=3)
    for shift, value in ((δ, expected), (0.0, 0.0)):
        found = torch.tensor([kernel_distance(x, y + shift) for x, y in draws])
        assert abs(float(found.mean()) - value) < 4.5 * float(found.std()) / math.sqrt(repetitions)


def test_kernel_distance_agrees_with_torchmetrics():
    x, y = normal(300, 32, seed=5), 0.3 + 1.2 * normal(300, 32, seed=6)
    assert kernel_distance(x, y) == pytest.approx(float(poly_mmd(x, y)), rel=1e-9)


def test_leaving_a_group_out_of_the_sums_is_leaving_its_rows_out():
    x, y = normal(83, 3, seed=7), normal(78, 3, seed=8)
    sums, every = _sums(x, y), torch.arange(GROUPS)
    for side, of in (("x", groups(83)), ("y", groups(78))):
        found = [sums.distance(**{side: every[every != g]}) for g in range(GROUPS)]
        kept = [(x[of != g], y) if side == "x" else (x, y[of != g]) for g in range(GROUPS)]
        assert found == pytest.approx([kernel_distance(*sets) for sets in kept], rel=1e-9)


@pytest.mark.parametrize("n", [1, 39, 40, 718])
def test_groups_are_as_equal_as_can_be_mixed_and_always_the_same(n):
    counts = torch.bincount(groups(n), minlength=GROUPS)
    assert counts.max() - counts.min() <= 1
    assert torch.equal(groups(n), groups(n))
    if n > 39:
        assert not torch.equal(groups(n), torch.arange(n) % GROUPS)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    means = normal(GROUPS, seed=9)
    x = means[groups(140)].unsqueeze(1)  # each group holds one value
    error = standard_error(without_each_group(lambda a: float(a.mean()), x))
    assert error == pytest.approx(float(means.std()) / math.sqrt(GROUPS), rel=1e-12)
    assert without_each_group(lambda a: float(a.mean()), x[:39]) == ()
    assert standard_error(()) is None


@pytest.mark.parametrize("figure", [frechet_distance, kernel_distance])
def test_the_jackknives_of_both_sets_are_the_spread_of_a_distance_over_repetitions(figure):
    repetitions = 40
    draws = [(x, y + 0.5) for x, y in normal(repetitions, 2, 100, 3, seed=11)]
    values = torch.tensor([figure(x, y) for x, y in draws])
    errors = torch.tensor(
        [
            standard_error(without_each_group(lambda a, y=y: figure(a, y), x)) ** 2
            + standard_error(without_each_group(lambda b, x=x: figure(x, b), y)) ** 2
            for x, y in draws
        ]
    )
    noise = math.sqrt(2 / repetitions + 2 / (GROUPS - 1) / repetitions)  # of a variance, of a mean of jackknives
    assert abs(float(errors.mean() / values.var()) - 1) < 4.5 * noise


def test_the_corrected_distance_of_equal_laws_is_0_whatever_the_sizes_of_the_sets():
    """Uncorrected, it is 2d/N + d(d+1)/2N on average of both sizes, to first order."""
    d, repetitions = 6, 60
    for n, m in ((60, 240), (120, 120)):
        sets = [(normal(n, d, seed=2 * r), normal(m, d, seed=2 * r + 1)) for r in range(repetitions)]
        plain = torch.tensor([frechet_distance(*pair) for pair in sets])
        corrected = torch.tensor([bias_corrected(frechet_distance, *pair) for pair in sets])
        expected = (d + d * (d + 1) / 4) * (1 / n + 1 / m)
        assert float(plain.mean()) == pytest.approx(expected, rel=0.2)
        assert abs(float(corrected.mean())) < max(4.5 * float(corrected.std()) / math.sqrt(repetitions), expected / 10)
    assert bias_corrected(frechet_distance, normal(39, 2, seed=1), normal(60, 2, seed=2)) is None


def test_the_correction_removes_a_bias_of_order_1_over_n_exactly():
    """The variance with divisor N has the bias -σ²/N: corrected, it is the one with divisor N - 1."""
    x = normal(60, 1, seed=3)
    biased = lambda a, b: float(a.var(correction=0))  # noqa: E731
    of = groups(60)
    left_out = [float(x[of != g].var(correction=0)) for g in range(GROUPS)]
    expected = GROUPS * float(x.var(correction=0)) - (GROUPS - 1) * sum(left_out) / GROUPS
    assert bias_corrected(biased, x, x) == pytest.approx(expected)
    assert abs(expected / float(x.var()) - 1) < 0.002


@pytest.mark.parametrize("shapes", [((5, 2), (5, 3)), ((1, 2), (5, 2)), ((5,), (5,))])
def test_kernel_distance_refuses_what_has_no_pairs(shapes):
    with pytest.raises(ValueError, match="x and y must have shapes"):
        kernel_distance(*map(torch.zeros, shapes))
