"""The diffusion model against Bayes' rule, the Gaussian for which its bound is exact, and numerical integration."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from scipy.stats import norm
from torch import Generator, Tensor
from torch.distributions import Normal, kl_divergence
from zoo_diffusion.model import Diffusion, DiffusionConfig, Step, alpha_bar, log_bin, subsequence
from zoo_diffusion.plugin import DiffusionOptions, DiffusionPlugin

import zoo

PLUGIN = DiffusionPlugin()
SCHEDULES = ["linear", "cosine"]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(3,), support="real", scale=0.0, **config) -> Diffusion:
    """A diffusion model in double precision, with F = 0 or random weights of this scale."""
    torch.manual_seed(0)
    model = PLUGIN.build(DiffusionConfig(**{"hidden": (8, 8)} | config), zoo.DataSpec(shape, support)).double().eval()
    A = torch.tensor(model.alpha_bar, dtype=torch.float64)  # the buffers were rounded to single precision
    model.signal, model.noise = A.sqrt(), (1 - A).sqrt()
    with torch.no_grad():
        for parameter in model.parameters():
            if scale:
                parameter.copy_(scale * torch.randn(parameter.shape, generator=seeded(1), dtype=torch.float64))
    return model.requires_grad_(False)


def examples(n=7, shape=(3,)) -> Tensor:
    return torch.randn(n, *shape, generator=seeded(9), dtype=torch.float64)


def times(t: int, x: Tensor) -> Tensor:
    return torch.full((len(x),), t)


def within(found: Tensor, wanted: Tensor, errors: float = 4.5) -> None:
    """The mean of found (n, …) is wanted (…), within some standard errors."""
    gap = (found.mean(0) - wanted).abs()
    assert (gap <= errors * found.std(0) / len(found) ** 0.5 + 1e-9).all(), gap


def test_the_linear_schedule_of_1000_steps_is_that_of_the_paper():
    A = alpha_bar("linear", 1000)
    beta = [1 - after / before for before, after in pairwise(A)]
    assert beta[0] == pytest.approx(1e-4)
    assert beta[-1] == pytest.approx(0.02)
    assert beta[500] - beta[499] == pytest.approx((0.02 - 1e-4) / 999)


def test_the_cosine_schedule_is_a_squared_cosine():
    A = alpha_bar("cosine", 100)
    assert A[50] == pytest.approx(
        math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    )
    assert A[100] == pytest.approx(A[99] * (1 - 0.999))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noising_at_once_is_the_product_of_the_one_step_kernels(schedule):
    """x_t = √(1 − β_t) x_{t−1} + √β_t ε, step by step: means are multiplied, and variances follow."""
    model, A = build(T=50, schedule=schedule), alpha_bar(schedule, 50)
    mean, variance, x0 = 1.0, 0.0, examples()
    for t in range(1, 51):
        beta = 1 - A[t] / A[t - 1]
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        zero, one = torch.zeros_like(x0), torch.ones_like(x0)
        torch.testing.assert_close(model.diffuse(x0, times(t, x0), zero), mean * x0)
        torch.testing.assert_close(model.diffuse(zero, times(t, x0), one), math.sqrt(variance) * one)


@pytest.mark.parametrize("S", [20, 6])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_step_with_full_noise_is_the_posterior_by_bayes_rule(schedule, S):
    """p(x_s|x_t, x_0) ∝ N(x_t; √r x_s, 1 − r) N(x_s; √ᾱ_s x_0, 1 − ᾱ_s) with r = ᾱ_t/ᾱ_s: precisions add."""
    model = build(T=20, schedule=schedule)
    chain = list(model.chain(S, 1.0, "beta"))
    assert [step.t for step in chain][::-1] == subsequence(20, S)[1:]
    for step in chain:
        A, r = model.alpha_bar[step.s], model.alpha_bar[step.t] / model.alpha_bar[step.s]
        variance = 1 / (r / (1 - r) + 1 / (1 - A))
        assert step.sigma**2 == pytest.approx(variance)
        assert step.a == pytest.approx(variance * math.sqrt(A) / (1 - A))
        assert step.b == pytest.approx(variance * math.sqrt(r) / (1 - r))
        assert step.sigma_p**2 == pytest.approx(1 - r)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_a_step_leads_from_the_marginal_of_t_to_that_of_s(eta):
    model = build(T=20)
    for step in model.chain(7, eta, "posterior"):
        A_s, A_t = model.alpha_bar[step.s], model.alpha_bar[step.t]
        assert step.a + step.b * math.sqrt(A_t) == pytest.approx(math.sqrt(A_s))
        assert step.b**2 * (1 - A_t) + step.sigma**2 == pytest.approx(1 - A_s)
        assert step.sigma_p == step.sigma


def test_a_subsequence_has_both_ends_and_no_step_twice():
    assert subsequence(1000, 1000) == list(range(1, 1001))
    assert subsequence(1001, 3) == [1, 501, 1001]
    assert subsequence(7, 1) == [7]
    for S in range(2, 30):
        assert len(set(subsequence(30, S))) == S


@pytest.mark.parametrize("scale", [0.0, 0.7])
def test_ddim_with_full_noise_and_all_steps_is_the_ddpm_step(scale):
    """μ_θ = (x_t − β_t / √(1 − ᾱ_t) ε_θ) / √α_t and β̃_t, equations 11 and 7 of the DDPM paper."""
    model, x = build(T=15, scale=scale), examples()
    for step in model.chain(15, 1.0, "posterior"):
        A, before, t = model.alpha_bar[step.t], model.alpha_bar[step.s], times(step.t, x)
        beta = 1 - A / before
        mu = (x - beta / math.sqrt(1 - A) * model.epsilon(x, t)) / math.sqrt(1 - beta)
        torch.testing.assert_close(step.a * model.predict(x, t) + step.b * x, mu)
        assert step.sigma_p**2 == pytest.approx((1 - before) / (1 - A) * beta)


def test_ddim_without_noise_is_its_equation_12():
    model, x = build(T=15, scale=0.7), examples()
    for step in model.chain(4, 0.0, "posterior"):
        A, before, t = model.alpha_bar[step.t], model.alpha_bar[step.s], times(step.t, x)
        epsilon = model.epsilon(x, t)
        predicted = (x - math.sqrt(1 - A) * epsilon) / math.sqrt(A)
        wanted = math.sqrt(before) * predicted + math.sqrt(1 - before) * epsilon
        torch.testing.assert_close(step.a * model.predict(x, t) + step.b * x, wanted)
        assert step.sigma_p == 0


def test_the_kl_of_a_step_is_that_of_two_gaussians():
    step, error = Step(3, 4, a=0.3, b=0.6, sigma=0.2, sigma_p=0.5), torch.tensor([0.0, 1.0, 4.0]).double()
    wanted = kl_divergence(Normal(step.a * error.sqrt(), step.sigma), Normal(torch.zeros(3).double(), step.sigma_p))
    torch.testing.assert_close(step.kl(error, 1), wanted)
    torch.testing.assert_close(step.kl(error, 5) - step.kl(error, 1), 4 * wanted[0].expand(3))


def test_the_loss_is_the_mean_squared_error_of_the_noise():
    model, x, T = build(T=30, scale=0.7), examples(50), 30
    draws = seeded(5)
    t = torch.randint(1, T + 1, (50,), generator=draws)
    epsilon = torch.randn(50, 3, generator=draws, dtype=torch.float64)
    A = torch.tensor(model.alpha_bar, dtype=torch.float64)[t, None]
    error = epsilon - model.epsilon(A.sqrt() * x + (1 - A).sqrt() * epsilon, t)
    torch.testing.assert_close(PLUGIN.loss(model, x, seeded(5))["loss"], error.square().sum() / 50)


def parts(model: Diffusion, x: Tensor, chain: list[Step]) -> Tensor:
    """The ELBO, each term averaged over ε and −ε."""

    def mean(f):
        epsilon = examples(len(x))
        return (f(epsilon) + f(-epsilon)) / 2

    nats = mean(lambda epsilon: model.log_observation(x, chain[-1].s, epsilon)) - model.prior_kl(x)
    for step in chain:
        nats -= step.kl(mean(lambda epsilon, t=step.t: model.error(x, times(t, x), epsilon)), 3)
    return nats


@pytest.mark.parametrize("S", [12, 5])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_for_a_standard_normal_and_the_optimal_network_the_bound_is_the_likelihood(schedule, S):
    """F = 0 and σ_p² = 1 − ᾱ_t/ᾱ_s are optimal; the control variate removes all of the noise but its odd part."""
    model, x = build(T=12, schedule=schedule), examples()
    wanted = Normal(0.0, 1.0).log_prob(x).sum(1)
    torch.testing.assert_close(parts(model, x, list(model.chain(S, 1.0, "beta"))), wanted)
    estimates = model.elbo(x.repeat(400, 1), seeded(), list(model.chain(S, 1.0, "beta"))).view(400, -1)
    within(estimates, wanted)


def test_with_the_variance_of_the_posterior_its_gap_is_the_closed_form():
    """1/2 (r − 1 − log r) for each value and step, r = β_t/β̃_t = (1 − ᾱ_t)/(1 − ᾱ_s), on average over N(0, I).

    The bound is affine in ‖x‖², so that its value at ‖x‖² = V is the average.
    """
    for T in (5, 50, 500):
        model, x = build(T=T), torch.ones(7, 3, dtype=torch.float64)
        r = [(1 - t) / (1 - s) for s, t in zip(model.alpha_bar[1:], model.alpha_bar[2:], strict=False)]
        gap = sum(3 / 2 * (each - 1 - math.log(each)) for each in r)
        wanted = Normal(0.0, 1.0).log_prob(x).sum(1) - gap
        torch.testing.assert_close(parts(model, x, list(model.chain(T, 1.0, "posterior"))), wanted)


GRID = torch.arange(-9, 9, 0.02, dtype=torch.float64)


def density_of(model: Diffusion, chain: list[Step]) -> Tensor:
    """p(x_1) on the grid, by a matrix product for each step of a chain over one value."""
    p = Normal(0.0, 1.0).log_prob(GRID).exp()
    for step in chain:
        mean = step.a * model.predict(GRID[:, None], times(step.t, GRID))[:, 0] + step.b * GRID
        p = Normal(mean, step.sigma_p).log_prob(GRID[:, None]).exp() @ p * 0.02
    return p


def log_observed(model: Diffusion, x: Tensor) -> Tensor:
    """log p(x_0|x_1) at each grid point x_1: (n,) -> (n, grid), x in the data's range."""
    mean, scale = model.predict(GRID[:, None], times(1, GRID))[:, 0], math.sqrt(1 - model.alpha_bar[1])
    if model.bits:
        return torch.special.log_ndtr((2 * x[:, None] - 1) * mean / scale)
    return Normal(mean, scale).log_prob(x[:, None])


