"""The metrics, held to closed forms and known answers; the features they are measured in are in test_features.py."""

import importlib
import math
import tomllib
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import nn

import zoo
from zoo.builtin.datasets.bars_and_stripes import BarsAndStripes
from zoo.builtin.datasets.digits import Digits
from zoo.builtin.metrics.frechet import Frechet, FrechetGrey, frechet_distance, frechet_from_moments
from zoo.builtin.metrics.jackknife import bias_corrected, groups
from zoo.builtin.metrics.likelihood import Likelihood
from zoo.builtin.metrics.patterns import ValidPatterns
from zoo.builtin.metrics.reconstruction import Reconstruction
from zoo.evaluation.evaluation import Evaluation, Measurement
from zoo.evaluation.features import FeatureSpace
from zoo.evaluation.reference import reference_split
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin
from zoo.results.interval import jackknife_part
from zoo.runtime.randomness import generator

PIXELS = FeatureSpace(nn.Flatten(), "the pixels themselves")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def covariance(d, seed, rank=None):
    A = torch.randn(d, rank or d, generator=seeded(seed), dtype=torch.float64)
    return A @ A.T


def zeros(d):
    return torch.zeros(d, dtype=torch.float64)


def eye(d):
    return torch.eye(d, dtype=torch.float64)


class HalvingConfig(zoo.Config):
    pass


class Halving:
    """Its code is the example, and it decodes half of it; its likelihoods are bounds that need no training."""

    card = zoo.Card(
        name="halving", summary="x/2", config=HalvingConfig, trains_on="grey", latent="real", samples="means"
    )

    @zoo.hookimpl
    def build(self, data):
        return nn.Identity()

    @zoo.hookimpl
    def fit(self, budget):
        budget.step(nn.Identity())

    @zoo.hookimpl
    def encode(self, x):
        return x.clone()

    @zoo.hookimpl
    def decode(self, z):
        return z / 2

    @zoo.hookimpl
    def sample(self, n):
        raise zoo.Unsupported("it generates nothing")

    @zoo.hookimpl
    def log_prob(self, x):
        """Fair bits, plus and minus a nat."""
        nats = torch.full((len(x),), -x[0].numel() * math.log(2))
        return zoo.LogProb(nats + 1, "upper", method="above"), zoo.LogProb(nats - 1, "lower", 0.25, method="below")


class FairBits(Halving):
    """Every pattern has probability 2^-d, and it says so first and last."""

    @zoo.hookimpl
    def log_prob(self, x):
        nats = torch.full((len(x),), -x[0].numel() * math.log(2))
        return zoo.LogProb(nats - 1, "lower"), zoo.LogProb(nats, "exact", method="in closed form")


def contestant(data, plugin=Halving):
    return Model(Plugin(plugin(), "zoo.models"), nn.Identity(), HalvingConfig(), data.spec)


@pytest.fixture(scope="module")
def digits():
    return Digits().load("")


@pytest.fixture(scope="module")
def bars():
    return BarsAndStripes().load("3")


@pytest.fixture(scope="module")
def table():
    """Real-valued data, far from 0 and of unequal scale."""
    x = 50 + torch.randn(100, 4, generator=seeded(1)) * torch.tensor([1.0, 10.0, 100.0, 0.1])
    return zoo.Data.from_arrays(x, name="table")


# frechet_from_moments and frechet_distance


def test_frechet_distance_of_a_shift_is_its_squared_length():
    assert frechet_from_moments(zeros(64), eye(64), zeros(64) + 0.5, eye(64)) == pytest.approx(16.0, rel=1e-12)


def test_frechet_distance_of_a_scale_is_the_squared_difference_of_deviations():
    assert frechet_from_moments(zeros(64), eye(64), zeros(64), 4 * eye(64)) == pytest.approx(64.0, rel=1e-12)


