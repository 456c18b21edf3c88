"""The three latent densities, held to `torch.distributions`, to closed forms and to the moments of their own draws."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from zoo.builtin.densities.gaussian import Gaussian
from zoo.builtin.densities.gmm import GaussianMixture
from zoo.builtin.densities.normal import StandardNormal
from zoo.plugins.plugin import Plugin

DENSITIES = [StandardNormal, Gaussian, GaussianMixture]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def correlated(n, D, seed):
    """Codes of one Gaussian with a mean and correlations."""
    A = torch.randn(D, D, generator=seeded(seed), dtype=torch.float64)
    return 3.0 + torch.randn(n, D, generator=seeded(seed + 1), dtype=torch.float64) @ A.T


def clusters(n, K, D, seed, spread=0.3):
    """Codes around K centres on a circle of radius 10, standard deviation `spread`."""
    angle = 2 * math.pi * torch.arange(K, dtype=torch.float64) / K
    centres = torch.zeros(K, D, dtype=torch.float64)
    centres[:, 0], centres[:, 1] = 10 * angle.cos(), 10 * angle.sin()
    which = torch.randint(K, (n,), generator=seeded(seed))
    return centres[which] + spread * torch.randn(n, D, generator=seeded(seed + 1), dtype=torch.float64)


def curved(n, seed):
    """Codes on a noisy spiral in three dimensions: no mixture fits them, and EM takes long."""
    t = 3 * math.pi * torch.rand(n, generator=seeded(seed), dtype=torch.float64)
    spiral = torch.stack([t * t.cos(), t * t.sin(), t], dim=1)
    return spiral + 0.2 * torch.randn(n, 3, generator=seeded(seed + 1), dtype=torch.float64)


def fitted(density, codes, seed=0):
    """The state, through the same caller as the core's."""
    return Plugin(density(), "zoo.densities").hooks.fit(codes=codes, generator=seeded(seed))


def moments(state, density):
    """Exact mean and covariance of a state."""
    if density is StandardNormal:
        D = int(state["dimension"])
        return torch.zeros(D, dtype=torch.float64), torch.eye(D, dtype=torch.float64)
    if density is Gaussian:
        return state["mean"], state["cholesky"] @ state["cholesky"].T
    weights, means, L = state["weights"], state["means"], state["cholesky"]
    m = weights @ means
    second = torch.einsum("k,kij->ij", weights, L @ L.mT + means[:, :, None] * means[:, None, :])
    return m, second - torch.outer(m, m)


def maximum_likelihood(codes):
    """Mean and covariance of the codes, the ridge of the densities included."""
    C = torch.cov(codes.T, correction=0)
    return codes.mean(0), C + (1e-6 * C.diagonal().mean() + 1e-12) * torch.eye(len(C), dtype=torch.float64)


@pytest.mark.parametrize("density", DENSITIES)
def test_every_density_is_float64_and_a_dictionary_of_tensors(density):
    state = fitted(density, correlated(200, 3, seed=0))
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    z = density().sample(state, 7, seeded(1))
    assert z.dtype == torch.float64
    assert z.shape == (7, 3)
    assert density().log_prob(state, z).dtype == torch.float64
    assert density.card.accepts == ("real",)


def test_normal_log_prob_equals_torch_distributions():
    z = correlated(50, 4, seed=2)
    expected = MultivariateNormal(torch.zeros(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)).log_prob(z)
    torch.testing.assert_close(StandardNormal().log_prob(fitted(StandardNormal, z), z), expected)


def test_gaussian_is_the_maximum_likelihood_gaussian_of_torch_distributions():
    codes, z = correlated(300, 4, seed=3), correlated(50, 4, seed=5)
    expected = MultivariateNormal(*maximum_likelihood(codes)).log_prob(z)
    torch.testing.assert_close(Gaussian().log_prob(fitted(Gaussian, codes), z), expected)


def test_mixture_log_prob_equals_torch_distributions():
    codes = clusters(500, 5, 3, seed=7)
    state = fitted(GaussianMixture, codes)
    expected = MixtureSameFamily(
        Categorical(state["weights"]), MultivariateNormal(state["means"], scale_tril=state["cholesky"])
    )
    z = codes + 0.5
    torch.testing.assert_close(GaussianMixture().log_prob(state, z), expected.log_prob(z))


@pytest.mark.parametrize("density", DENSITIES)
def test_moments_of_the_samples_are_those_of_the_density(density):
    shear = torch.tensor([[1.0, 0.0, 0.0], [2.0, 1.0, 0.0], [1.0, -1.0, 0.5]], dtype=torch.float64)
    state = fitted(density, clusters(600, 2, 3, seed=9, spread=3.0) @ shear.T)
    n = 40_000
    z = density().sample(state, n, seeded(11))
    m, C = moments(state, density)
    assert ((z.mean(0) - m).abs() < 4.5 * C.diagonal().sqrt() / math.sqrt(n)).all()
    products = (z - m)[:, :, None] * (z - m)[:, None, :]  # (n, D, D), expectation C
    assert ((products.mean(0) - C).abs() < 4.5 * products.std(0) / math.sqrt(n)).all()


