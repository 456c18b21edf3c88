"""The sliced Wasserstein distance: Gaussians in closed form, another implementation, unequal sizes, errors."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn

import zoo
from zoo.builtin.datasets.bars_and_stripes import BarsAndStripes
from zoo.builtin.datasets.digits import Digits
from zoo.builtin.metrics import distances
from zoo.builtin.metrics.jackknife import GROUPS, groups, standard_error
from zoo.builtin.metrics.sliced import DIRECTIONS, SlicedWasserstein, _squared, sliced_wasserstein, unit_vectors
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import FeatureSpace

PIXELS = FeatureSpace(nn.Flatten(), "the pixels themselves")


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def column(*values):
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def repeated(x, times):
    return np.sort(np.repeat(x.numpy(), times))


def test_distances_of_points_on_a_line():
    assert sliced_wasserstein(column(0, 4), column(7, 1)) == pytest.approx(math.sqrt((1 + 9) / 2))
    assert sliced_wasserstein(column(3), column(0, 1, 5)) == pytest.approx(math.sqrt((9 + 4 + 4) / 3))
    # quantiles of 0, 6 and of 0, 3, 9: 0 and 0 for 1/3, 0 and 3 for 1/6, 6 and 3 for 1/6, 6 and 9 for 1/3
    assert sliced_wasserstein(column(6, 0), column(3, 9, 0)) == pytest.approx(math.sqrt((9 + 9) / 6 + 9 / 3))


@pytest.mark.parametrize(("N", "M"), [(12, 12), (12, 18), (7, 30), (1, 5), (25, 6)])
@pytest.mark.parametrize("block", [1, 100, 2**21])
def test_distances_are_those_of_sets_repeated_to_a_common_size(monkeypatch, N, M, block):
    monkeypatch.setattr(distances, "_BLOCK", block)
    x, y, u = normal(N, 3, seed=N), 1 + 2 * normal(M, 3, seed=M), unit_vectors(3, 9)
    expected = [((repeated(x @ v, M) - repeated(y @ v, N)) ** 2).mean() for v in u]
    assert _squared(x, y, u).tolist() == pytest.approx(expected, rel=1e-12)
    assert sliced_wasserstein(x, y, 9) == pytest.approx(math.sqrt(np.mean(expected)), rel=1e-12)
    assert sliced_wasserstein(y, x, 9) == pytest.approx(sliced_wasserstein(x, y, 9), rel=1e-12)


@pytest.mark.parametrize(("a", "b"), [(1.0, 4.0), (2.25, 0.25)])
def test_gaussians_differ_by_their_standard_deviations_in_every_direction(a, b):
    """Quantiles of N(0, 1) in one dimension, then draws in five."""
    q = torch.from_numpy(norm.ppf((np.arange(20_000) + 0.5) / 20_000)).unsqueeze(1)
    assert sliced_wasserstein(a**0.5 * q, b**0.5 * q, 2) == pytest.approx(abs(a**0.5 - b**0.5), rel=1e-3)
    each = _squared(a**0.5 * normal(4000, 5, seed=1), b**0.5 * normal(6000, 5, seed=2), unit_vectors(5, 40)).sqrt()
    # the error of a standard deviation is σ/√2N
    assert (each - abs(a**0.5 - b**0.5)).abs().max() < 4.5 * math.sqrt(a / 8000 + b / 12_000)


def test_equal_sets_have_distance_0_and_a_shift_by_t_in_d_dimensions_t_over_the_root_of_d():
    x = normal(50, 8, seed=3)
    assert sliced_wasserstein(x, x.flip(0)) == pytest.approx(0, abs=1e-12)
    u = unit_vectors(8, DIRECTIONS)
    shift = torch.full((8,), 3.0, dtype=torch.float64)
    assert sliced_wasserstein(x, x + shift) == pytest.approx(float((u @ shift).square().mean().sqrt()), rel=1e-9)
    assert sliced_wasserstein(x, x + shift) == pytest.approx(3.0, rel=0.1)


def test_directions_are_unit_vectors_and_fixed():
    u = unit_vectors(6, 400)
    assert torch.allclose(u.norm(dim=1), torch.ones(400).double())
    assert torch.allclose(u.T @ u / 400, torch.eye(6).double() / 6, atol=0.05)
    assert torch.equal(u, unit_vectors(6, 400))
    assert len(u.unique(dim=0)) == 400


def test_measurement_has_as_many_samples_as_test_images_and_the_errors_of_both():
    digits = Digits().load("")
    evaluation = Evaluation(None, digits, digits.train[:150], PIXELS, digits.test[:90])
    real, fake = evaluation.reference_features, evaluation.sample_features[:90]
    found, of = SlicedWasserstein().measure(evaluation), groups(90)
    assert found.value == pytest.approx(sliced_wasserstein(fake, real), rel=1e-12)
    expected = [sliced_wasserstein(fake, real[of != g]) for g in range(GROUPS)]
    assert found.left_out == pytest.approx(expected, rel=1e-12)
    assert found.stderr == pytest.approx(
        standard_error([sliced_wasserstein(fake[of != g], real) for g in range(GROUPS)])
    )
    each = _squared(fake, real, unit_vectors(64, DIRECTIONS))
    error = float(each.mean().sqrt()) * float(each.std() / each.mean()) / 2 / math.sqrt(DIRECTIONS)
    assert found.note == f"± {error:.2g} by the choice of 500 directions"


def test_small_equal_and_enumerated_sets():
    digits, patterns = Digits().load(""), BarsAndStripes().load("2")
    bits = digits.test[:39].round()
    found = SlicedWasserstein().measure(Evaluation(None, digits, bits, PIXELS, bits))
    assert (found.value, found.stderr, found.left_out) == (0, None, ())
    assert found.note == "± 0 by the choice of 500 directions"
    with pytest.raises(zoo.Unsupported, match="enumerated"):
        SlicedWasserstein().measure(Evaluation(None, patterns, patterns.test, PIXELS))
    with pytest.raises(ValueError, match=r"x and y must have shapes"):
        sliced_wasserstein(torch.zeros(5, 2), torch.zeros(5, 3))