def exact_elbo(model: Diffusion, x: Tensor, chain: list[Step]) -> Tensor:
    """The ELBO of single values x (n,), with expectations over q(x_t|x_0) as integrals over the grid."""
    x0 = model.to_x0(x)[:, None]

    def q(t: int) -> Tensor:
        A = model.alpha_bar[t]
        return Normal(math.sqrt(A) * x0, math.sqrt(1 - A)).log_prob(GRID).exp() * 0.02

    nats = (q(1) * log_observed(model, x)).sum(1)
    for step in chain:
        predicted = model.predict(GRID[:, None], times(step.t, GRID))[:, 0]
        own, other = (
            Normal(step.a * each + step.b * GRID, s) for each, s in ((x0, step.sigma), (predicted, step.sigma_p))
        )
        nats -= (q(step.t) * kl_divergence(own, other)).sum(1)
    A = model.alpha_bar[-1]
    return nats - kl_divergence(Normal(math.sqrt(A) * x0[:, 0], math.sqrt(1 - A)), Normal(0.0, 1.0))


@pytest.mark.parametrize(("support", "variance"), [("real", "beta"), ("real", "posterior"), ("bits", "posterior")])
def test_the_bound_is_below_the_likelihood_and_is_what_integration_gives(support, variance):
    """One value, six steps, random weights: p(x_0) by quadrature over x_1, …, x_6."""
    model = build((1,), support, scale=0.7, T=6)
    x = torch.tensor([0.0, 1.0]).double() if support == "bits" else torch.linspace(-2, 2, 9).double()
    chain = list(model.chain(6, 1.0, variance))
    log_p = (log_observed(model, x).exp() @ density_of(model, chain) * 0.02).log()
    wanted = exact_elbo(model, x, chain)
    assert (wanted < log_p).all()
    estimates = model.elbo(x.repeat(2000)[:, None], seeded(), chain).view(2000, -1)
    within(estimates, wanted)
    drawn = model.elbo(x.repeat(2000)[:, None], seeded(), chain, terms=2).view(2000, -1)
    within(drawn, wanted)


