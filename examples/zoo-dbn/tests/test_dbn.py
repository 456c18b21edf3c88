"""The stack, its bound and its sampler, against enumeration; and what greedy training changes."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path

import pytest
import torch
import zoo_dbn
from torch import Generator, Tensor
from torch.distributions import Normal
from zoo_dbn.likelihood import (
    annealed_log_partition,
    bound,
    log_bernoulli,
    log_conditional,
    log_partition,
    log_prob,
)
from zoo_dbn.model import DBN, RBM, DBNConfig
from zoo_dbn.plugin import DBNPlugin

import zoo


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(hidden=(3, 4), support="bits", scale=1.0) -> DBN:
    torch.manual_seed(0)
    model = DBN(DBNConfig(hidden=hidden), zoo.DataSpec((4,), support)).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False).normal_(std=scale)
    return model


def states(units: int) -> Tensor:
    return torch.tensor(list(product((0.0, 1.0), repeat=units)))


def log_marginal(model: DBN, v: Tensor) -> Tensor:
    """log p(v) of a stack of bits, by sums over all states of the hidden layers below the top RBM."""
    log_p = log_prob(model.rbms[-1], states(model.config.hidden[-2]), 5, seeded()).nats
    for layer in range(len(model.rbms) - 2, -1, -1):
        below = states(model.config.hidden[layer - 1]) if layer else v
        mean = model.rbms[layer].mean_v(states(model.config.hidden[layer])).double()  # (2^H, D)
        conditional = torch.stack([log_bernoulli(below.double(), p) for p in mean])  # (2^H, N)
        log_p = (log_p[:, None] + conditional).logsumexp(0)
    return log_p


@pytest.mark.parametrize("hidden", [(3, 4), (3, 2, 4)])
def test_the_weights_are_p_on_average_and_the_bound_lies_below_log_p(hidden):
    """E_q[w] = p(v) for each v, whatever k is; so E[log 1/k Σ w] ≤ log p(v), the closer the larger k is."""
    model, v, n = build(hidden), states(4), 3000
    exact = log_marginal(model, v)
    torch.testing.assert_close(exact.exp().sum(), torch.tensor(1.0).double(), atol=1e-5, rtol=0)
    one = bound(model, v.repeat_interleave(n, dim=0), 1, 5, seeded()).nats.view(-1, n)
    w = one.exp()
    assert ((w.mean(1) - exact.exp()).abs() < 5 * w.std(1) / math.sqrt(n)).all()
    ten = bound(model, v.repeat_interleave(n, dim=0), 10, 5, seeded(1)).nats.view(-1, n)
    assert (one.mean(1) < ten.mean(1)).all()
    assert (ten.mean(1) < exact).all()
    assert bound(model, v, 1, 5, seeded()).kind == "lower"


def test_a_top_rbm_with_the_weights_below_turned_round_leaves_p_as_it_was_and_makes_the_bound_exact():
    """Hinton et al. (2006), section 4: greedy training starts there, with q(h|v) the true posterior."""
    model, v = build((3, 4)), states(4)
    low, top = model.layers
    top.W.copy_(low.W.T)
    top.b.copy_(low.c)
    top.c.copy_(low.b)
    alone = log_prob(model.rbms[0], v, 5, seeded())
    torch.testing.assert_close(log_marginal(model, v), alone.nats, atol=1e-5, rtol=0)
    torch.testing.assert_close(bound(model, v, 1, 5, seeded()).nats, alone.nats, atol=1e-4, rtol=0)


@pytest.mark.parametrize("hidden", [(3, 4), (3, 2, 4)])
def test_samples_occur_as_often_as_enumeration_says(hidden):
    model, n = build(hidden), 20_000
    v = zoo.bernoulli(model.decode(model.sample_codes(n, 50, seeded())), seeded(1))
    found = torch.bincount((v @ torch.tensor([8.0, 4, 2, 1])).long(), minlength=16) / n
    p = log_marginal(model, states(4)).exp()
    assert ((found - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-3).all()


def test_codes_are_draws_of_q_of_the_first_hidden_layer():
    model, n = build(), 20_000
    v = states(4)[5:6].repeat(n, 1)
    p = DBNPlugin().encode(model, v[:1], None)
    found = DBNPlugin().encode(model, v, seeded()).mean(0)
    assert ((found - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


def test_the_conditional_of_real_values_is_a_normal_with_the_configured_sigma():
    model = build(support="real", scale=0.3)
    v, h = torch.randn(8, 4, generator=seeded()), states(3)
    expected = Normal(model.decode(h).double(), 0.5).log_prob(v.double()).sum(1)
    torch.testing.assert_close(log_conditional(model.rbms[0], v, h), expected)
    many = model.decode(h[:1].repeat(20_000, 1), seeded())
    noise = (many - model.decode(h[:1])) / 0.5
    assert abs(noise.square().mean() - 1) < 5 * math.sqrt(2 / noise.numel())


def test_the_weights_integrate_to_one_on_average_over_real_values():
    torch.manual_seed(0)
    model = DBN(DBNConfig(hidden=(3, 3)), zoo.DataSpec((1,), "real")).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False).normal_(std=0.2)
    v = torch.linspace(-8, 8, 201)[:, None]
    totals = torch.stack(
        [torch.trapezoid(bound(model, v, 50, 5, seeded(s)).nats.exp(), v[:, 0].double()) for s in range(20)]
    )
    assert totals.std() < 0.1
    assert abs(totals.mean() - 1) < 5 * totals.std() / math.sqrt(20)


def test_bits_at_probabilities_of_zero_and_one_have_the_log_probability_that_they_are_drawn_with():
    found = log_bernoulli(torch.tensor([1.0, 0.0]).double(), torch.tensor([1.0, 1.0]).double())
    assert found.item() == pytest.approx(-24 * math.log(2), rel=1e-6)


@pytest.fixture(scope="module")
def registry() -> zoo.Registry:
    registry = zoo.Registry()
    if "dbn" not in registry.names():
        registry.register(DBNPlugin)
    return registry


@pytest.fixture(scope="module")
def two_patterns() -> zoo.Data:
    """11110000 and 00001111, each bit flipped with probability 0.05."""
    first = zoo.bernoulli(torch.full((400, 1), 0.5), seeded())
    x = torch.cat([first.repeat(1, 4), 1 - first.repeat(1, 4)], dim=1)
    return zoo.Data.from_arrays((x - zoo.bernoulli(torch.full((400, 8), 0.05), seeded(1))).abs(), name="two patterns")


def test_training_brings_the_bound_near_the_likelihood_of_what_the_data_come_from(registry, two_patterns):
    model = registry.train("dbn:hidden=[8,8]", two_patterns, epochs=160)
    flips = two_patterns.test @ torch.tensor([1.0] * 4 + [0.0] * 4)[:, None] * 2 - two_patterns.test.sum(
        1, keepdim=True
    )
    ones = (4 - flips).squeeze(1)  # bits that differ from 11110000
    log_p = [n * math.log(0.05) + (8 - n) * math.log(0.95) for n in (ones, 8 - ones)]
    truth = torch.stack(log_p).logsumexp(0) - math.log(2)
    (bound,) = model.log_prob(two_patterns.test, k=50)
    independent = -8 * math.log(2)  # of a model that knows the means alone
    assert abs(bound.nats.mean() - truth.mean()) < 0.15 * (truth.mean() - independent)


def test_each_rbm_has_its_part_of_the_budget_and_is_left_alone_afterwards(registry, two_patterns, tmp_path):
    registry.train("dbn:hidden=[8,8,8]", two_patterns, steps=60, folder=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 60
    spans = [[line["step"] for line in lines if f"rbm{layer}.loss" in line] for layer in (1, 2, 3)]
    assert [span[0] > 20 * layer for layer, span in enumerate(spans)] == [True] * 3
    assert [span[-1] for span in spans] == [20, 40, 60]


def test_each_rbm_begins_at_the_means_of_draws_of_the_units_below_it(registry, two_patterns):
    """With a rate of 0 in single precision nothing moves: b is the log-odds of the means of h¹ of the built RBM."""
    model = registry.train("dbn:hidden=[8,8],train.learning_rate=1e-300", two_patterns, steps=2).module
    mean = model.rbms[0].prob_h(two_patterns.train).mean(0)
    error = (mean * (1 - mean) / len(two_patterns.train)).sqrt()
    assert ((model.rbms[1].b.sigmoid() - mean).abs() < 5 * error).all()
    assert not torch.equal(model.rbms[1].b, torch.zeros(8))


def test_an_rbm_may_have_its_own_settings(registry, two_patterns):
    settings = "train.rbm1.learning_rate=1e-300,train.rbm2.average=0.5"
    model = registry.train(f"dbn:hidden=[8,8],{settings}", two_patterns, steps=8)
    untouched = registry.create("dbn:hidden=[8,8]", two_patterns).module
    assert torch.equal(model.module.layers[0].W, untouched.layers[0].W)
    assert not torch.equal(model.module.layers[1].W, untouched.layers[1].W)
    assert [each["average"] for each in model.protocol["training"].values()] == [0.99, 0.5]


def test_the_first_phase_leaves_the_upper_rbms_alone(registry, two_patterns):
    """One step of two is the first RBM's; with a single one, the second keeps what it was built with."""
    trained = registry.train("dbn:hidden=[8,8]", two_patterns, steps=1).module
    untouched = registry.create("dbn:hidden=[8,8]", two_patterns).module
    assert torch.equal(trained.layers[1].W, untouched.layers[1].W)
    assert not torch.equal(trained.layers[0].W, untouched.layers[0].W)


