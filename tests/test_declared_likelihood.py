"""The bound on log p(x) under a declared noise, against closed forms, quadrature and autograd."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import Bernoulli, MultivariateNormal, Normal
from zoo_ae.model import AE, AEConfig
from zoo_ae.plugin import AEPlugin

import zoo
from zoo.models import declared_likelihood
from zoo.models.declared_likelihood import DeclaredLikelihood, _Laplace, _Normal

PLUGIN = AEPlugin()
V, H, SIGMA = 4, 2, 0.7


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(V,), support="real", seed=0, **config) -> AE:
    torch.manual_seed(seed)
    model = PLUGIN.build(AEConfig(**{"hidden": (), "latent_dim": H} | config), zoo.DataSpec(shape, support)).double()
    with torch.no_grad():
        for bias in [*model.b, *model.c]:
            bias.uniform_(-1, 1)
    return model


class Mixture:
    """p(h) = Σ_j π_j N(h; m_j, C_j), as the core attaches it: flat codes in double precision."""

    def __init__(self, weights: list[float], means: list[list[float]], covariances: list[Tensor]):
        self.weights = torch.tensor(weights, dtype=torch.float64)
        self.parts = [
            MultivariateNormal(torch.tensor(m, dtype=torch.float64), C.double())
            for m, C in zip(means, covariances, strict=True)
        ]

    def sample(self, n: int, generator: Generator) -> Tensor:
        part = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.parts[0].loc.shape[0], generator=generator, dtype=torch.float64)
        draws = torch.stack([p.loc + noise @ p.scale_tril.T for p in self.parts])
        return draws[part, torch.arange(n)]

    def log_prob(self, h: Tensor) -> Tensor:
        assert h.dtype == torch.float64
        assert h.ndim == 2
        return (torch.stack([p.log_prob(h) for p in self.parts], 1) + self.weights.log()).logsumexp(1)

    def evidence(self, model: AE, x: Tensor) -> Tensor:
        """log Σ_j π_j N(x; c + W* m_j, W* C_j W*ᵀ + σ² I), of the linear model with Gaussian noise."""
        W, c = model.W_star[0].detach(), model.c[0].detach()
        noise = SIGMA**2 * torch.eye(V).double()
        parts = [MultivariateNormal(c + W @ p.loc, W @ p.covariance_matrix @ W.T + noise) for p in self.parts]
        return (torch.stack([p.log_prob(x) for p in parts], 1) + self.weights.log()).logsumexp(1)


C = torch.tensor([[1.5, 0.6], [0.6, 0.8]])
GAUSSIAN = Mixture([1.0], [[1.0, -0.5]], [C])
TWO = Mixture([0.3, 0.7], [[2.0, 0.0], [-2.0, 1.0]], [C, 0.3 * torch.eye(2)])
ONE_VALUE = Mixture([0.4, 0.6], [[-1.0], [1.5]], [torch.tensor([[0.5]]), torch.tensor([[1.0]])])


def data(model: AE, n: int, prior: Mixture = TWO) -> Tensor:
    draws = seeded(1)
    mean = model.decode(prior.sample(n, draws)).detach()
    return mean + SIGMA * torch.randn(mean.shape, generator=draws, dtype=mean.dtype)


def declared(model: AE, prior, sigma: float | None, generator: Generator) -> DeclaredLikelihood:
    return DeclaredLikelihood(model.o, model.encode, prior, sigma, generator, width=max(c.numel() for c in model.c))


def bound(model: AE, x: Tensor, k: int, prior=TWO, sigma: float | None = SIGMA, seed: int = 2) -> Tensor:
    return declared(model, prior, sigma, seeded(seed)).bound(x, k)


def with_exact_moments(model: AE) -> DeclaredLikelihood:
    """Under the one Gaussian, with its m and C and not those of draws from it."""
    likelihood = declared(model, GAUSSIAN, SIGMA, seeded())
    likelihood.everywhere = _Normal(GAUSSIAN.parts[0].loc, torch.linalg.inv(C.double()))
    return likelihood


def test_a_linear_decoder_under_a_gaussian_has_its_likelihood_in_closed_form_and_one_weight_is_it():
    model = build()
    x = data(model, 20, GAUSSIAN)
    torch.testing.assert_close(with_exact_moments(model).bound(x, 1), GAUSSIAN.evidence(model, x))


def test_a_weight_is_the_joint_density_over_that_of_the_mixture_wherever_the_code_comes_from():
    model = build()
    x = data(model, 6)
    likelihood = declared(model, TWO, SIGMA, seeded())
    laplace = likelihood.approximations(x)
    h = torch.randn(4, 6, H, generator=seeded(1), dtype=torch.float64)
    p_h = TWO.log_prob(h.flatten(0, 1)).view(4, 6).exp()
    joint = Normal(model.decode(h.flatten(0, 1)).view(4, 6, V), SIGMA).log_prob(x).sum(2).exp() * p_h
    r = [MultivariateNormal(each.h_star, precision_matrix=each.L @ each.L.mT).log_prob(h).exp() for each in laplace]
    q = 0.5 * r[0] + 0.3 * r[1] + 0.2 * p_h
    log_w = likelihood._log_weights(x, h, laplace, (5, 3, 2))
    torch.testing.assert_close(log_w, (joint / q).log())


@pytest.mark.parametrize(
    ("k", "counts"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (5, (2, 1, 2)), (8, (2, 2, 4)), (10, (3, 2, 5))]
)
def test_half_of_the_codes_come_from_the_latent_density_and_a_quarter_from_each_approximation(k, counts, monkeypatch):
    """The parts are put far apart, so that the origin of a code can be told."""
    seen = []

    class Recorded(Mixture):
        def log_prob(self, h: Tensor) -> Tensor:
            seen.append(h)
            return super().log_prob(h)

    model, far = build(), 1e3
    likelihood = declared(model, Recorded([1.0], [[0.0, 0.0]], [C]), SIGMA, seeded())
    r = [
        _Laplace(torch.full((3, H), place).double(), torch.eye(H).double().expand(3, H, H)) for place in (far, 2 * far)
    ]
    monkeypatch.setattr(likelihood, "approximations", lambda x: r)
    likelihood.bound(torch.ones(3, V).double(), k)
    origin = (torch.cat(seen)[:, 0] / far).round()
    assert tuple(int((origin == place).sum()) for place in (1, 2, 0)) == tuple(3 * n for n in counts)


def test_draws_of_an_approximation_have_its_moments_and_its_density():
    L = torch.tensor([[[2.0, 0.0], [0.5, 1.0]], [[1.0, 0.0], [-1.0, 3.0]]]).double()
    r = _Laplace(torch.tensor([[1.0, 2.0], [-3.0, 0.0]]).double(), L)
    exact = [MultivariateNormal(h_star, precision_matrix=A) for h_star, A in zip(r.h_star, L @ L.mT, strict=True)]
    h = r.draw(n := 20_000, seeded(4))
    for i, law in enumerate(exact):
        torch.testing.assert_close(r.log_prob(h)[:, i], law.log_prob(h[:, i]))
        cov, variances = law.covariance_matrix, law.covariance_matrix.diagonal()
        assert ((h[:, i].mean(0) - law.loc).abs() < 4 * (variances / n).sqrt()).all()
        stderr = ((cov.square() + variances[:, None] * variances) / n).sqrt()
        assert ((torch.cov(h[:, i].T) - cov).abs() < 4 * stderr).all()


def test_around_a_code_the_density_has_the_moments_of_the_component_there():
    """Of two distant components, the one around the code; its spread is that of the nearest draws, so not above."""
    apart = Mixture([0.5, 0.5], [[30.0, 0.0], [-30.0, 5.0]], [C, 0.3 * torch.eye(2)])
    likelihood = declared(build(), apart, SIGMA, seeded(3))
    for part in apart.parts:
        m, C_inverse = likelihood.nearby(part.loc[None])
        ridge = declared_likelihood._RIDGE * likelihood.C
        assert (m[0] - part.loc).norm() < 0.2
        assert ((torch.linalg.inv(C_inverse)[0] - ridge).diagonal() < part.covariance_matrix.diagonal()).all()


def test_draws_are_near_a_code_in_units_of_their_spread():
    """Two components differ in the second value only, in which they are narrow; the first is wide and says nothing."""
    wide = torch.diag(torch.tensor([1e4, 0.01]))
    likelihood = declared(build(), Mixture([0.5, 0.5], [[0.0, 1.0], [0.0, -1.0]], [wide, wide]), SIGMA, seeded(3))
    m, _ = likelihood.nearby(torch.tensor([[0.0, 1.0], [0.0, -1.0]]).double())
    torch.testing.assert_close(m[:, 1], torch.tensor([1.0, -1.0]).double(), atol=0.1, rtol=0)


def test_moments_of_each_set_of_draws_are_its_mean_and_unbiased_covariance():
    h = torch.randn(3, 5, H, generator=seeded(), dtype=torch.float64)
    m, covariance = declared_likelihood._moments(h)
    torch.testing.assert_close(m, h.mean(1))
    torch.testing.assert_close(covariance, torch.stack([torch.cov(each.T) for each in h]))


def test_around_the_mode_of_a_mixture_few_codes_suffice():
    """log p(x) of examples of a narrow component among distant ones, which the moments of the mixture do not show."""
    narrow = Mixture([0.5, 0.5], [[20.0, 0.0], [-20.0, 5.0]], [0.01 * torch.eye(2), 0.01 * torch.eye(2)])
    model = build()
    with torch.no_grad():
        model.W_star[0].mul_(0.05)  # the data say little about h
        model.W[0].copy_(torch.linalg.pinv(model.W_star[0]))
    x = data(model, 200, narrow)
    assert (narrow.evidence(model, x) - bound(model, x, 50, narrow)).mean() < 0.5


@pytest.mark.parametrize("sigma", [None, 0.5])
def test_the_bound_meets_the_likelihood_of_a_code_with_two_modes_by_quadrature(sigma):
    """x̂ is an even function of h_1, so that p(h|x) has two modes, of which the Laplace approximation has one."""
    model = build(support="bits" if sigma is None else "real", hidden=(3,), activation="tanh")
    with torch.no_grad():
        model.W_star[1].copy_(torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]]))
        model.c[1].copy_(torch.tensor([-4.0, 4.0, 0.0]))  # tanh(2 (h_1 − 2)) − tanh(2 (h_1 + 2)), even in h_1
        model.W_star[0].copy_(torch.tensor([[3.0, -3.0, 1.0], [2.0, -2.0, -1.0], [-3.0, 3.0, 1.0], [2.0, -2.0, 2.0]]))
        model.c[0].fill_(0.5 if sigma else 4.0)
    prior = Mixture([0.5, 0.5], [[-2.5, 0.0], [2.5, 0.0]], [torch.eye(2), torch.eye(2)])
    n = 50
    mean = model.decode(prior.sample(n, seeded(5))).detach()
    x = zoo.bernoulli(mean, seeded(6)) if sigma is None else Normal(mean, sigma).sample()
    side = torch.linspace(-8, 8, 321, dtype=torch.float64)
    h = torch.cartesian_prod(side, side)
    likelihood = declared(model, prior, sigma, seeded())
    with torch.no_grad():
        joint = likelihood.log_likelihood(x, h[:, None].expand(-1, n, H)) + prior.log_prob(h)[:, None]
    exact = joint.logsumexp(0) + 2 * math.log(side[1] - side[0])
    runs = {4: 20, 40: 20, 400: 10}
    short = []
    for k, repeats in runs.items():
        gaps = torch.stack([exact - bound(model, x, k, prior, sigma, seed) for seed in range(repeats)]).flatten()
        assert gaps.mean() > -4 * gaps.std() / math.sqrt(len(gaps))
        short.append(gaps.mean().item())
    assert all(longer > 2 * shorter for longer, shorter in pairwise(short))
    # Laplace's draws alone are 0.12 and 0.02 nats short of bits at k = 40 and 400, and 32 and 23 of real values.
    assert short[1] < (0.03 if sigma is None else 1)
    assert short[2] < (0.01 if sigma is None else 0.1)


def test_the_moments_are_those_of_the_density():
    likelihood, n = declared(build(), GAUSSIAN, SIGMA, seeded(3)), declared_likelihood._MOMENTS
    exact = C.double()
    assert ((likelihood.everywhere.m - GAUSSIAN.parts[0].loc).abs() < 4 * (exact.diagonal() / n).sqrt()).all()
    stderr = ((exact.square() + exact.diagonal()[:, None] * exact.diagonal()) / n).sqrt()
    assert ((torch.linalg.inv(likelihood.everywhere.C_inverse) - exact).abs() < 4 * stderr).all()


@pytest.mark.parametrize("block", [1, 50, 2**20])
def test_the_mean_weight_is_an_unbiased_estimate_of_the_likelihood_however_it_is_streamed(block, monkeypatch):
    monkeypatch.setattr(declared_likelihood, "_BLOCK", block)
    model = build()
    x = data(model, 4000 if block > 50 else 150)
    ratio = (bound(model, x, 3) - TWO.evidence(model, x)).exp()
    assert (ratio.mean() - 1).abs() < 4 * ratio.std() / math.sqrt(len(ratio))


def test_the_bound_rises_with_k_to_the_likelihood_and_never_above():
    model = build()
    x = data(model, 2000)
    short = [TWO.evidence(model, x) - bound(model, x, k, seed=k) for k in (1, 3, 10, 100)]
    for shorter, longer in zip(short[1:], short[:-1], strict=True):
        rise = longer - shorter
        assert rise.mean() > 4 * rise.std() / math.sqrt(len(rise))
    assert all(s.mean() > -4 * s.std() / math.sqrt(len(s)) for s in short)
    assert short[-1].mean() < 0.02


def test_the_bound_on_bits_meets_the_likelihood_by_quadrature():
    model = build((3,), "bits", hidden=(4,), latent_dim=1, activation="tanh")
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    h = torch.linspace(-8, 10, 4001, dtype=torch.float64)[:, None]
    joint = Bernoulli(model.decode(h)[:, None]).log_prob(x).sum(2).exp() * ONE_VALUE.log_prob(h).exp()[:, None]
    exact = torch.from_numpy(np.trapezoid(joint.detach().numpy(), h[:, 0].numpy(), axis=0))
    assert exact.sum().item() == pytest.approx(1)
    repeated = x.repeat(200, 1)
    ratio = (bound(model, repeated, 50, ONE_VALUE, sigma=None).exp() / exact.repeat(200)).view(200, 8)
    assert ((ratio.mean(0) - 1).abs() < 4 * ratio.std(0) / math.sqrt(200)).all()
    torch.testing.assert_close(bound(model, x, 20_000, ONE_VALUE, sigma=None), exact.log(), rtol=0, atol=0.03)


@pytest.mark.parametrize("sigma", [None, 0.4])
def test_the_noise_is_the_one_of_torch_distributions(sigma):
    model = build(support="unit" if sigma is None else "real", hidden=(3,))
    x = torch.rand(5, V, generator=seeded()).round().double()
    h = torch.randn(2, 5, H, generator=seeded(1), dtype=torch.float64)
    mean = model.decode(h.flatten(0, 1)).view(2, 5, V)
    noise = Bernoulli(mean) if sigma is None else Normal(mean, sigma)
    likelihood = declared(model, TWO, sigma, seeded())
    torch.testing.assert_close(likelihood.log_likelihood(x, h), noise.log_prob(x.expand(2, 5, V)).sum(2))


def test_the_log_likelihood_of_bits_stays_finite_where_a_probability_rounds_to_one():
    model = build(support="bits")
    with torch.no_grad():
        model.c[0].fill_(800.0)
        model.W_star[0].zero_()
    h = torch.zeros(1, H, dtype=torch.float64)
    assert PLUGIN.decode(model, h).min() == 1
    likelihood = declared(model, TWO, None, seeded())
    assert likelihood.log_likelihood(torch.zeros(1, V).double(), h).item() == -800 * V


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("sigma", [None, 0.4])
@pytest.mark.parametrize(
    ("shape", "config"),
    [((V,), {"hidden": (5,), "tied": True}), ((4, 3), {"network": "conv", "channels": (2,), "hidden": (512,)})],
)
def test_the_derivatives_are_those_of_autograd(shape, config, sigma, around):
    model = build(shape, "unit" if sigma is None else "real", activation="tanh", **config)
    likelihood = declared(model, TWO, sigma, seeded())
    x = torch.rand(3, math.prod(shape), generator=seeded()).round().double()
    h = torch.randn(3, H, generator=seeded(1), dtype=torch.float64, requires_grad=True)
    prior = likelihood.nearby(h.detach()) if around else likelihood.everywhere
    (gradient,) = torch.autograd.grad(likelihood._log_joint(x, h, prior).sum(), h)
    slope, A = likelihood._derivatives(x, h, prior)
    torch.testing.assert_close(slope, gradient)
    for i in range(3):
        J = torch.autograd.functional.jacobian(lambda code: model.o(code[None])[0], h[i])
        mean = model.decode(h[i : i + 1]).flatten()
        weight = mean * (1 - mean) if sigma is None else torch.full_like(mean, 1 / sigma**2)
        C_inverse = prior.C_inverse[i] if around else prior.C_inverse
        torch.testing.assert_close(A[i], J.T @ weight.diag() @ J + C_inverse)


def test_one_step_from_anywhere_finds_the_posterior_of_a_linear_decoder(monkeypatch):
    monkeypatch.setattr(declared_likelihood, "_STEPS", 1)
    model = build()
    x, W = data(model, 5, GAUSSIAN), model.W_star[0].detach()
    precision = W.T @ W / SIGMA**2 + torch.linalg.inv(C.double())
    towards = (x - model.c[0]) @ W / SIGMA**2 + torch.linalg.solve(C.double(), GAUSSIAN.parts[0].loc)
    likelihood = with_exact_moments(model)
    h_star, A = likelihood.proposal(x, model.encode(x).detach(), likelihood.everywhere)
    torch.testing.assert_close(h_star, torch.linalg.solve(precision, towards.T).T.detach())
    torch.testing.assert_close(A, precision.expand(5, H, H))


def test_no_step_goes_downhill():
    model = build(support="bits", hidden=(6,), latent_dim=H)
    with torch.no_grad():
        for W in model.W_star:
            W.mul_(20)  # so steep that a full step can land anywhere
    likelihood = declared(model, TWO, None, seeded())
    x = torch.rand(300, V, generator=seeded(1)).round().double()
    code = model.encode(x).detach()
    for prior in (likelihood.everywhere, likelihood.nearby(code)):
        start = likelihood._log_joint(x, code, prior)
        end = likelihood._log_joint(x, likelihood.proposal(x, code, prior)[0], prior)
        assert (end >= start).all()
        assert (end > start).any()


@pytest.mark.parametrize(("block", "rows"), [(1, 1), (V * H * 3, 6), (2**20, 55)])
def test_exactly_k_codes_are_drawn_for_each_example_and_no_more_at_once_than_a_block_holds(block, rows, monkeypatch):
    monkeypatch.setattr(declared_likelihood, "_BLOCK", block)
    seen = []

    class Counted(Mixture):
        def log_prob(self, h: Tensor) -> Tensor:
            seen.append(len(h))
            return super().log_prob(h)

    model = build()
    bound(model, data(model, 5), 11, Counted([1.0], [[1.0, -0.5]], [C]))
    assert sum(seen) == 5 * 11
    assert max(seen) <= rows


@pytest.mark.parametrize("support", ["unit", "real"])
def test_images_are_the_same_examples_as_their_flat_values(support):
    images, flat = build((2, 2), support), build((4,), support)
    x = torch.rand(3, 2, 2, generator=seeded()).round().double()
    sigma = None if support == "unit" else SIGMA
    assert torch.equal(bound(images, x, 5, sigma=sigma), bound(flat, x.flatten(1), 5, sigma=sigma))
