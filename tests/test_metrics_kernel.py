"""The kernel distance and the jackknife, held to sums by hand, closed forms, and the spread of repetitions."""

import math

import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from zoo.builtin.metrics import distances
from zoo.builtin.metrics.frechet import frechet_distance
from zoo.builtin.metrics.jackknife import GROUPS, jackknife, standard_error
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
    x, y = normal(13, 4, seed=1), 1 + normal(17, 4, seed=2)
    assert kernel_distance(x, y) == pytest.approx(by_hand(x, y), rel=1e-12)


def test_kernel_distance_of_normals_is_that_of_their_moments_and_unbiased_at_small_n():
    """(xy + 1)³ = Σ_a C(3, a) xᵃyᵃ, so that KID = Σ_a C(3, a) (E xᵃ - E yᵃ)² for a = 1, 2, 3."""
    δ, repetitions = 0.5, 1000
    expected = 3 * δ**2 + 3 * δ**4 + (3 * δ + δ**3) ** 2
    draws = normal(repetitions, 2, 10, 1, seed=3)
    for shift, value in ((δ, expected), (0.0, 0.0)):
        found = torch.tensor([kernel_distance(x, y + shift) for x, y in draws])
        assert abs(float(found.mean()) - value) < 4.5 * float(found.std()) / math.sqrt(repetitions)


def test_kernel_distance_agrees_with_torchmetrics():
    x, y = normal(300, 32, seed=5), 0.3 + 1.2 * normal(300, 32, seed=6)
    assert kernel_distance(x, y) == pytest.approx(float(poly_mmd(x, y)), rel=1e-9)


def test_leaving_a_group_out_of_the_sums_is_leaving_its_rows_out():
    x, y = normal(43, 3, seed=7), normal(38, 3, seed=8)
    expected = [kernel_distance(x[torch.arange(43) % 10 != g], y[torch.arange(38) % 10 != g]) for g in range(10)]
    assert _sums(x, y).without_each_group() == pytest.approx(expected, rel=1e-9)
    assert jackknife(kernel_distance, x, y) == pytest.approx(standard_error(expected), rel=1e-9)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    means = normal(GROUPS, seed=9)
    x = means.repeat(7).unsqueeze(1)  # dealt in turn: each group holds one value
    error = jackknife(lambda a, b: float(a.mean()), x, x)
    assert error == pytest.approx(float(means.std()) / math.sqrt(GROUPS), rel=1e-12)
    assert jackknife(lambda a, b: float(a.mean()), x[:19], x) is None


def kernel_error(x, y):
    return standard_error(_sums(x, y).without_each_group())


def frechet_error(x, y):
    return jackknife(frechet_distance, x, y)


@pytest.mark.parametrize(("figure", "error"), [(frechet_distance, frechet_error), (kernel_distance, kernel_error)])
def test_the_jackknife_is_the_spread_of_a_distance_over_repetitions(figure, error):
    repetitions = 80
    draws = [(x, y + 0.5) for x, y in normal(repetitions, 2, 200, 3, seed=11)]
    values = torch.tensor([figure(x, y) for x, y in draws])
    errors = torch.tensor([error(x, y) for x, y in draws])
    ratio = float(errors.square().mean() / values.var())
    noise = math.sqrt(2 / repetitions + 2 / (GROUPS - 1) / repetitions)  # of a variance, of a mean of ten-group ones
    assert abs(ratio - 1) < 4.5 * noise


@pytest.mark.parametrize("shapes", [((5, 2), (5, 3)), ((1, 2), (5, 2)), ((5,), (5,))])
def test_kernel_distance_refuses_what_has_no_pairs(shapes):
    with pytest.raises(ValueError, match="x and y must have shapes"):
        kernel_distance(*map(torch.zeros, shapes))