def test_the_weights_that_are_kept_are_averages_over_the_steps(registry, two_patterns):
    """After its second step a layer has (w₁ d + w₂)/(1 + d), linear in 1/(1 + d); d = 0 keeps the last weights w₂."""
    at = {d: registry.train(f"dbn:hidden=[8,8],train.average={d}", two_patterns, steps=4).module for d in (0, 0.5, 0.9)}
    last, half, most = (at[d].layers[0].W for d in (0, 0.5, 0.9))
    assert not torch.equal(last, half)
    torch.testing.assert_close((half - last) / (0.5 / 1.5), (most - last) / (0.9 / 1.9), atol=1e-5, rtol=1e-3)


def test_saving_and_loading_changes_nothing(registry, two_patterns, tmp_path):
    model = registry.train("dbn:hidden=[8,8]", two_patterns, steps=20)
    loaded = registry.load(model.save(tmp_path))
    assert torch.equal(loaded.sample(20, seed=1, steps=5), model.sample(20, seed=1, steps=5))
    assert torch.equal(loaded.log_prob(two_patterns.test)[0].nats, model.log_prob(two_patterns.test)[0].nats)


def test_a_dbn_trains_in_a_registry_that_has_no_other_model(two_patterns, tmp_path):
    alone = zoo.Registry(entry_points=False)
    alone.register(DBNPlugin)
    assert alone.names() == ["dbn"]
    model = alone.train("dbn:hidden=[8,8]", two_patterns, steps=20, folder=tmp_path / "run")
    assert model.sample(4, seed=0, steps=5).shape == (4, 8)
    assert alone.load(model.save(tmp_path)).log_prob(two_patterns.test)[0].kind == "lower"


