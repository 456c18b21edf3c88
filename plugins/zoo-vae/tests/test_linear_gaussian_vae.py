"""A linear VAE with a Gaussian likelihood is probabilistic PCA, where log p(x) and the posterior have closed forms.

x = W z + m + σ ε with orthogonal columns of W, as in the maximum-likelihood solution of Tipping & Bishop (1999):
p(x) = N(m, W Wᵀ + σ² I), and p(z|x) = N(M⁻¹ Wᵀ (x − m), σ² M⁻¹) with the diagonal M = Wᵀ W + σ² I, which q can be.
"""

from __future__ import annotations

import math

import pytest
import torch
import zoo_vae.model
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence
from zoo_vae.model import VAE, VAEConfig, log_standard_normal
from zoo_vae.plugin import VAEOptions, VAEPlugin

import zoo

PLUGIN = VAEPlugin()
V, D, SIGMA = 4, 2, 0.7
SCALES = torch.tensor([2.0, 1.0], dtype=torch.float64)
M0 = torch.tensor([1.0, -2.0, 0.5, 0.0], dtype=torch.float64)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def loadings() -> Tensor:
    """W, shape (V, D), with orthogonal columns of lengths SCALES."""
    q, _ = torch.linalg.qr(torch.randn(V, D, generator=seeded(5), dtype=torch.float64))
    return q * SCALES


def inverse_softplus(y: Tensor) -> Tensor:
    return y.expm1().log()


def ppca(shift: float = 0.0, stretch: float = 1.0, prior: Normal | None = None, **config) -> VAE:
    """The VAE of these parameters; q is the posterior with its mean shifted and its sd stretched.

    The posterior is the one under `prior`, a diagonal Gaussian over codes, N(0, I) where there is none.
    """
    model = PLUGIN.build(VAEConfig(hidden=(), latent_dim=D, **config), zoo.DataSpec((V,), "real")).double()
    W = loadings()
    mean, sd = (torch.zeros_like(SCALES), torch.ones_like(SCALES)) if prior is None else (prior.loc, prior.scale)
    variance = 1 / (SCALES.square() / SIGMA**2 + 1 / sd.square())
    with torch.no_grad():
        model.output.weight.copy_(W)
        model.output.bias.copy_(M0)
        model.s.copy_(inverse_softplus(torch.tensor(SIGMA - 0.01, dtype=torch.float64)))
        model.encoder[0].weight[:D] = variance[:, None] * W.T / SIGMA**2
        model.encoder[0].weight[D:] = 0
        model.encoder[0].bias[:D] = variance * (mean / sd.square() - W.T @ M0 / SIGMA**2) + shift
        model.encoder[0].bias[D:] = inverse_softplus(stretch * variance.sqrt() - 1e-4)
    return model


def evidence(prior: Normal | None = None) -> MultivariateNormal:
    """p(x) = N(W E[z] + m, W Cov[z] Wᵀ + σ² I)."""
    W = loadings()
    mean, sd = (torch.zeros_like(SCALES), torch.ones_like(SCALES)) if prior is None else (prior.loc, prior.scale)
    return MultivariateNormal(W @ mean + M0, W @ sd.square().diag() @ W.T + SIGMA**2 * torch.eye(V).double())


def data(n: int) -> Tensor:
    return evidence().mean + torch.randn(n, V, generator=seeded(1), dtype=torch.float64) @ evidence().scale_tril.T


def gap(model: VAE, x: Tensor) -> Tensor:
    """log p(x) − ELBO(x) = KL(q(z|x) ‖ p(z|x)), shape (B,)."""
    q, posterior = (Normal(*v.posterior(x)) for v in (model, ppca()))
    return kl_divergence(q, posterior).sum(1).detach()


def bounds(model: VAE, x: Tensor, k: int, seed: int = 2) -> Tensor:
    return model.importance_weighted_bound(x, k, seeded(seed), log_standard_normal)


@pytest.mark.parametrize("k", [1, 7])
def test_every_weight_is_the_likelihood_where_q_is_the_posterior(k):
    x = data(20)
    torch.testing.assert_close(bounds(ppca(), x, k), evidence().log_prob(x))


def test_the_elbo_is_the_likelihood_where_q_is_the_posterior():
    x = data(1).expand(40_000, V)
    out = PLUGIN.loss(ppca(), x, seeded(), zoo.Step(progress=1.0), y=None)
    spread = ppca().log_likelihood(x, PLUGIN.encode(ppca(), x, seeded(1), y=None)).std().item()
    assert -out["loss"].item() == pytest.approx(evidence().log_prob(x[0]).item(), abs=4 * spread / math.sqrt(len(x)))


def test_the_elbo_falls_short_of_the_likelihood_by_the_kl_from_the_posterior():
    model, x = ppca(shift=0.3, stretch=1.5), data(1).expand(40_000, V)
    expected = evidence().log_prob(x[0]) - gap(model, x[:1])[0]
    out = PLUGIN.loss(model, x, seeded(), zoo.Step(progress=1.0), y=None)
    spread = model.log_likelihood(x, PLUGIN.encode(model, x, seeded(1), y=None)).std().item()
    assert -out["loss"].item() == pytest.approx(expected.item(), abs=4 * spread / math.sqrt(len(x)))