def test_likelihoods_of_bits_sum_to_one_by_integration():
    model = build((1,), "bits", scale=0.7, T=6)
    p = log_observed(model, torch.tensor([0.0, 1.0]).double()).exp() @ density_of(
        model, list(model.chain(6, 1.0, "posterior"))
    )
    assert p.sum().item() * 0.02 == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("S", "eta"), [(6, 1.0), (3, 0.5)])
def test_samples_follow_the_density_of_their_chain(S, eta):
    model = build((1,), scale=0.7, T=6)
    chain = list(model.chain(S, eta, "posterior"))
    p = log_observed(model, GRID).exp() @ density_of(model, chain) * 0.02  # at each grid point
    samples = model.sample(20_000, seeded(3), chain)[:, 0]
    for power in (1, 2, 3):
        within(samples**power, (GRID**power * p).sum() * 0.02)


def test_samples_of_bits_are_the_probabilities_of_the_last_step():
    model = build((1,), "bits", scale=0.7, T=6)
    chain = list(model.chain(6, 1.0, "posterior"))
    p = log_observed(model, torch.ones(1).double()).exp() @ density_of(model, chain) * 0.02
    within(model.sample(20_000, seeded(3), chain)[:, 0], p)


@pytest.mark.parametrize("support", ["real", "bits", "unit"])
def test_a_path_follows_the_chain_and_ends_in_the_samples(support):
    model = build(support=support, scale=0.7, T=20)
    chain = list(model.chain(5, 0.0, "posterior"))
    path = model.path(7, seeded(3), chain)
    torch.testing.assert_close(path[-1], model.sample(7, seeded(3), chain))
    x = torch.randn(7, 3, generator=seeded(3), dtype=torch.float64)
    for step, state in zip([*chain, None], path[:-1], strict=True):
        torch.testing.assert_close(state, x if support == "real" else ((x + 1) / 2).clamp(0, 1))
        if step:
            x = step.a * model.predict(x, times(step.t, x)) + step.b * x


