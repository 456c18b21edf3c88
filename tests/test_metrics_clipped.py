"""Clipped Density and Coverage: a plain implementation, the law of f, shares of good samples, outliers, ties."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import betabinom
from torch import nn

import zoo
from zoo.builtin.datasets.bars_and_stripes import BarsAndStripes
from zoo.builtin.datasets.digits import Digits
from zoo.builtin.metrics import clipped, distances
from zoo.builtin.metrics.clipped import (
    ClippedCoverage,
    ClippedDensity,
    _clipped,
    clipped_coverage,
    clipped_density,
    expected_coverage,
)
from zoo.builtin.metrics.jackknife import GROUPS, groups, standard_error
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import FeatureSpace

PIXELS = FeatureSpace(nn.Flatten(), "the pixels themselves")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def column(*values):
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def f(m, N, k):
    """f(m) with the beta-binomial law of another package."""
    return 1 - sum((k - j) / k * betabinom.pmf(j, m, k, N - k) for j in range(k))


def plainly(real, fake, k):
    """Both figures before the cap at 1, as the equations say."""
    real, fake = real.numpy(), fake.numpy()
    N, M = len(real), len(fake)
    between = np.linalg.norm(real[:, None] - real, axis=2)
    np.fill_diagonal(between, np.inf)
    R = (1 + 1e-9) * np.sort(between, axis=1)[:, k - 1]
    ρ = np.minimum(R, np.median(R))
    to_fakes = np.linalg.norm(real[:, None] - fake, axis=2)
    A = np.minimum(1, (to_fakes <= ρ[:, None]).sum(0) / k).mean()
    A0 = np.minimum(1, (between <= ρ[:, None]).sum(0) / k).mean()
    y = np.minimum(k, (to_fakes <= R[:, None]).sum(1)).mean() / k
    m = np.arange(4 * M + 1)
    return A / A0, np.interp(y, f(m, N, k), m) / M


@pytest.fixture(scope="module")
def digits():
    return Digits().load("")


# the functions


def test_figures_of_points_on_a_line():
    real = column(0, 1, 3, 10)  # with k = 1, R is 1, 1, 2, 7, its median 1.5, so ρ is 1, 1, 1.5, 1.5
    fake = column(0.5, 3.5, 1.6, 12.5)
    # within ρ: 0.5 of 0 and 1; 3.5 of 3; 1.6 of 1 and 3; 12.5 of none. Reference: 0 in the ball of 1, 1 in that of 0
    assert clipped_density(real, fake[3:], k=1) == 0
    assert float(_clipped(real, fake, 1).density[0]) == pytest.approx((3 / 4) / (2 / 4))
    # within R: 0 has 0.5; 1 has 0.5 and 1.6; 3 has 3.5 and 1.6; 10 has 3.5 and 12.5: more than f of any number
    assert clipped_coverage(real, fake, k=1) == 1
    # 0.5 is in the balls of 0 and 1, so y = 2/4; for k = 1, f(m) = m/(N - 1 + m), which is 2/4 at m = 3
    assert clipped_coverage(real, column(0.5, 50, 60, 70), k=1) == pytest.approx(3 / 4, rel=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize(("N", "M"), [(61, 61), (40, 130), (150, 30)])
def test_figures_agree_with_a_plain_implementation(N, M, k):
    real, fake = normal(N, 3, seed=1), 0.8 + 1.2 * normal(M, 3, seed=2)
    density, coverage = plainly(real, fake, k)
    found = _clipped(real, fake, k)
    assert (float(found.density[0]), float(found.coverage[0])) == pytest.approx((density, coverage), rel=1e-9)
    assert clipped_density(real, fake, k) == pytest.approx(min(1, density), rel=1e-9)
    assert clipped_coverage(real, fake, k) == pytest.approx(min(1, coverage), rel=1e-9)


def test_the_default_k_is_that_of_the_paper_and_figures_are_at_most_1():
    real, fake = normal(60, 2, seed=9), 1 + normal(60, 2, seed=10)
    assert clipped_density(real, fake) == clipped_density(real, fake, 5) != clipped_density(real, fake, 4)
    assert clipped_coverage(real, fake) == clipped_coverage(real, fake, 5) != clipped_coverage(real, fake, 4)
    typical = real[real.norm(dim=1) < 1]
    found = _clipped(real, torch.cat([real, typical]), 5)
    assert float(found.density[0]) > 1.1
    assert float(found.coverage[0]) > 1.1
    assert clipped_density(real, torch.cat([real, typical])) == 1
    assert clipped_coverage(real, torch.cat([real, typical])) == 1


def test_expected_coverage_is_that_of_uniform_draws_on_a_line():
    N, k, repetitions = 30, 5, 600
    x, ball = torch.rand(repetitions, N, 1, generator=seeded(3)), torch.arange(N)
    between = (x - x.mT).abs()
    R = between.sort(2).values[:, :, k]  # the row itself is the first
    for m in (1, 7, 30, 90):
        s = torch.rand(repetitions, 1, m, generator=seeded(m))
        covered = ((x - s).abs()[:, ball] <= R[..., None]).sum(2).clamp(max=k) / k
        each = covered.mean(1).double()
        expected = float(expected_coverage(N, k, torch.tensor([m])))
        assert expected == pytest.approx(f(m, N, k), rel=1e-10)
        assert abs(float(each.mean()) - expected) < 4.5 * float(each.std()) / math.sqrt(repetitions)


def test_expected_coverage_increases_from_0_towards_1_for_large_sets():
    found = expected_coverage(10_000, 5, torch.arange(40_001))
    assert found[0] == 0
    assert (found.diff() > 0).all()
    assert float(found[10_000]) == pytest.approx(f(10_000, 10_000, 5), rel=1e-9)
    assert 0.99 < found[-1] < 1


def test_both_figures_are_the_share_of_good_samples():
    N, repetitions, d = 120, 8, 3
    sets = normal(repetitions, 2, N, d, seed=5)
    for tenths in range(11):
        fakes = sets[:, 1].clone()
        fakes[:, round(tenths * N / 10) :] += 1000
        found = [_clipped(real, fake, 5) for real, fake in zip(sets[:, 0], fakes, strict=True)]
        for figure, bias in (("density", 0.0), ("coverage", 0.2 / math.sqrt(N))):
            each = torch.stack([getattr(one, figure)[0] for one in found])
            error = float(each.std()) / math.sqrt(repetitions)
            assert abs(float(each.mean()) - tenths / 10) <= 4.5 * error + bias * tenths / 10, (figure, tenths)
            assert (each <= 1e-12).all() or tenths


@pytest.mark.parametrize("where", [30.0, 1e4])
def test_one_outlier_of_the_reference_changes_both_by_its_share_only(where):
    """By c/N, c at most 3: it counts as one example more, and the median radius moves by one place."""
    N = 200
    real, good, stray = normal(N, 2, seed=11), normal(120, 2, seed=12), where * (0.5 + normal(80, 2, seed=13).sigmoid())
    more, fake = torch.cat([real, torch.full((1, 2), where, dtype=torch.float64)]), torch.cat([good, stray])
    assert 0.5 < clipped_density(real, fake) < 0.7
    assert abs(clipped_density(more, fake) - clipped_density(real, fake)) <= 3 / N
    assert abs(clipped_coverage(more, fake) - clipped_coverage(real, fake)) <= 3 / N


def test_one_image_repeated_covers_almost_nothing_whatever_its_density():
    real = normal(400, 2, seed=14)
    for fake in (torch.zeros(400, 2), real[real.norm(dim=1) < 0.3][:1].repeat(400, 1)):
        assert clipped_density(real, fake) > 0.6
        assert clipped_coverage(real, fake) < 0.03


def test_a_point_at_the_centre_of_a_thin_shell_covers_it():
    """A stated limit: with many dimensions and few examples, balls are as large as the set."""
    shell = torch.nn.functional.normalize(normal(200, 100, seed=15))
    assert clipped_coverage(shell, torch.zeros(200, 100)) == 1


# ties and repeated rows


def test_a_point_on_the_surface_of_a_ball_is_inside():
    real, fake = column(0, 1, 7), column(-1, -1, 20)  # R is 1, 1, 6 and ρ 1, 1, 1; -1 is as far from 0 as 1 is
    found = _clipped(real, fake, 1)
    assert float(found.density[0]) == pytest.approx((2 / 3) / (2 / 3))
    assert float(found.coverage[0]) == pytest.approx(1 / 3)  # y = 1/3; f(m) = m/(2 + m) is 1/3 at m = 1


def mixed(n, generator):
    """Normal rows, of which 30 % are drawn from 20 fixed rows."""
    x = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    x[: int(0.3 * n)] = normal(20, 4, seed=16)[torch.randint(20, (int(0.3 * n),), generator=generator)]
    return x


def test_30_per_cent_of_repeated_rows_raise_coverage_by_0_3_and_leave_density():
    generator, repetitions = seeded(17), 12
    found = [_clipped(mixed(500, generator), mixed(500, generator), 5) for _ in range(repetitions)]
    density, coverage = (torch.stack([getattr(each, name)[0] for each in found]) for name in ("density", "coverage"))
    assert float(density.mean()) == pytest.approx(1.0, abs=4.5 * float(density.std()) / math.sqrt(repetitions))
    assert float(coverage.mean()) == pytest.approx(1.3, abs=0.1)  # 1.02 without repeated rows
    assert all(0.25 < each.repeated <= 0.3 for each in found)


def test_copies_within_the_reference_only_lower_both():
    real, fake = normal(400, 4, seed=18), normal(400, 4, seed=19)
    real[:120] = real[120:240]
    found = _clipped(real, fake, 5)
    assert found.repeated == 0.6
    assert 0.7 < float(found.density[0]) < 0.95
    assert 0.7 < float(found.coverage[0]) < 0.95


def test_a_reference_of_copies_is_unsupported_and_one_of_fewer_is_not():
    real = normal(60, 3, seed=20)
    with pytest.raises(zoo.Unsupported, match="most reference examples equal 5 others or more"):
        clipped_density(real[:10].repeat(6, 1), real)
    assert clipped_density(real[:20].repeat(3, 1), real[:20]) == 1


# errors and evaluations


def test_sets_without_a_k_th_neighbour_or_of_other_shapes_are_refused():
    for function in (clipped_density, clipped_coverage):
        with pytest.raises(ValueError, match="less than the number of rows, 3, got 3; give more rows"):
            function(torch.zeros(3, 2), torch.zeros(9, 2), k=3)
        with pytest.raises(ValueError, match=r"real and fake must have shapes .*got \(9, 2\), \(9, 3\)"):
            function(torch.zeros(9, 2), torch.zeros(9, 3))


@pytest.mark.parametrize(("block", "spare"), [(1, 20), (999, 0), (2**21, 20)])
def test_figures_without_a_group_are_those_of_the_other_rows(monkeypatch, block, spare):
    """Also where the list of neighbours is too short at first, and in blocks of every size."""
    real, fake = normal(83, 3, seed=21), 0.5 + normal(130, 3, seed=22)
    real[7], fake[3] = real[50], real[50]
    of, of_fake, of_first = groups(83), groups(130), groups(83)
    coverages = [_clipped(real[of != g], fake[:83], 5).coverage[0] for g in range(GROUPS)]
    densities = [_clipped(real[of != g], fake, 5).density[0] for g in range(GROUPS)]
    for name, value in (("_SPARE", spare), ("_PAIRS", 50)):
        monkeypatch.setattr(clipped, name, value)
    monkeypatch.setattr(distances, "_BLOCK", block)
    found = _clipped(real, fake, 5, n=83, kept=clipped._subsets(83))
    assert torch.allclose(found.density[1:], torch.stack(densities), rtol=1e-12)
    assert torch.allclose(found.coverage[1:], torch.stack(coverages), rtol=1e-12)
    assert len(set(found.density.tolist())) > GROUPS / 2
    for g in (0, GROUPS - 1):
        assert found.density_without[g] == pytest.approx(plainly(real, fake[of_fake != g], 5)[0], rel=1e-9)
        fewer = fake[:83][of_first != g]
        assert found.coverage_without[g] == pytest.approx(plainly(real, fewer, 5)[1], rel=1e-9)


@pytest.fixture
def evaluation(digits):
    return Evaluation(None, digits, digits.train[:240] * 0.9, PIXELS, digits.test[:150])


def test_density_takes_all_samples_and_coverage_as_many_as_the_reference_has(evaluation):
    real, fake = evaluation.reference_features, evaluation.sample_features
    density, coverage = ClippedDensity().measure(evaluation), ClippedCoverage().measure(evaluation)
    assert (density.value, coverage.value) == (clipped_density(real, fake), clipped_coverage(real, fake[:150]))
    assert clipped_density(real, fake) != clipped_density(real, fake[:150])
    found = _clipped(real, fake, 5, 150, clipped._subsets(150))
    assert density.left_out == tuple(found.density[1:].tolist())
    assert coverage.left_out == tuple(found.coverage[1:].tolist())
    assert density.stderr == standard_error(found.density_without.tolist())
    assert coverage.stderr == standard_error(found.coverage_without.tolist())


def test_the_distances_are_shared_by_both_metrics(evaluation, monkeypatch):
    calls = []
    monkeypatch.setattr(clipped, "_clipped", lambda *sets: calls.append(sets) or _clipped(*sets))
    for metric in (ClippedDensity(), ClippedCoverage(), ClippedDensity()):
        metric.measure(evaluation)
    assert len(calls) == 1


def test_a_capped_figure_keeps_its_errors_and_is_noted(digits):
    evaluation = Evaluation(None, digits, digits.test[:150], PIXELS, digits.test[:150])
    for metric in (ClippedDensity(), ClippedCoverage()):
        found = metric.measure(evaluation)
        assert found.value == 1
        assert found.stderr > 0
        assert max(found.left_out) > 1
        assert float(found.note.removesuffix(" before the cap at 1")) > 1
        assert found.warning == ""


@pytest.mark.parametrize(("copies", "warning"), [(1, ""), (2, "1.3% of the reference examples repeat others")])
def test_a_repeated_reference_has_a_warning(digits, copies, warning):
    real = digits.test.round().flatten(1).unique(dim=0)[: 300 - copies]  # bits, so nothing is drawn
    real = torch.cat([real, real[:copies]]).reshape(-1, *digits.test.shape[1:])
    for metric in (ClippedDensity(), ClippedCoverage()):
        assert metric.measure(Evaluation(None, digits, digits.train[:100], PIXELS, real)).warning.startswith(warning)
        assert bool(metric.measure(Evaluation(None, digits, digits.train[:100], PIXELS, real)).warning) == bool(warning)


def test_small_sets_have_no_errors_and_too_small_or_enumerated_ones_no_figures(digits):
    found = ClippedDensity().measure(Evaluation(None, digits, digits.train[:39], PIXELS, digits.test[:39]))
    assert (found.stderr, found.left_out) == (None, ())
    with pytest.raises(zoo.Unsupported, match="more than 5 real examples, got 5"):
        ClippedCoverage().measure(Evaluation(None, digits, digits.train[:39], PIXELS, digits.test[:5]))
    patterns = BarsAndStripes().load("2")
    with pytest.raises(zoo.Unsupported, match="enumerated"):
        ClippedCoverage().measure(Evaluation(None, patterns, patterns.test, PIXELS))
