"""Precision, recall, density and coverage: hand-made sets, expectations of equal laws, ties, another implementation."""

import contextlib
import io
import math

import pytest
import torch
from prdc import compute_prdc

from zoo.builtin.metrics import distances
from zoo.builtin.metrics.manifold import density_coverage, precision_recall


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def column(*values):
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def test_figures_of_points_on_a_line():
    real = column(0, 1, 10, 12)  # with k = 1 the radii are 1, 1, 2, 2
    fake = column(0.5, 9, 11, 30, 31)  # 0.5, 8.5→2, 2, 1, 1 are their radii: 0.5 has 8.5, 9 has 2, 11 has 2
    assert precision_recall(real, fake, k=1) == (3 / 5, 4 / 4)
    # 0.5 is in the balls of 0 and 1, 9 in that of 10, 11 in those of 10 and 12
    assert density_coverage(real, fake, k=1) == (5 / 5, 4 / 4)
    assert precision_recall(real, fake - 50, k=1) == (0, 0)
    assert density_coverage(real, fake - 50, k=1) == (0, 0)


def test_one_ball_of_each_kind():
    real, fake = column(0, 1, 5), column(1.9, 100, 300)  # radii with k = 1: 1, 1, 4 and 98.1, 98.1, 200
    assert precision_recall(real, fake, k=1) == (1 / 3, 3 / 3)
    assert density_coverage(real, fake, k=1) == (2 / 3, 2 / 3)  # 1.9 in the balls of 1 and 5; that of 0 is empty
    assert precision_recall(fake, real, k=1) == (3 / 3, 1 / 3)


def test_a_point_on_the_surface_of_a_ball_is_inside():
    real, fake = column(0, 1, 7), column(-1, -1, 20)  # -1 is as far from 0 as 1 is
    assert precision_recall(real, fake, k=1).precision == 2 / 3
    assert density_coverage(real, fake, k=1) == (2 / 3, 1 / 3)


def test_rounding_leaves_a_tie_a_tie():
    d = 32
    real = torch.cat([torch.zeros(1, d, dtype=torch.float64), normal(1, d, seed=1)])
    for seed in range(50):
        Q = torch.linalg.qr(normal(d, d, seed=seed))[0]
        assert density_coverage(real, real[1:] @ Q, k=1).coverage >= 0.5  # as far from the origin as its neighbour


@pytest.mark.parametrize("bits", [True, False])
def test_copies_of_repeated_rows_are_inside_balls_of_radius_0(bits):
    x = normal(30, 12, seed=3)
    real = ((x > 0).double() if bits else x).repeat(6, 1)
    assert precision_recall(real, real) == (1, 1)
    density, coverage = density_coverage(real, real)
    assert (density, coverage) == (6 / 5, 1)  # in each ball the six that are equal, and k is 5
    assert density_coverage(real, real[:1]) == (6 / 5, 6 / 180)
    assert precision_recall(real, real[:1].repeat(4, 1)) == (1, 6 / 180)


def test_coverage_and_density_of_equal_laws_have_their_expectation():
    N, M, k, repetitions = 100, 100, 5, 400
    expected = 1 - math.prod((N - i) / (N + M - i) for i in range(1, k + 1))
    assert expected == pytest.approx(0.9711, abs=5e-5)
    found = torch.tensor([density_coverage(*pair, k) for pair in normal(repetitions, 2, N, 3, seed=5)])
    error = found.double().std(0) / math.sqrt(repetitions)
    assert abs(float(found[:, 1].double().mean()) - expected) < 4.5 * float(error[1])
    assert abs(float(found[:, 0].double().mean()) - 1) < 4.5 * float(error[0])


@pytest.mark.parametrize("block", [1, 999, 2**21])
def test_figures_agree_with_prdc_in_blocks_of_every_size(monkeypatch, block):
    monkeypatch.setattr(distances, "_BLOCK", block)
    real, fake = normal(150, 8, seed=7), 0.4 + 1.1 * normal(130, 8, seed=8)
    for k in (3, 5):
        with contextlib.redirect_stdout(io.StringIO()):
            theirs = compute_prdc(real.numpy(), fake.numpy(), nearest_k=k)
        assert precision_recall(real, fake, k) == pytest.approx((theirs["precision"], theirs["recall"]), rel=1e-12)
        assert density_coverage(real, fake, k) == pytest.approx((theirs["density"], theirs["coverage"]), rel=1e-12)


def test_defaults_are_those_of_the_papers():
    real, fake = normal(60, 4, seed=9), normal(60, 4, seed=10)
    assert precision_recall(real, fake) == precision_recall(real, fake, 3) != precision_recall(real, fake, 4)
    assert density_coverage(real, fake) == density_coverage(real, fake, 5) != density_coverage(real, fake, 4)


@pytest.mark.parametrize("function", [precision_recall, density_coverage])
def test_sets_without_a_k_th_neighbour_or_of_other_shapes_are_refused(function):
    with pytest.raises(ValueError, match="less than the number of rows, 3, got 3; give more rows"):
        function(torch.zeros(3, 2), torch.zeros(9, 2), k=3)
    with pytest.raises(ValueError, match=r"real and fake must have shapes .*got \(9, 2\), \(9, 3\)"):
        function(torch.zeros(9, 2), torch.zeros(9, 3))
    with pytest.raises(ValueError, match="finite"):
        function(torch.zeros(9, 2), torch.full((9, 2), math.inf))


def test_fewer_fakes_than_neighbours_are_enough_for_density_and_coverage():
    assert density_coverage(normal(9, 2, seed=11), torch.full((1, 2), 99.0)) == (0, 0)