def test_predictions_of_data_in_0_1_stay_in_their_range():
    model, x = build(support="unit", scale=2.0, T=20), 3 * examples(200)
    assert model.predict(x, times(20, x)).abs().max() == 1
    samples = model.sample(200, seeded(), list(model.chain(5, 0.0, "posterior")))
    assert 0 <= samples.min() < samples.max() <= 1


def test_the_bins_of_levels_cover_the_line():
    n, scale, mean = 5, 0.3, torch.linspace(-1.5, 1.5, 7).double()[:, None]
    x0 = torch.linspace(-1, 1, n).double()
    log_p = log_bin((x0 - mean) / scale, 1 / (n - 1) / scale, x0 < -0.9, x0 > 0.9)
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(7).double())
    edges = torch.cat([torch.tensor([-math.inf]).double(), x0[:-1] + 0.25, torch.tensor([math.inf]).double()])
    torch.testing.assert_close(log_p.exp(), torch.tensor(norm.cdf(edges, mean, scale)).diff(dim=1))


def test_the_probability_of_a_bin_is_accurate_far_from_the_mean():
    open_side = torch.tensor([False])
    for z in (-40.0, 40.0):
        found = log_bin(torch.tensor([z]).double(), 0.5, open_side, open_side).item()
        assert found == pytest.approx(
            norm.logcdf(-39.5) + math.log1p(-math.exp(norm.logcdf(-40.5) - norm.logcdf(-39.5)))
        )


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (28, 28), (3, 16, 17)])
def test_a_unet_keeps_the_shape_and_joins_every_pixel_with_every_other(shape):
    model = build(shape, "unit", scale=0.3, channels=(4, 8))
    x = torch.rand(1, *shape, generator=seeded(), dtype=torch.float64)
    corner = torch.autograd.functional.jacobian(lambda x: model.network(x, times(3, x)).flatten()[[0, -1]], x)
    assert corner.shape == (2, 1, *shape)
    assert (corner != 0).all()