def test_no_other_plugin_is_imported_or_asked_for():
    sources = [path.read_text() for path in Path(zoo_dbn.__file__).parent.glob("*.py")]
    assert len(sources) == 5
    assert not any(word in source for source in sources for word in ("zoo_rbm", "zoo.create", "zoo.train", "zoo.load"))


def an_rbm(V=4, H=3, support="bits", **settings) -> RBM:
    torch.manual_seed(0)
    rbm = RBM(DBNConfig(**settings), zoo.DataSpec((V,), support), H)
    for parameter in rbm.parameters():
        parameter.requires_grad_(False).normal_(std=0.5)
    return rbm


@pytest.mark.parametrize("support", ["bits", "real"])
def test_the_free_energy_is_the_sum_of_the_energies_over_the_hidden_states(support):
    rbm = an_rbm(support=support)
    v, h = torch.randn(6, 4, generator=seeded()) if support == "real" else states(4), states(3)
    energies = torch.stack([rbm.energy(v, each.expand(len(v), -1)) for each in h])
    torch.testing.assert_close(rbm.free_energy(v), -(-energies).logsumexp(0))
    posterior = (-energies).softmax(0).T @ h  # (B, H)
    torch.testing.assert_close(rbm.prob_h(v), posterior)


@pytest.mark.parametrize(("V", "H"), [(4, 3), (3, 4)])
def test_log_z_is_the_sum_over_all_visible_states(V, H):
    rbm = an_rbm(V, H)
    torch.testing.assert_close(log_partition(rbm), (-rbm.double().free_energy(states(V).double())).logsumexp(0))


