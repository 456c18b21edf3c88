"""The latent density `flow` against autograd, its own quadrature, and the Gaussian that it starts from."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal
from zoo_zuko import density
from zoo_zuko.density import FlowDensity, WhitenedFlow

FLOW = FlowDensity()


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(density, "_STEPS", 100)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def ring(n=600, seed=1) -> Tensor:
    """Codes near a circle, which a Gaussian fits badly."""
    angle = 2 * math.pi * torch.rand(n, generator=seeded(seed), dtype=torch.float64)
    radius = 1 + 0.1 * torch.randn(n, generator=seeded(seed + 1), dtype=torch.float64)
    return torch.stack([radius * angle.cos(), 3 * radius * angle.sin()], 1)


def gaussian(codes: Tensor) -> MultivariateNormal:
    C = torch.cov(codes.T, correction=0)
    ridge = 1e-6 * C.diagonal().mean() + 1e-12
    return MultivariateNormal(codes.mean(0), C + ridge * torch.eye(len(C), dtype=torch.float64))


def fitted(codes: Tensor, seed=0) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return FLOW.fit(codes, seeded(seed))


def test_the_log_density_is_that_of_a_change_of_variables_by_autograd():
    codes = 1000 + 50 * torch.randn(200, 4, generator=seeded(), dtype=torch.float64)
    codes[:, 1] += codes[:, 0]
    state = fitted(codes)
    f, L_inverse = WhitenedFlow.of_state(state).f, torch.linalg.inv(state["L"])
    base = MultivariateNormal(torch.zeros(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64))

    def to_normal(z: Tensor) -> Tensor:
        return f().transform((L_inverse @ (z - state["m"]))[None])[0]

    for z, found in zip(codes[:5], FLOW.log_prob(state, codes[:5]), strict=True):
        J = torch.autograd.functional.jacobian(to_normal, z)
        torch.testing.assert_close(found, (base.log_prob(to_normal(z)) + J.det().abs().log()).detach())


def test_the_density_of_codes_with_mean_1000_and_deviation_50_integrates_to_one_and_samples_follow_it():
    codes = 1000 + 50 * ring()
    state, n = fitted(codes), 5_000
    low, high = codes.amin(0) - 100, codes.amax(0) + 100
    sides = [torch.linspace(a, b, 201, dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    cells = torch.cartesian_prod(*sides)
    log_p = FLOW.log_prob(state, cells)
    p = log_p.exp() * math.prod((high - low).tolist()) / 200**2
    assert p.sum().item() == pytest.approx(1, abs=2e-3)
    z = FLOW.sample(state, n, seeded(3))
    for found, values in (
        (z - 1000, cells - 1000),
        ((z - 1000).square() / 50, (cells - 1000).square() / 50),
        (FLOW.log_prob(state, z)[:, None], log_p[:, None]),
    ):
        wanted = (p[:, None] * values).sum(0)
        assert ((found.mean(0) - wanted).abs() < 5 * found.std(0) / math.sqrt(n) + 2e-3 * values.abs().max()).all()


def test_the_units_of_the_codes_only_shift_the_log_density():
    """z -> 1024 + 64 z: the same draws, the same training up to rounding."""
    codes = ring()
    one, other = fitted(codes), fitted(1024 + 64 * codes)
    shift = FLOW.log_prob(one, codes) - FLOW.log_prob(other, 1024 + 64 * codes)
    assert (shift - 2 * math.log(64)).abs().max() < 0.05
    z, far = FLOW.sample(one, 500, seeded()), FLOW.sample(other, 500, seeded())
    assert ((far - 1024) / 64 - z).abs().mean() < 0.02


def test_it_fits_unseen_codes_of_a_ring_better_than_the_gaussian(monkeypatch):
    monkeypatch.setattr(density, "_STEPS", 250)
    codes, unseen = ring(), ring(500, seed=7)
    gain = FLOW.log_prob(fitted(codes), unseen) - gaussian(codes).log_prob(unseen)
    assert gain.mean() > 0.3 + 4 * gain.std() / math.sqrt(len(gain))


def test_the_weights_are_those_with_the_highest_likelihood_of_the_held_out_codes(monkeypatch):
    """The likelihood of the judges is that of the best of all measured weights; the last ones, of noise, are worse."""
    monkeypatch.setattr(density, "_STEPS", 300)
    monkeypatch.setattr(density, "_PERIOD", 25)
    monkeypatch.setattr(density, "_NOISE", 0.0)
    scores = []
    torch.manual_seed(0)
    flow = WhitenedFlow(6)
    w, judges = (torch.randn(n, 6, generator=seeded(n)) for n in (24, 50))
    measure = flow.log_prob_white

    def noted(x: Tensor) -> Tensor:
        found = measure(x)
        if x is judges:
            scores.append(found.mean().item())
        return found

    monkeypatch.setattr(flow, "log_prob_white", noted)
    best = density._selected(flow, w, judges, seeded())
    assert len(scores) == 13
    assert max(scores) > scores[-1] + 0.5
    flow.f.load_state_dict(best)
    assert measure(judges).mean().item() == pytest.approx(max(scores), abs=1e-5)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_codes_have_the_gaussian(n):
    codes = ring(n)
    state = fitted(codes)
    z = ring(5, seed=8) if n > 2 else codes
    torch.testing.assert_close(FLOW.log_prob(state, z), gaussian(codes).log_prob(z), rtol=1e-6, atol=1e-6)


def test_dead_units_and_codes_of_one_value_have_a_proper_density():
    codes = torch.cat([ring(), torch.full((600, 1), 7.0, dtype=torch.float64)], 1)
    state = fitted(codes)
    assert FLOW.log_prob(state, codes).isfinite().all()
    assert (FLOW.sample(state, 50, seeded())[:, 2] - 7).abs().max() < 0.05
    single = fitted(ring()[:, :1])
    cells = torch.linspace(-6, 6, 4001, dtype=torch.float64)[:, None]
    assert (FLOW.log_prob(single, cells).exp().sum() * 12 / 4000).item() == pytest.approx(1, abs=1e-3)


def test_using_the_density_draws_nothing_from_the_global_state_and_z_must_have_d_columns():
    state = fitted(ring())
    before = torch.get_rng_state()
    assert torch.equal(FLOW.sample(state, 9, seeded()), FLOW.sample(state, 9, seeded()))
    FLOW.log_prob(state, ring(3))
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError, match="2 columns"):
        FLOW.log_prob(state, ring(3)[:, :1])