def test_frechet_distance_of_two_planes_equals_the_closed_form_of_the_root():
    C1, C2 = covariance(2, seed=3), covariance(2, seed=5)
    product = C1 @ C2  # tr M^½ = sqrt(tr M + 2 sqrt|M|) for 2 by 2
    cross = torch.sqrt(product.trace() + 2 * torch.linalg.det(product).sqrt())
    expected = float(C1.trace() + C2.trace() - 2 * cross)
    assert frechet_from_moments(zeros(2), C1, zeros(2), C2) == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_of_lines_equals_the_closed_form_where_both_covariances_are_singular():
    u, v = torch.randn(2, 16, generator=seeded(7), dtype=torch.float64)
    expected = float(u @ u + v @ v - 2 * (u @ v).abs())
    assert frechet_from_moments(zeros(16), u.outer(u), zeros(16), v.outer(v)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rank", [3, 20])
def test_frechet_distance_is_symmetric_blind_to_rotations_and_squares_with_the_scale(rank):
    d = 20
    m1, m2 = torch.randn(2, d, generator=seeded(9), dtype=torch.float64)
    C1, C2 = covariance(d, 11, rank), covariance(d, 13, rank)
    Q = torch.linalg.qr(covariance(d, seed=15))[0]
    distance = frechet_from_moments(m1, C1, m2, C2)
    assert frechet_from_moments(m2, C2, m1, C1) == pytest.approx(distance, rel=1e-9)
    assert frechet_from_moments(Q @ m1, Q @ C1 @ Q.T, Q @ m2, Q @ C2 @ Q.T) == pytest.approx(distance, rel=1e-9)
    assert frechet_from_moments(3 * m1, 9 * C1, 3 * m2, 9 * C2) == pytest.approx(9 * distance, rel=1e-9)
    assert 0 <= frechet_from_moments(m1, C1, m1, C1) < 1e-9


def test_frechet_distance_takes_unbiased_covariances():
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [4.0]])  # means 1 and 2, variances 2 and 8
    assert frechet_distance(x, y) == pytest.approx(1 + (math.sqrt(8) - math.sqrt(2)) ** 2, rel=1e-12)


def test_frechet_distance_of_single_precision_features_far_from_0_is_computed_in_double():
    x = torch.randn(500, 8, generator=seeded(17)) + 1000
    y = torch.randn(500, 8, generator=seeded(19)) + 1000
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(x.double() - 1000, y.double() - 1000), rel=1e-9)


def test_frechet_distance_of_two_samples_of_one_gaussian_has_the_expected_floor():
    N, d, pairs = 1000, 8, 200
    x = torch.randn(pairs, 2, N, d, generator=seeded(21), dtype=torch.float64)
    found = torch.tensor([frechet_distance(*pair) for pair in x])
    floor = (2 * d + d * (d + 1) / 2) / N
    assert abs(float(found.mean()) - floor) < 4.5 * float(found.std()) / math.sqrt(pairs) + 2 * d / N * floor


@pytest.mark.parametrize("shapes", [((5, 2), (5, 3)), ((1, 2), (5, 2)), ((5,), (5,))])
def test_frechet_distance_refuses_what_has_no_covariance(shapes):
    with pytest.raises(ValueError, match="x and y must have shapes"):
        frechet_distance(torch.zeros(shapes[0]), torch.zeros(shapes[1]))


# reference_split


def rows(x):
    return {tuple(row) for row in x.flatten(1).tolist()}


@pytest.mark.parametrize("n_valid", [3, 9])
def test_everything_is_compared_with_the_whole_test_split_and_real_images_are_the_validation_split(n_valid):
    x = torch.arange(20.0).unsqueeze(1)
    data = zoo.Data("large", zoo.DataSpec((1,), "real"), x, x[:n_valid], x[-6:])
    reference = reference_split(data)
    assert torch.equal(reference.images, data.test)
    assert torch.equal(reference.real, data.valid[:6])
    assert reference.n_samples == 60
    assert reference.description == f"6 test images; real: {min(n_valid, 6)} validation images"