def test_annealing_estimates_the_log_z_of_enumeration():
    """E w = Z_0 / Z_1, so that exp(log Z_0 - estimate), the mean of w times a constant, is right on average."""
    rbm = an_rbm(6, 5)
    rbm.b0.normal_(std=0.5)
    exact = log_partition(rbm).item()
    p = (-rbm.free_energy(states(6)) - exact).exp()

    def start(seed):
        return states(6)[torch.multinomial(p.float(), 100, replacement=True, generator=seeded(seed))]

    found = [annealed_log_partition(rbm, start(seed), 50, seeded(seed)) for seed in range(20)]
    ratios = torch.tensor([math.exp(exact - log_z) for log_z, _, _ in found])
    assert abs(ratios.mean() - 1) < 5 * ratios.std() / math.sqrt(len(ratios))
    errors = torch.tensor([stderr for _, stderr, _ in found])
    assert 0.5 < ratios.std() / errors.mean() < 2
    assert all(90 < effective <= 100 for _, _, effective in found)


def two_modes(share: float, V: int = 100, H: int = 25) -> tuple[RBM, float]:
    """An RBM with one live hidden unit of p(h = 1) = share and 24 idle ones, and its log Z in closed form.

    Its units are fair coins at h = 0, and mostly on at h = 1.
    """
    rbm = an_rbm(V, H)
    for parameter in rbm.parameters():
        parameter.zero_()
    rbm.W[:, 0] = 3.0
    at_0, at_1 = V * math.log(2), V * math.log1p(math.exp(3.0))
    rbm.c[0] = at_0 - at_1 + math.log(share / (1 - share))
    return rbm, (H - 1) * math.log(2) + at_0 - math.log(1 - share)


def test_a_mode_that_no_example_visits_leaves_no_bound():
    """Chains from the examples miss 95 % of the mass, and log Z is too low by −log 0.05 ≈ 3 nats."""
    rbm, log_z = two_modes(0.95)
    x = zoo.bernoulli(torch.full((200, 100), 0.5), seeded(1))
    truth = -rbm.free_energy(x).double() - log_z
    for seed in range(3):
        found = log_prob(rbm, x, 50, seeded(seed))
        assert found.kind == "estimate"
        assert "(an estimate only: chains from the examples and chains from random hidden units differ" in found.method
        assert (found.nats - truth).mean().item() == pytest.approx(-math.log(0.05), abs=0.1)


def test_chains_from_everywhere_agree_on_a_machine_that_mixes():
    rbm, _ = two_modes(0.0005)
    x = zoo.bernoulli(torch.full((200, 100), 0.5), seeded(1))
    rbm.W.mul_(0.01)
    found = log_prob(rbm, x, 50, seeded(0))
    assert found.kind == "lower"


def test_the_bound_of_a_stack_is_an_estimate_where_that_of_its_top_is():
    torch.manual_seed(0)
    model = DBN(DBNConfig(hidden=(100, 25)), zoo.DataSpec((4,), "bits"))
    top, _ = two_modes(0.95)
    model.rbms[1].load_state_dict(top.state_dict())
    for parameter in model.rbms[0].parameters():
        parameter.requires_grad_(False).zero_()  # h¹ are fair coins
    assert bound(model, states(4), 5, 50, seeded()).kind == "estimate"


@pytest.mark.parametrize("support", ["bits", "real"])
def test_in_evaluation_the_loss_of_a_player_measures_the_fit_of_its_rbm(support):
    model, x = build((5, 3), support).eval(), states(4)
    loss = DBNPlugin().loss(model, x, seeded(1), "rbm1")["loss"]
    first = model.rbms[0]
    expected = first.score_matching(x) if support == "real" else -first.pseudo_log_likelihood(x)
    torch.testing.assert_close(loss, expected.mean())
    loss = DBNPlugin().loss(model, x, seeded(1), "rbm2")["loss"]
    h = model.up(x, 1, seeded(1))
    torch.testing.assert_close(loss, -model.rbms[1].pseudo_log_likelihood(h).mean())


