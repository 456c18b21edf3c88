"""Chains from the examples against chains from elsewhere: a mode that no example visits, and machines without one."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
import zoo_rbm.likelihood
from torch import Generator, Tensor
from zoo_rbm.annealing import base_log_partition
from zoo_rbm.likelihood import ALARM, disagreement, log_weight_h, states
from zoo_rbm.mixing import energy_distance, p_value, scattered
from zoo_rbm.model import RBM, RBMConfig
from zoo_rbm.plugin import RBMOptions, RBMPlugin

import zoo

plugin = RBMPlugin()
WEIGHT = 3.0


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def two_modes(share: float, V: int = 100, H: int = 25, support: str = "bits") -> tuple[RBM, float]:
    """An RBM with one live hidden unit h, of p(h = 1) = share, and idle others; and the log Z of the sum over h.

    Bits are fair coins at h = 0, and mostly on at h = 1. Real values lie around 0 at h = 0, and around WEIGHT at h = 1.
    """
    rbm = plugin.build(RBMConfig(hidden=H), zoo.DataSpec((V,), support))
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.zero_()
        rbm.W[:, 0] = WEIGHT
        if support == "bits":
            at_0, at_1 = V * math.log(2), V * math.log1p(math.exp(WEIGHT))
        else:
            at_0 = V / 2 * math.log(2 * math.pi * rbm.sigma**2)
            at_1 = at_0 + V * WEIGHT**2 / (2 * rbm.sigma**2)
        rbm.c[0] = at_0 - at_1 + math.log(share / (1 - share))
    return rbm, (H - 1) * math.log(2) + at_0 - math.log(1 - share)


def log_p(rbm: RBM, log_z: float, x: Tensor) -> Tensor:
    """log p(x) for the log Z of `two_modes`: shape (N,), float64."""
    a = rbm.input_h(x).detach().double()
    return -rbm.visible_energy(x).detach().double() + torch.nn.functional.softplus(a).sum(1) - log_z


def at_0(rbm: RBM, n: int) -> Tensor:
    """n draws of v at h = 0, among which no chain of a thousand steps finds the other mode."""
    return rbm.draw_v(rbm.mean_v(torch.zeros(n, len(rbm.c))).detach(), seeded(1))


@pytest.mark.parametrize("support", ["bits", "real"])
def test_a_mode_that_no_example_visits_leaves_no_bound(support: str) -> None:
    rbm, log_z = two_modes(0.95, support=support)
    x = at_0(rbm, 200)
    truth = log_p(rbm, log_z, x)
    options = RBMOptions(temperatures=100, ais_chains=20, burn_in=50)
    for seed in range(5):
        answers = plugin.log_prob(rbm, x, seeded(seed), options)
        assert [answer.kind for answer in answers] == ["estimate", "estimate"]
        assert answers[0].nats.mean() <= answers[1].nats.mean()
        for answer in answers:
            assert "(an estimate only: chains from the examples and chains from random hidden units" in answer.method
            assert "differ after 50 Gibbs steps, p = 0.0005" in answer.method
            assert "raise sample.burn_in" in answer.method
    (reverse,) = (answer for answer in answers if answer.method.startswith("reverse"))
    assert (reverse.nats - truth).mean().item() == pytest.approx(-math.log(0.05), abs=0.1)  # 3 nats too high


def test_the_log_partition_of_the_case_is_the_sum_over_all_states() -> None:
    rbm, log_z = two_modes(0.95, V=6, H=3)
    h = torch.cat(list(states(3)))
    log_weight = log_weight_h(rbm.double(), h)
    assert log_z == pytest.approx(log_weight.logsumexp(0).item())
    assert log_weight[h[:, 0] == 1].logsumexp(0).exp().item() == pytest.approx(0.95 * math.exp(log_z))
    assert base_log_partition(rbm) == pytest.approx(9 * math.log(2))


@pytest.mark.parametrize("support", ["bits", "real"])
def test_examples_of_both_modes_in_proportion_are_not_enough(support: str) -> None:
    """The chains never change mode, so that their share of it is that of the examples: no bound, however they start."""
    rbm, _ = two_modes(0.95, support=support)
    h = torch.zeros(400, 25)
    h[:380, 0] = 1
    x = rbm.sample_v(h, seeded(0)).detach()
    answers = plugin.log_prob(rbm, x, seeded(0), RBMOptions(temperatures=10, ais_chains=10, burn_in=20))
    assert [answer.kind for answer in answers] == ["estimate", "estimate"]


def test_the_missed_mode_is_found_when_it_holds_a_fifth_of_the_other_chains() -> None:
    """The power of the test at 100 chains: 20 of them in a mode that no chain from the examples is in."""
    rbm, _ = two_modes(0.95)
    found = 0
    for seed in range(20):
        h = torch.zeros(200, 25)
        h[180:, 0] = 1
        x, y = rbm.sample_v(h, seeded(seed)).detach().split(100)
        found += disagreement(rbm, x, y, 0, seeded(seed)) != ""
    assert found == 20


def test_scattered_chains_have_from_none_to_all_hidden_units_on() -> None:
    """At W = 30 and b = −15, v_j tells whether h_j is on."""
    H, n = 50, 1000
    rbm = plugin.build(RBMConfig(hidden=H), zoo.DataSpec((H,), "bits"))
    with torch.no_grad():
        rbm.W.copy_(30 * torch.eye(H))
        rbm.b.fill_(-15)
    on = scattered(rbm, n, seeded(0)).mean(1)
    share = (torch.arange(n) + 0.5) / n
    z = (on - share) / (share * (1 - share) / H).sqrt()
    assert z.mean().abs() < 4 / math.sqrt(n)
    assert z.square().mean().item() == pytest.approx(1, abs=0.3)


def test_energy_distance_is_the_difference_of_mean_distances() -> None:
    x, y = torch.randn(6, 3, generator=seeded(0)).double(), torch.randn(6, 3, generator=seeded(1)).double() + 0.5
    z = torch.cat([x, y])
    sign = torch.tensor([1.0] * 6 + [-1.0] * 6).double()
    wanted = 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()
    torch.testing.assert_close(energy_distance(torch.cdist(z, z), sign), wanted)


def test_p_is_the_share_of_orders_whose_energy_distance_is_as_large() -> None:
    x, y = torch.randn(3, 2, generator=seeded(0)), torch.randn(3, 2, generator=seeded(1)) + 1
    z = torch.cat([x, y]).double()
    sign = torch.tensor([[1.0 if i in order[:3] else -1.0 for i in range(6)] for order in permutations(range(6))])
    distances = energy_distance(torch.cdist(z, z), sign.double())
    wanted = (distances >= distances[0] - 1e-12).double().mean().item()
    found = p_value(x, y, seeded(2), permutations=20_000)
    assert abs(found - wanted) < 4 * math.sqrt(wanted * (1 - wanted) / 20_000) + 1 / 20_000


def test_p_of_equal_points_is_1_and_p_of_separate_ones_the_smallest() -> None:
    assert p_value(torch.zeros(100, 3), torch.zeros(100, 3), seeded(0)) == 1
    assert p_value(torch.zeros(100, 3), torch.ones(100, 3), seeded(0)) == 1 / 2000 < ALARM


@pytest.mark.parametrize("support", ["bits", "real"])
def test_p_of_two_sets_of_exact_draws_is_at_most_a_tenth_in_a_tenth_of_the_cases(support: str) -> None:
    rbm = plugin.build(RBMConfig(hidden=6), zoo.DataSpec((8,), support)).double()
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.normal_(generator=seeded(0))
    h = torch.cat(list(states(6)))
    p, runs = log_weight_h(rbm, h).softmax(0), 400
    low = 0
    for seed in range(runs):
        v = rbm.sample_v(h[torch.multinomial(p, 40, replacement=True, generator=seeded(seed))], seeded(seed + runs))
        low += p_value(*v.detach().split(20), seeded(seed), permutations=99) <= 0.1
    assert abs(low - 0.1 * runs) < 4 * math.sqrt(0.1 * 0.9 * runs)


@pytest.mark.parametrize(("data", "epochs"), [("digits", 3), ("bars-and-stripes:3", 40)])
def test_trained_machines_have_a_bracket(data: str, epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo_rbm.likelihood, "MOST", 0)
    model = zoo.train("rbm", data, epochs=epochs, seed=0)
    x = zoo.bernoulli(zoo.load_data(data).test, seeded(0))
    for seed in range(5):
        lower, upper = model.log_prob(x, seed=seed, temperatures=50, burn_in=200)
        assert (lower.kind, upper.kind) == ("lower", "upper")