@pytest.mark.parametrize(("n_test", "n_samples"), [(718, 7180), (1000, 10_000), (2000, 10_000), (10_000, 30_000)])
def test_a_small_test_split_is_compared_with_more_samples_per_image(n_test, n_samples):
    x = torch.zeros(n_test, 1)
    assert reference_split(zoo.Data("of zeros", zoo.DataSpec((1,), "real"), x, x[:5], x)).n_samples == n_samples


def test_enumerated_data_are_compared_whole(bars):
    reference = reference_split(bars)
    assert torch.equal(reference.images, bars.test)
    assert reference.n_samples == 10_000


# Evaluation


def test_samples_and_reference_are_compared_as_draws_that_do_not_depend_on_the_callers_randomness(digits):
    grey = torch.full((2000, 8, 8), 0.3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = Evaluation(None, digits, grey, PIXELS)
    assert rows(first.sample_bits.flatten().unsqueeze(1)) == {(0.0,), (1.0,)}
    assert abs(float(first.sample_bits.mean()) - 0.3) < 4.5 * math.sqrt(0.3 * 0.7 / grey.numel())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = Evaluation(None, digits, grey, PIXELS)
    assert torch.equal(first.sample_bits, second.sample_bits)
    assert torch.equal(first.reference_bits, second.reference_bits)


def test_samples_equal_to_the_reference_are_drawn_independently_of_it(digits):
    evaluation = Evaluation(None, digits, reference_split(digits).images, PIXELS)
    p = evaluation.reference.double()
    expected, variance = 2 * p * (1 - p), 2 * p * (1 - p) * (1 - 2 * p * (1 - p))  # of two different bits
    differ = (evaluation.sample_bits != evaluation.reference_bits).double()
    assert abs(float((differ - expected).sum())) < 4.5 * math.sqrt(float(variance.sum()))


def test_bits_stay_as_they_are(bars):
    evaluation = Evaluation(None, bars, bars.train, PIXELS)
    assert torch.equal(evaluation.sample_bits, bars.train)
    assert torch.equal(evaluation.reference_bits, bars.test)


def test_real_values_are_compared_standardised(table):
    evaluation = Evaluation(None, table, table.valid, PIXELS)
    assert torch.equal(evaluation.sample_bits, table.standardise(table.valid))
    assert torch.equal(evaluation.reference_bits, table.standardise(evaluation.reference))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (torch.zeros(3, 64), r"shape \(M, 8, 8\), got \(3, 64\)"),
        (torch.zeros(0, 8, 8), r"got \(0, 8, 8\)"),
        (torch.full((3, 8, 8), 255.0), r"in \[0, 1\], got values in \[255, 255\]"),
        (torch.full((3, 8, 8), -0.1), r"in \[0, 1\]"),
        (torch.full((3, 8, 8), math.nan), "finite"),
    ],
)
def test_samples_that_are_not_of_these_data_are_refused(digits, samples, message):
    with pytest.raises(ValueError, match=message):
        Evaluation(None, digits, samples, PIXELS)


# Frechet and FrechetGrey


def test_frechet_compares_bits_with_bits_and_its_second_column_means_with_grey(digits):
    evaluation = Evaluation(None, digits, reference_split(digits).real, PIXELS)
    bits = [x.flatten(1) for x in (evaluation.sample_bits, evaluation.reference_bits)]
    grey = [x.flatten(1) for x in (evaluation.samples, evaluation.reference)]
    assert Frechet().measure(evaluation).value == bias_corrected(frechet_distance, *bits)
    assert FrechetGrey().measure(evaluation) == bias_corrected(frechet_distance, *grey)


def test_frechet_of_real_values_is_that_of_standardised_values(table):
    evaluation = Evaluation(None, table, reference_split(table).real, PIXELS)
    sets = table.standardise(evaluation.samples), table.standardise(evaluation.reference)
    assert len(evaluation.samples) == 10  # too few to correct the bias
    expected = frechet_distance(*sets)
    assert Frechet().measure(evaluation).value == expected


