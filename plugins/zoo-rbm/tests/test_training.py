"""The gradient against autograd of the exact log-likelihood, the chains, the start, and a run to the optimum."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import pytest
import torch
import zoo_rbm.plugin
from torch import Generator, Tensor
from zoo_rbm.likelihood import log_prob, states
from zoo_rbm.model import RBM, SLIDING, RBMConfig
from zoo_rbm.plugin import RBMOptions, RBMPlugin

import zoo

plugin = RBMPlugin()
supports = pytest.mark.parametrize("support", ["bits", "real"])
by_example = pytest.mark.filterwarnings("ignore:There is a performance drop")  # vmap over addmm_
SIGMA = 0.7


def machine(V: int, H: int, support: str = "bits", **config: object) -> RBM:
    """An RBM in float64 whose weights, biases and offsets are all of order 1."""
    settings = RBMConfig(**{"hidden": H, "sigma": SIGMA, "k": 1, "weight_decay": 0.0} | config)
    rbm = plugin.build(settings, zoo.DataSpec((V,), support)).double()
    generator = Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in (*rbm.parameters(), rbm.mu, rbm.lam):
            tensor.normal_(generator=generator)
    return rbm


def examples(B: int, V: int, support: str = "bits", seed: int = 1) -> Tensor:
    v = torch.randn(B, V, generator=Generator().manual_seed(seed), dtype=torch.float64)
    return v if support == "real" else (v > 0).double()


def every_v(rbm: RBM) -> tuple[Tensor, float]:
    """All patterns, or a fine grid, and the log of the volume of each point."""
    V = len(rbm.b)
    if not rbm.real:
        return torch.cat(list(states(V))), 0.0
    grid = torch.linspace(-10, 10, 201, dtype=torch.float64)
    return torch.cartesian_prod(*[grid] * V), V * math.log(0.1)


def exact_loss(theta: tuple[Tensor, Tensor, Tensor], rbm: RBM, v: Tensor) -> Tensor:
    """-log p(v), mean over v, for W, b, c = theta: E written out, and summed over every v and h."""
    W, b, c = theta
    s = SIGMA**2 if rbm.real else 1.0

    def log_weight(v: Tensor) -> Tensor:
        alone = -((v - b) ** 2).sum(1) / (2 * s) if rbm.real else v @ b
        h = torch.tensor(list(product((0.0, 1.0), repeat=len(c))), dtype=v.dtype)
        return (alone[:, None] + (v / s) @ W @ h.T + h @ c).logsumexp(1)

    points, log_volume = every_v(rbm)
    return log_weight(points).logsumexp(0) + log_volume - log_weight(v).mean()


def exact_gradient(rbm: RBM, v: Tensor) -> tuple[Tensor, ...]:
    """`rbm.gradient`, its average over the model taken over every v, each weighted by its probability."""
    points, log_volume = every_v(rbm)
    with torch.no_grad():
        data = rbm.phase(v)
        each = torch.vmap(lambda point: rbm.gradient(data, rbm.phase(point[None])))(points)
        p = (log_prob(rbm, points) + log_volume).exp()
        return tuple(torch.tensordot(p, found, 1) for found in each)


@by_example
@supports
def test_uncentred_gradient_is_autograd_of_the_exact_log_likelihood(support: str) -> None:
    rbm, v = machine(2 if support == "real" else 6, 4, support), examples(7, 2 if support == "real" else 6, support)
    rbm.mu.zero_()
    rbm.lam.zero_()
    theta = rbm.W, rbm.b, rbm.c
    torch.testing.assert_close(exact_gradient(rbm, v), torch.autograd.grad(exact_loss(theta, rbm, v), theta))


@by_example
@supports
def test_centred_gradient_is_autograd_by_the_centred_parameters_carried_over(support: str) -> None:
    V = 2 if support == "real" else 6
    rbm, v = machine(V, 4, support), examples(7, V, support)
    s = SIGMA**2 if rbm.real else 1.0

    def ordinary(W: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        """Linear; of the machine with energy -(v - μ)ᵀW(h - λ)/s - bᵀv/s - cᵀh, up to a constant."""
        return W, b - W @ rbm.lam, c - rbm.mu @ W / s

    W = rbm.W.detach()
    centred = tuple(t.requires_grad_() for t in (W, rbm.b.detach() + W @ rbm.lam, rbm.c.detach() + rbm.mu @ W / s))
    step = torch.autograd.grad(exact_loss(ordinary(*centred), rbm, v), centred)
    torch.testing.assert_close(exact_gradient(rbm, v), tuple(t.detach() for t in ordinary(*step)))


@supports
@pytest.mark.parametrize("k", [1, 3])
def test_cd_gradient_is_its_formula(support: str, k: int) -> None:
    rbm, v = machine(4, 3, support, algorithm="cd", k=k, centred=False, weight_decay=0.3), examples(8, 4, support)
    rbm.mu.zero_()
    rbm.lam.zero_()
    s = SIGMA**2 if rbm.real else 1.0
    plugin.loss(rbm, v, Generator().manual_seed(5))["loss"].backward()

    generator, negative = Generator().manual_seed(5), v
    for _ in range(k):
        negative = rbm.sample_v(rbm.sample_h(negative, generator), generator)
    data, model = rbm.prob_h(v), rbm.prob_h(negative)
    outer = torch.einsum("bi,bj->ij", v, data) - torch.einsum("bi,bj->ij", negative, model)
    torch.testing.assert_close(rbm.W.grad, -outer / 8 / s + 0.3 * rbm.W.detach())
    torch.testing.assert_close(rbm.b.grad, -(v - negative).mean(0).detach() / s)
    torch.testing.assert_close(rbm.c.grad, -(data - model).mean(0).detach())


def mean_energy(rbm: RBM, v: Tensor) -> Tensor:
    """Mean of E(v, h) at h = p(h = 1 | v)."""
    return rbm.energy(v, rbm.prob_h(v)).mean()


@supports
def test_the_training_loss_is_the_difference_of_energies_and_the_decay(support: str) -> None:
    rbm, v = machine(4, 3, support, algorithm="cd", weight_decay=0.3), examples(8, 4, support)
    negative = rbm.gibbs_step(v, Generator().manual_seed(5))
    expected = mean_energy(rbm, v) - mean_energy(rbm, negative) + 0.15 * rbm.W.square().sum()
    out = plugin.loss(rbm, v, Generator().manual_seed(5))
    torch.testing.assert_close(out["loss"], expected)
    again = plugin.decode(rbm, plugin.encode(rbm, v, None), None)
    out = plugin.loss(rbm.eval(), v, Generator().manual_seed(5))
    torch.testing.assert_close(out["reconstruction"], (again - v).square().sum(1).mean())


def test_the_gradient_scales_with_what_autograd_hands_down() -> None:
    def gradient(scale: float) -> Tensor:
        rbm = machine(4, 3)
        loss = plugin.loss(rbm, examples(8, 4), Generator().manual_seed(5))["loss"]
        return torch.autograd.grad(scale * loss, rbm.W)[0]

    torch.testing.assert_close(gradient(3), 3 * gradient(1))


@pytest.mark.parametrize("centred", [True, False])
def test_offsets_slide_towards_the_mean_of_data_and_model_only_where_centred(centred: bool) -> None:
    rbm, v = machine(4, 3, algorithm="cd", centred=centred), examples(8, 4)
    mu, lam = rbm.mu.clone(), rbm.lam.clone()
    negative = rbm.gibbs_step(v, Generator().manual_seed(5))
    plugin.loss(rbm, v, Generator().manual_seed(5))
    share = SLIDING if centred else 0
    both = torch.cat([v, negative])
    torch.testing.assert_close(rbm.mu, (1 - share) * mu + share * both.mean(0))
    torch.testing.assert_close(rbm.lam, (1 - share) * lam + share * rbm.prob_h(both).mean(0).detach())


def test_persistent_chains_go_on_where_they_stood() -> None:
    rbm, v = machine(4, 3, algorithm="pcd", k=2, chains=5), examples(8, 4)
    h = torch.zeros(5, 3).double()  # so the first v is drawn from the visible biases alone
    for x, seed in ((v, 5), (1 - v, 6)):
        generator = Generator().manual_seed(seed)
        negative = rbm.gibbs_step(rbm.sample_v(h, generator), generator)
        h = rbm.sample_h(negative, generator)
        value = plugin.loss(rbm, x, Generator().manual_seed(seed))["loss"]
        torch.testing.assert_close(value, mean_energy(rbm, x) - mean_energy(rbm, negative))
        assert torch.equal(rbm.chains, h)


def test_chains_of_cd_start_at_the_data_each_time() -> None:
    rbm, v = machine(4, 3, algorithm="cd", chains=5), examples(8, 4)
    for _ in range(2):
        negative = rbm.gibbs_step(v, Generator().manual_seed(5))
        value = plugin.loss(rbm, v, Generator().manual_seed(5))["loss"]
        torch.testing.assert_close(value, mean_energy(rbm, v) - mean_energy(rbm, negative))
    assert not rbm.chains.any()


@supports
def test_only_training_moves_chains_and_offsets(support: str) -> None:
    rbm, x = machine(4, 3, support), examples(8, 4, support)
    plugin.loss(rbm, x, Generator().manual_seed(0))
    before = {name: buffer.clone() for name, buffer in rbm.named_buffers()}
    assert set(before) == {"b0", "mu", "lam", "chains"}
    rbm.eval()
    plugin.loss(rbm, x, Generator().manual_seed(0))
    plugin.decode(rbm, plugin.encode(rbm, x, Generator().manual_seed(0)), None)
    plugin.sample(rbm, 3, Generator().manual_seed(0), RBMOptions(steps=2))
    plugin.log_prob(rbm, x, Generator().manual_seed(0), RBMOptions())
    plugin.diagnose(rbm, x, x, Generator().manual_seed(0))
    assert all(torch.equal(buffer, before[name]) for name, buffer in rbm.named_buffers())
    assert set(rbm.state_dict()) == {"W", "b", "c", "b0"}


def test_initialise_sets_log_odds_and_offsets() -> None:
    x = torch.tensor([[[0.0, 0.25], [0.5, 1.0]], [[0.0, 0.75], [1.0, 1.0]]])
    rbm = plugin.build(RBMConfig(hidden=3), zoo.DataSpec((2, 2), "unit"))
    plugin.initialise(rbm, x)
    expected = torch.tensor([math.log(0.001 / 0.999), 0.0, math.log(3), math.log(0.999 / 0.001)])
    torch.testing.assert_close(rbm.b.detach(), expected)
    torch.testing.assert_close(rbm.b0, expected)
    torch.testing.assert_close(rbm.mu, torch.tensor([0.0, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(rbm.lam, rbm.prob_h(x.flatten(1)).mean(0).detach())


def test_initialise_of_real_values_sets_means() -> None:
    x = torch.tensor([[1.0, -4.0], [3.0, 0.0]])
    rbm = plugin.build(RBMConfig(hidden=3, centred=False), zoo.DataSpec((2,), "real"))
    plugin.initialise(rbm, x)
    assert rbm.b.tolist() == rbm.b0.tolist() == [2, -2]
    assert rbm.mu.tolist() == [0, 0]


def exact_pseudo_log_likelihood(rbm: RBM, v: Tensor) -> float:
    """Σ_i log p(v_i | the others) of one v, shape (1, V), from exact probabilities of v and of v with v_i flipped."""
    total = 0.0
    for i in range(v.shape[1]):
        pair = torch.cat([v, v])
        pair[1, i] = 1 - pair[1, i]
        total += torch.log_softmax(log_prob(rbm, pair), 0)[0].item()
    return total


def test_pseudo_log_likelihood_is_the_sum_of_the_exact_conditionals() -> None:
    rbm, v = machine(6, 3), examples(5, 6)
    exact = torch.tensor([exact_pseudo_log_likelihood(rbm, row[None]) for row in v], dtype=torch.float64)
    torch.testing.assert_close(rbm.pseudo_log_likelihood(v).detach(), exact)


def test_held_out_loss_of_bits_is_minus_the_pseudo_log_likelihood() -> None:
    rbm, n = machine(4, 3).eval(), 20_000
    v = examples(1, 4)
    per_example = rbm.held_out_loss(v.expand(n, -1), Generator().manual_seed(0)).detach()
    stderr = per_example.std().item() / math.sqrt(n)
    assert plugin.loss(rbm, v.expand(n, -1), Generator().manual_seed(0))["loss"].item() == pytest.approx(
        -exact_pseudo_log_likelihood(rbm, v), abs=4 * stderr
    )


@supports
def test_diagnosis_compares_free_energies_of_equally_many_examples(
    support: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rbm, train, valid = machine(4, 3, support), examples(9, 4, support), examples(5, 4, support, seed=2)
    for most, n in ((1000, 5), (3, 3)):
        monkeypatch.setattr(zoo_rbm.plugin, "DIAGNOSED", most)
        found = plugin.diagnose(rbm, train, valid, Generator().manual_seed(0))
        gap = (rbm.free_energy(valid[:n]) - rbm.free_energy(train[:n])).mean().item()
        assert found.pop("free-energy gap, validation - training") == pytest.approx(gap)
        expected = (
            {"score-matching objective, validation": rbm.held_out_loss(valid[:n]).mean().item()}
            if support == "real"
            else {"pseudo-log-likelihood, validation": rbm.pseudo_log_likelihood(valid[:n]).mean().item()}
        )
        assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_held_out_loss_of_real_values_is_the_score_matching_objective() -> None:
    rbm, v = machine(3, 4, "real").eval(), examples(5, 3, "real")

    def free_energy(v: Tensor) -> Tensor:
        return rbm.free_energy(v[None])[0]

    for n in range(5):
        score = -torch.autograd.functional.jacobian(free_energy, v[n])
        curvature = -torch.autograd.functional.hessian(free_energy, v[n]).trace()
        torch.testing.assert_close(rbm.held_out_loss(v)[n], score.square().sum() / 2 + curvature)


def test_bars_and_stripes_are_learned_to_the_optimum() -> None:
    """14 patterns of 3×3 bits, equally likely: the best mean log-likelihood is -log 14 = -2.639 nats."""
    x = zoo.load_data("bars-and-stripes:3").test
    (answer,) = zoo.train("rbm", "bars-and-stripes:3", seed=0).log_prob(x)
    assert answer.kind == "exact"
    assert -math.log(14) - 0.15 < answer.nats.mean().item() <= -math.log(14)


def test_a_loaded_machine_anneals_from_the_means_of_its_data(tmp_path: Path) -> None:
    x = (torch.rand(200, 30, generator=Generator().manual_seed(0)) < torch.linspace(0.1, 0.9, 30)).float()
    model = zoo.train("rbm:hidden=21", x, epochs=1, seed=0)
    loaded = zoo.load(model.save(tmp_path / "rbm.safetensors"))
    mean = zoo.load_data(x).train.mean(0)
    torch.testing.assert_close(loaded.module.b0, torch.logit(mean, 0.001))
    settings = {"temperatures": 10, "ais_chains": 10, "burn_in": 1}
    for before, after in zip(model.log_prob(x, **settings), loaded.log_prob(x, **settings), strict=True):
        assert torch.equal(before.nats, after.nats)


def test_correlated_real_values_are_learned_without_divergence() -> None:
    """30 columns made of 3 factors: the defaults stay finite, and beat independent normals on held-out examples."""
    generator = Generator().manual_seed(0)
    mixing = torch.randn(3, 30, generator=generator)
    x = torch.randn(600, 3, generator=generator) @ mixing + 0.3 * torch.randn(600, 30, generator=generator)
    test = zoo.load_data(x).standardise(zoo.load_data(x).test)
    wide = zoo.train("rbm", x, epochs=20)
    assert wide.sample(100, seed=0, steps=100).abs().max() < 10 * x.abs().max()
    (answer,) = zoo.train("rbm:hidden=12", x, epochs=20).log_prob(zoo.load_data(x).test)
    independent = -0.5 * (test.square() + math.log(2 * math.pi)).sum(1)
    gain = answer.nats - independent
    assert gain.mean() > 4 * gain.std() / math.sqrt(len(gain))


def test_the_gradient_of_a_batch_is_that_of_its_parts_weighted_by_their_sizes():
    """What several processes rely on: with common offsets, also if the parts are uneven; the plain mean is another."""
    rbm, v, model = machine(4, 3), examples(7, 4), examples(7, 4, seed=2)
    parts = [rbm.gradient(rbm.phase(v[rows]), rbm.phase(model[rows])) for rows in (slice(0, 2), slice(2, 7))]
    for whole, first, second in zip(rbm.gradient(rbm.phase(v), rbm.phase(model)), *parts, strict=True):
        assert torch.allclose(2 / 7 * first + 5 / 7 * second, whole)
        assert not torch.allclose((first + second) / 2, whole, atol=1e-3)