def test_the_diagnosis_has_the_elbo_of_either_split():
    model, train, valid = ppca(shift=0.3, stretch=1.5), data(1500) * 0.5, data(1200)
    found = PLUGIN.diagnose(model, train, valid, seeded(4), y=None, valid_y=None)
    for key, x in [("ELBO (training)", train), ("ELBO (validation)", valid)]:
        noise = model.log_likelihood(x, PLUGIN.encode(model, x, seeded(5), y=None)) - evidence().log_prob(x)
        expected = (evidence().log_prob(x) - gap(model, x)).mean().item()
        assert found[key] == pytest.approx(expected, abs=4 * noise.std().item() / math.sqrt(len(x)))


def test_with_one_draw_the_importance_weighted_bound_is_the_elbo_in_expectation():
    model, x = ppca(shift=0.3, stretch=1.5), data(40_000)
    error = bounds(model, x, 1) - (evidence().log_prob(x) - gap(model, x))
    assert error.mean().abs() < 4 * error.std() / math.sqrt(len(error))


def test_the_bound_rises_with_k_from_the_elbo_to_the_likelihood_and_never_above():
    model, x = ppca(shift=0.4, stretch=1.5), data(20_000)
    short = [evidence().log_prob(x) - bounds(model, x, k, seed=k) for k in (1, 2, 5, 20, 100)]
    for shorter, longer in zip(short[1:], short[:-1], strict=True):
        rise = longer - shorter
        assert rise.mean() > 4 * rise.std() / math.sqrt(len(rise))
    assert all(s.mean() > -4 * s.std() / math.sqrt(len(s)) for s in short)
    assert short[-1].mean() < 0.02 * gap(model, x).mean()


@pytest.mark.parametrize("block", [1, 30, 2**20])
def test_the_mean_weight_is_an_unbiased_estimate_of_the_likelihood_however_it_is_streamed(block, monkeypatch):
    monkeypatch.setattr(zoo_vae.model, "_BLOCK", block)
    model, x = ppca(shift=0.2, stretch=1.3), data(4000 if block > 1 else 400)
    ratio = (bounds(model, x, 3) - evidence().log_prob(x)).exp()
    assert (ratio.mean() - 1).abs() < 4 * ratio.std() / math.sqrt(len(ratio))


@pytest.mark.parametrize(("block", "rows"), [(1, 1), (4 * V, 4), (30 * V, 30), (2**20, 55)])
def test_exactly_k_codes_are_drawn_for_each_example_and_no_more_at_once_than_a_block_holds(block, rows, monkeypatch):
    monkeypatch.setattr(zoo_vae.model, "_BLOCK", block)
    seen = []

    def log_prior(z: Tensor) -> Tensor:
        seen.append(len(z))
        return log_standard_normal(z)

    x = data(5)
    answer = ppca().importance_weighted_bound(x, 11, seeded(), log_prior)
    torch.testing.assert_close(answer, evidence().log_prob(x))
    assert sum(seen) == 5 * 11
    assert max(seen) <= rows


class LatentDensity:
    """What the core attaches: log p(z) of flat codes, in double precision."""

    def __init__(self, normal: Normal):
        self.normal = normal

    def log_prob(self, z: Tensor) -> Tensor:
        assert z.dtype == torch.float64
        assert z.ndim == 2
        return self.normal.log_prob(z).sum(1)


def test_an_attached_density_takes_the_place_of_the_prior():
    prior = Normal(torch.tensor([0.5, -1.0]).double(), torch.tensor([0.4, 2.0]).double())
    x = data(20)
    (answer,) = PLUGIN.log_prob(ppca(prior=prior), x, seeded(), VAEOptions(k=5), LatentDensity(prior), y=None)
    torch.testing.assert_close(answer.nats, evidence(prior).log_prob(x))


def test_codes_reach_an_attached_density_in_double_precision_from_a_single_precision_model():
    prior = Normal(torch.tensor([0.5, -1.0]).double(), torch.tensor([0.4, 2.0]).double())
    x = data(20).float()
    (answer,) = PLUGIN.log_prob(ppca(prior=prior).float(), x, seeded(), VAEOptions(k=5), LatentDensity(prior), y=None)
    assert answer.nats.dtype == torch.float64
    torch.testing.assert_close(answer.nats, evidence(prior).log_prob(x.double()), rtol=1e-4, atol=1e-4)


def test_samples_have_the_mean_and_the_covariance_of_the_evidence():
    n, p = 100_000, evidence()
    x = PLUGIN.sample(ppca(), n, seeded(), y=None)
    C = p.covariance_matrix
    assert ((x.mean(0) - p.mean).abs() < 4 * (C.diagonal() / n).sqrt()).all()
    stderr = ((C.square() + C.diagonal()[:, None] * C.diagonal()) / n).sqrt()
    assert ((torch.cov(x.T) - C).abs() < 4 * stderr).all()


def test_training_finds_the_likelihood_of_probabilistic_pca():
    x = data(300)
    model = PLUGIN.build(VAEConfig(hidden=(), latent_dim=D), zoo.DataSpec((V,), "real")).double()
    PLUGIN.initialise(model, x)
    optimiser, draws = torch.optim.Adam(model.parameters(), 0.03), seeded(3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1, 0, 800)
    for _ in range(800):
        optimiser.zero_grad()
        PLUGIN.loss(model, x, draws, zoo.Step(), y=None)["loss"].backward()
        optimiser.step()
        schedule.step()
    eigenvalues = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    sigma2 = eigenvalues[D:].mean()
    best = -(V * math.log(2 * math.pi) + eigenvalues[:D].log().sum() + (V - D) * sigma2.log() + V) / 2
    reached = bounds(model, x, 200).mean()
    assert best - 0.01 < reached < best + 0.005
    assert model.sigma.item() == pytest.approx(sigma2.sqrt().item(), rel=0.02)