def test_there_is_no_second_column_where_it_would_equal_the_first_or_mislead(digits, table):
    bits = zoo.bernoulli(digits.train, generator(0, "test"))
    for data, samples, reason in ((table, table.valid, "no grayscale values"), (digits, bits, "samples are bits")):
        with pytest.raises(zoo.Unsupported, match=reason):
            FrechetGrey().measure(Evaluation(None, data, samples, PIXELS))


@pytest.mark.parametrize("metric", [Frechet, FrechetGrey])
def test_enumerated_data_are_scored_exactly_instead(bars, metric):
    with pytest.raises(zoo.Unsupported, match="likelihood and valid-patterns"):
        metric().measure(Evaluation(None, bars, bars.train, PIXELS))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_samples_that_are_not_finite_are_refused(table, value):
    samples = table.valid.clone()
    samples[0, 0] = value
    with pytest.raises(ValueError, match="samples must be finite, got nan or infinity"):
        Evaluation(None, table, samples, PIXELS)


# Reconstruction


def test_reconstruction_error_is_summed_over_values_and_averaged_over_grey_test_images(digits):
    evaluation = Evaluation(contestant(digits), digits, digits.train, PIXELS)
    expected = sum(float((x / 2).double().square().sum()) for x in digits.test) / len(digits.test)
    assert Reconstruction().measure(evaluation) == pytest.approx(expected, rel=1e-6)


def test_reconstruction_error_of_real_values_is_in_standardised_units(table):
    model = Model(
        Plugin(Halving(), "zoo.models"),
        nn.Identity(),
        HalvingConfig(),
        table.spec,
        standardisation=table.standardisation,
    )
    expected = float((table.standardise(table.test) / 2).square().sum(1).mean())
    assert Reconstruction().measure(Evaluation(model, table, table.train, PIXELS)) == pytest.approx(expected, rel=1e-4)


def test_bare_samples_have_neither_reconstruction_nor_likelihood(bars):
    evaluation = Evaluation(None, bars, bars.train, PIXELS)
    for metric in (Reconstruction, Likelihood):
        with pytest.raises(zoo.Unsupported, match="bare samples"):
            metric().measure(evaluation)


# Likelihood and ValidPatterns


def test_likelihood_prefers_the_exact_answer_and_says_what_is_possible(bars):
    found = Likelihood().measure(Evaluation(contestant(bars, FairBits), bars, bars.train, PIXELS))
    assert found.value == pytest.approx(-9 * math.log(2), rel=1e-6)
    assert found.kind == "exact"
    assert found.note == f"in closed form; lower {-9 * math.log(2) - 1:.4f}; at most -log 14 = {-math.log(14):.4f}"


def test_likelihood_between_two_bounds_is_the_lower_one(bars):
    found = Likelihood().measure(Evaluation(contestant(bars), bars, bars.train, PIXELS))
    assert found.value == pytest.approx(-9 * math.log(2) - 1, rel=1e-6)
    assert (found.kind, found.stderr) == ("lower", 0.25)
    assert f"upper {-9 * math.log(2) + 1:.4f}" in found.note


def test_two_bounds_make_a_bracket(bars):
    found = Likelihood().measure(Evaluation(contestant(bars), bars, bars.train, PIXELS))
    assert found.bracket == pytest.approx((-9 * math.log(2) - 1, -9 * math.log(2) + 1), rel=1e-6)


def test_likelihood_is_that_of_all_test_images_as_bits(digits):
    found = Likelihood().measure(Evaluation(contestant(digits, FairBits), digits, digits.train, PIXELS))
    assert found.value == pytest.approx(-64 * math.log(2), rel=1e-6)
    assert "at most" not in found.note


def test_valid_patterns_need_enumerated_data(digits):
    with pytest.raises(zoo.Unsupported, match="whose every pattern is known"):
        ValidPatterns().measure(Evaluation(contestant(digits), digits, digits.train, PIXELS))