@pytest.mark.parametrize(("shape", "config"), [((4,), {}), ((8, 8), {}), ((2, 2), {"network": "unet"})])
def test_networks_depend_on_the_step_and_start_at_zero(shape, config):
    x = torch.rand(2, *shape, generator=seeded(), dtype=torch.float64)
    assert not build(shape, "unit", **config).network(x, times(5, x)).any()
    model = build(shape, "unit", scale=0.3, **config)
    assert (model.network(x, times(5, x)) != model.network(x, times(6, x))).all()


def test_a_unet_of_vectors_is_refused():
    with pytest.raises(zoo.Unsupported, match=r"network=unet is for images of shape .*, not \(5,\)"):
        build((5,), "unit", network="unet")


def test_grey_levels_are_found_and_their_bits_per_dimension_are_those_of_the_bound():
    """Two levels with the probability 1/2 of each have one bit, and F = 0 cannot know more."""
    x = torch.randint(3, (600, 4), generator=seeded()).float() / 2
    model = PLUGIN.build(DiffusionConfig(T=100), zoo.DataSpec((4,), "unit"))
    PLUGIN.initialise(model, x)
    assert model.n == 3
    figures = PLUGIN.diagnose(model, x, x, seeded())
    assert set(figures) == {f"bits per dimension of 3 levels ({split})" for split in ("training", "validation")}
    assert figures["bits per dimension of 3 levels (validation)"] > math.log2(3)


def test_likelihoods_are_those_of_bits_and_of_real_data():
    x = torch.rand(4, 3, generator=seeded(), dtype=torch.float64).round()
    for support, config in (("bits", {}), ("unit", {"values": "bits"}), ("real", {})):
        (answer,) = PLUGIN.log_prob(build(support=support, T=100, **config), x, seeded(), DiffusionOptions())
        assert (answer.kind, answer.method) == ("lower", "ELBO of DDPM, T = 100, 50 terms for each example")
    with pytest.raises(zoo.Unsupported, match="use values=bits"):
        PLUGIN.log_prob(build(support="unit"), x, seeded(), DiffusionOptions())


def test_more_steps_than_there_are_noise_levels_are_refused():
    with pytest.raises(zoo.ConfigError, match=r"sample.steps must be at most T = 5, got 10"):
        PLUGIN.sample(build(T=5), 3, seeded(), DiffusionOptions())