@pytest.mark.parametrize("support", ["bits", "real"])
@pytest.mark.parametrize("algorithm", ["cd", "pcd"])
def test_the_gradient_is_that_of_the_centred_machine_mapped_to_w_b_and_c(support, algorithm):
    """autograd of <F>_data - <F>_model in W, b + Wλ, c + Wᵀμ/σ², with the chains' v held fixed; plus weight decay."""
    rbm = an_rbm(support=support, algorithm=algorithm, sigma=0.7, weight_decay=0.3)
    for tensor in (rbm.mu, rbm.lam):
        tensor.normal_(generator=seeded())
    v = torch.randn(50, 4, generator=seeded()) if support == "real" else zoo.bernoulli(torch.full((50, 4), 0.4))
    draws, h = seeded(1), rbm.prob_h(v)
    v_model = rbm.negative_phase(h, draws)
    h_model = rbm.prob_h(v_model)
    chains = zoo.bernoulli(h_model, draws)
    mu = 0.99 * rbm.mu + 0.005 * (v.mean(0) + v_model.mean(0))
    lam = 0.99 * rbm.lam + 0.005 * (h.mean(0) + h_model.mean(0))
    for parameter in rbm.parameters():
        parameter.requires_grad_()
    value = rbm.contrast(v, seeded(1))
    torch.testing.assert_close((rbm.mu, rbm.lam), (mu, lam))
    assert torch.equal(rbm.chains, chains) == (algorithm == "pcd")

    s = rbm.sigma**2
    centred = [each.clone().requires_grad_() for each in (rbm.W, rbm.b + rbm.W @ lam, rbm.c + mu @ rbm.W / s)]
    W, b, c = centred[0], centred[1] - centred[0] @ lam, centred[2] - mu @ centred[0] / s

    def mean_free_energy(v):
        visible = ((v - b) ** 2).sum(1) / (2 * s) if support == "real" else -v @ b
        return (visible - torch.nn.functional.softplus(c + v @ W / s).sum(1)).mean()

    dW, db, dc = torch.autograd.grad(mean_free_energy(v) - mean_free_energy(v_model), centred)
    found = torch.autograd.grad(value, (rbm.W, rbm.b, rbm.c))
    torch.testing.assert_close(found, (dW + 0.3 * rbm.W, db - dW @ lam, dc - mu @ dW / s))
    energies = rbm.energy(v, h).mean() - rbm.energy(v_model, h_model).mean()
    torch.testing.assert_close(value, energies + 0.15 * rbm.W.square().sum())


def test_gibbs_steps_leave_the_distribution_as_it_is():
    rbm, n = an_rbm(), 20_000
    p = (-rbm.free_energy(states(4)) - log_partition(rbm)).exp()
    start = states(4)[torch.multinomial(p.float(), n, replacement=True, generator=seeded())]
    found = torch.bincount((rbm.gibbs_step(start, seeded(1)) @ torch.tensor([8.0, 4, 2, 1])).long(), minlength=16) / n
    assert ((found - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


def test_the_pseudo_log_likelihood_is_the_sum_of_the_conditionals_of_enumeration():
    rbm, v = an_rbm(), states(4)
    log_p = -rbm.free_energy(v)
    expected = torch.zeros(16)
    for i in range(4):
        flipped = v.clone()
        flipped[:, i] = 1 - v[:, i]
        expected += log_p - torch.logaddexp(log_p, -rbm.free_energy(flipped))
    torch.testing.assert_close(rbm.pseudo_log_likelihood(v), expected)


def test_the_score_matching_objective_is_autograd_of_the_free_energy():
    rbm, v = an_rbm(support="real").double(), torch.randn(5, 4, generator=seeded(), dtype=torch.float64)

    def log_weight(one):
        return -rbm.free_energy(one[None])[0]

    for one, found in zip(v, rbm.score_matching(v), strict=True):
        score = torch.autograd.functional.jacobian(log_weight, one)
        slope = torch.autograd.functional.hessian(log_weight, one).trace()
        torch.testing.assert_close(found, 0.5 * score.square().sum() + slope)
