"""The diagnosis of VAEs whose posteriors are set by hand, and the codes that `sample` decodes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence
from zoo_vae.model import VAE, VAEConfig
from zoo_vae.plugin import VAEPlugin

import zoo

PLUGIN = VAEPlugin()
D = V = 4


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def with_posterior(slopes: list[float], offsets: list[float], sigma_q: float) -> VAE:
    """q(z|x) = N(slopes · x + offsets, σ_q² I), and a decoder that ignores z: p(x|z) = Bernoulli(0.3)."""
    model = PLUGIN.build(VAEConfig(hidden=(), latent_dim=D), zoo.DataSpec((V,), "bits")).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.encoder[0].weight[:D] = torch.tensor(slopes).diag()
        model.encoder[0].bias[:D] = torch.tensor(offsets)
        model.encoder[0].bias[D:] = math.log(math.expm1(sigma_q - 1e-4))
        model.output.bias.fill_(math.log(0.3 / 0.7))
    return model


def bits(n: int, seed: int = 0, p: float = 0.5) -> Tensor:
    return zoo.bernoulli(torch.full((n, V), p, dtype=torch.float64), seeded(seed))


def diagnosis(model: VAE, train: Tensor, valid: Tensor) -> dict:
    return PLUGIN.diagnose(model, train, valid, seeded(3), y=None, valid_y=None)


def test_two_of_four_units_are_active_and_each_has_its_kl():
    slopes, offsets = [2.0, 0.0, -1.0, 0.0], [0.0, 0.7, 0.5, 0.0]
    valid = bits(500)
    found = diagnosis(with_posterior(slopes, offsets, 0.4), bits(10), valid)
    mu = valid * torch.tensor(slopes) + torch.tensor(offsets)
    kl = kl_divergence(Normal(mu, torch.full_like(mu, 0.4)), Normal(0.0, 1.0)).mean(0)
    assert found["KL per dimension"] == pytest.approx(sorted(kl.tolist(), reverse=True))
    assert found["KL"] == pytest.approx(kl.sum().item())
    assert found["active units"] == 2.0
    assert found["posterior collapse"] == "partial: 2 of 4 units are inactive"


def test_a_unit_is_active_from_a_variance_of_its_mean_of_one_hundredth():
    valid = torch.tensor([[0.0] * V, [1.0] * V], dtype=torch.float64)  # of variance 1/4
    slopes = [2 * math.sqrt(0.0101), -2 * math.sqrt(0.0101), 2 * math.sqrt(0.0099), 0.0]
    assert diagnosis(with_posterior(slopes, [0.0] * 4, 1.0), valid, valid)["active units"] == 2.0


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_an_encoder_that_ignores_x_has_collapsed_wherever_its_code_is(offset):
    found = diagnosis(with_posterior([0.0] * 4, [offset] * 4, 1.0), bits(10), bits(50))
    assert found["posterior collapse"] == "yes: none of 4 units is active"
    assert found["active units"] == 0.0
    assert found["KL"] == pytest.approx(4 * offset**2 / 2)


def test_a_code_in_use_in_every_dimension_has_not_collapsed():
    found = diagnosis(with_posterior([1.0, 2.0, -1.0, 0.5], [0.0] * 4, 0.5), bits(10), bits(500))
    assert found["posterior collapse"] == "no"


def test_each_splits_elbo_is_its_mean_log_likelihood_less_the_kl():
    model, train, valid = with_posterior([0.0] * 4, [1.0] * 4, 1.0), bits(700, 1, p=0.3), bits(450, 2)
    found = diagnosis(model, train, valid)
    for key, x in [("ELBO (training)", train), ("ELBO (validation)", valid)]:
        independent = Bernoulli(torch.tensor(0.3, dtype=torch.float64)).log_prob(x).sum(1).mean()
        assert found[key] == pytest.approx(independent.item() - 4 * 0.5)


def test_examples_after_the_first_2000_are_not_looked_at():
    model, x, beyond = with_posterior([1.0] * 4, [0.0] * 4, 1.0), bits(2000), torch.full((5, V), math.nan).double()
    assert diagnosis(model, torch.cat([x, beyond]), torch.cat([x, beyond])) == diagnosis(model, x, x)


def test_sampled_codes_are_standard_normal():
    n = 20_000
    z = PLUGIN.sample_codes(with_posterior([1.0] * 4, [0.0] * 4, 1.0), n, seeded())
    assert (z.mean(0).abs() < 4 / math.sqrt(n)).all()
    stderr = ((1 + torch.eye(D)) / n).sqrt()
    assert ((torch.cov(z.T) - torch.eye(D)).abs() < 4 * stderr).all()


def test_sampled_codes_are_the_ones_that_sample_decodes():
    torch.manual_seed(0)
    model = PLUGIN.build(VAEConfig(hidden=(3,), latent_dim=D), zoo.DataSpec((V,), "unit"))
    z = PLUGIN.sample_codes(model, 6, seeded(1))
    torch.testing.assert_close(
        PLUGIN.sample(model, 6, seeded(1), y=None), PLUGIN.decode(model, z, None, y=None).detach()
    )


def test_the_log_density_of_codes_is_that_of_a_standard_normal():
    z = 3 * torch.randn(7, D, generator=seeded(), dtype=torch.float64)
    expected = MultivariateNormal(torch.zeros(D).double(), torch.eye(D).double()).log_prob(z)
    torch.testing.assert_close(PLUGIN.log_prob_codes(with_posterior([0.0] * 4, [0.0] * 4, 1.0), z), expected)