def test_of_all_bit_patterns_the_share_of_valid_ones_is_theirs(bars):
    everything = torch.tensor(list(product((0.0, 1.0), repeat=9))).unflatten(1, (3, 3))
    p = 14 / 512
    found = ValidPatterns().measure(Evaluation(None, bars, everything, PIXELS))
    assert found == Measurement(p, stderr=math.sqrt(p * (1 - p) / 512))
    assert ValidPatterns().measure(Evaluation(None, bars, bars.valid, PIXELS)).value == 1.0


def test_of_means_the_share_of_valid_patterns_is_that_of_their_bits(bars):
    n = 20_000
    found = ValidPatterns().measure(Evaluation(None, bars, torch.full((n, 3, 3), 0.5), PIXELS))
    assert abs(found.value - 14 / 512) < 4.5 * math.sqrt(14 / 512 * (1 - 14 / 512) / n)


# the contract


ENTRY_POINTS = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["entry-points"]


@pytest.mark.parametrize("group", ["zoo.densities", "zoo.metrics"])
def test_built_in_plugins_meet_the_contract_under_the_names_of_their_entry_points(group):
    for name, value in ENTRY_POINTS[group].items():
        module, _, attribute = value.partition(":")
        assert Plugin(getattr(importlib.import_module(module), attribute)(), group).card.name == name


def test_a_built_in_metric_answers_through_pluggy(bars):
    hooks = Plugin(ValidPatterns(), "zoo.metrics").hooks
    assert hooks.measure(evaluation=Evaluation(None, bars, bars.test, PIXELS)) == Measurement(1.0, stderr=0.0)


def test_ends_that_cross_give_the_union_of_their_intervals(bars):
    class Crossed(Halving):
        @zoo.hookimpl
        def log_prob(self, x):
            answers = ((-2.0, "lower", 0.5), (-2.2, "upper", 0.1))
            return tuple(zoo.LogProb(torch.full((len(x),), value), kind, error) for value, kind, error in answers)

    found = Likelihood().measure(Evaluation(contestant(bars, Crossed), bars, bars.train, PIXELS))
    low, high = -2.0 - 1.96 * 0.5, -2.0 + 1.96 * 0.5  # the interval of the upper end lies inside
    assert found.bracket == pytest.approx((low, high))
    assert (found.value, found.bracket_stderr) == (pytest.approx(low), (0.0, 0.0))


def test_a_bracket_keeps_both_ends_and_their_errors(bars):
    class Enclosed(Halving):
        @zoo.hookimpl
        def log_prob(self, x):
            answers = ((-3.0, "lower", 0.5), (-2.2, "upper", 0.1))
            return tuple(zoo.LogProb(torch.full((len(x),), value), kind, error) for value, kind, error in answers)

    found = Likelihood().measure(Evaluation(contestant(bars, Enclosed), bars, bars.train, PIXELS))
    assert found.bracket == pytest.approx((-3.0, -2.2))
    assert (found.value, found.stderr, found.bracket_stderr) == (-3.0, 0.5, (0.5, 0.1))


def test_the_test_set_s_share_of_a_likelihood_is_its_spread_over_test_images(digits):
    nats = torch.randn(len(digits.test), generator=torch.Generator().manual_seed(3)) - 20

    class Given(Halving):
        @zoo.hookimpl
        def log_prob(self, x):
            return (zoo.LogProb(nats, "exact"),)

    found = Likelihood().measure(Evaluation(contestant(digits, Given), digits, digits.test, PIXELS))
    share = math.sqrt(jackknife_part(found.left_out).variance)
    assert share == pytest.approx(float(nats.std()) / math.sqrt(len(nats)), rel=0.2)  # 99 degrees of freedom: 7 %
    kept = nats[groups(len(nats), 100) != 7].double()
    assert found.left_out[7] == pytest.approx(float(kept.mean()))