def test_samples_fall_into_each_component_as_often_as_its_weight_says():
    state = {
        "weights": torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64),
        "means": torch.tensor([[-50.0], [0.0], [50.0]], dtype=torch.float64),
        "cholesky": torch.tensor([[[1.0]], [[2.0]], [[3.0]]], dtype=torch.float64),
    }
    n = 20_000
    z = GaussianMixture().sample(state, n, seeded(13)).flatten()
    for weight, mean, deviation in ((0.1, -50, 1), (0.3, 0, 2), (0.6, 50, 3)):
        own = z[(z - mean).abs() < 25]
        assert abs(len(own) / n - weight) < 4.5 * math.sqrt(weight * (1 - weight) / n)
        assert abs(float(own.std()) - deviation) < 4.5 * deviation / math.sqrt(2 * len(own))


@pytest.mark.parametrize("K", [1, 2, 5, 10])
def test_the_number_of_well_separated_components_is_found(K):
    codes = clusters(800, K, 3, seed=15)
    assert len(fitted(GaussianMixture, codes)["weights"]) == K


def test_on_gaussian_codes_the_mixture_is_next_to_the_gaussian_on_new_codes():
    codes, new = correlated(1000, 4, seed=17)[:500], correlated(1000, 4, seed=17)[500:]
    gaussian = Gaussian().log_prob(fitted(Gaussian, codes), new)
    mixture = GaussianMixture().log_prob(fitted(GaussianMixture, codes), new)
    assert abs(float((mixture - gaussian).mean())) < 15 / 500  # a second component has 15 parameters to overfit with


def test_on_curved_codes_the_mixture_beats_the_gaussian_on_new_codes():
    codes, new = curved(600, seed=19), curved(300, seed=21)
    state = fitted(GaussianMixture, codes)
    gain = GaussianMixture().log_prob(state, new) - Gaussian().log_prob(fitted(Gaussian, codes), new)
    assert len(state["weights"]) > 2
    assert float(gain.mean()) > 5 * float(gain.std()) / math.sqrt(len(new))


@pytest.mark.parametrize("n", [400, 12_000])  # fewer and more than choose the number of components
def test_the_chosen_mixture_is_refitted_to_all_the_codes(n):
    codes = clusters(n, 5, 2, seed=23, spread=1.0)
    m, C = moments(fitted(GaussianMixture, codes), GaussianMixture)
    expected_m, expected_C = maximum_likelihood(codes)  # every M-step keeps both moments of what it is given
    torch.testing.assert_close(m, expected_m, rtol=0, atol=1e-9)
    torch.testing.assert_close(C, expected_C, rtol=0, atol=1e-9)


def test_where_two_components_would_have_fewer_codes_than_dimensions_the_mixture_is_the_gaussian():
    codes = clusters(20, 2, 10, seed=25)
    z = codes + 0.1
    mixture = GaussianMixture().log_prob(fitted(GaussianMixture, codes), z)
    torch.testing.assert_close(mixture, Gaussian().log_prob(fitted(Gaussian, codes), z), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("different", "most"), [(2, 2), (3, 2)])  # of the candidates 1, 2, 5, …
def test_there_are_as_many_components_as_different_codes_at_most(different, most):
    codes = correlated(different, 2, seed=33).repeat(100, 1)
    assert len(fitted(GaussianMixture, codes)["weights"]) == most


def test_the_same_generator_gives_the_same_mixture_and_the_callers_random_state_stays():
    codes = curved(300, seed=27)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second, other = (fitted(GaussianMixture, codes, seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert first["means"].shape != other["means"].shape or not torch.equal(first["means"], other["means"])
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


DEAD = torch.cat([correlated(200, 3, seed=29), torch.full((200, 2), 0.1, dtype=torch.float64)], dim=1)
SINGULAR = {
    "two dead units": DEAD,
    "fewer codes than dimensions": correlated(6, 10, seed=31),
    "one code repeated": torch.full((40, 3), 0.1, dtype=torch.float64),
    "nothing but zeros": torch.zeros(40, 3, dtype=torch.float64),
    "three codes repeated": correlated(3, 2, seed=33).repeat(30, 1),
    "a code twice": torch.cat([correlated(30, 2, seed=35), correlated(30, 2, seed=35)[:, :1].expand(-1, 2)], dim=0),
}


@pytest.mark.parametrize("density", [Gaussian, GaussianMixture])
@pytest.mark.parametrize("codes", SINGULAR.values(), ids=SINGULAR)
def test_singular_codes_have_a_density_that_finds_them_likely_and_stays_near_them(density, codes):
    state = fitted(density, codes)
    here, off = density().log_prob(state, codes), density().log_prob(state, codes + 100.0)
    assert torch.isfinite(here).all()
    assert float(here.mean()) > float(off.mean())
    z = density().sample(state, 100, seeded(37))
    assert (z - codes.mean(0)).abs().max() < 10 * float((codes - codes.mean(0)).abs().max()) + 1e-4


def test_a_dead_unit_has_the_ridge_as_its_variance():
    C = torch.cov(DEAD.T, correction=0)
    found = moments(fitted(Gaussian, DEAD), Gaussian)[1].diagonal()[3:]
    torch.testing.assert_close(found, (1e-6 * C.diagonal().mean() + 1e-12).expand(2))


@pytest.mark.parametrize("density", DENSITIES)
def test_codes_of_another_dimension_are_refused(density):
    state = fitted(density, correlated(50, 3, seed=39))
    with pytest.raises(ValueError, match=r"z must have 3 columns, got shape \(4, 1\)"):
        density().log_prob(state, torch.zeros(4, 1, dtype=torch.float64))
