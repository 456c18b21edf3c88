"""Energies, conditionals, chains and likelihood against enumeration, quadrature and the exact transition matrix."""

from __future__ import annotations

import math

import pytest
import torch
import zoo_rbm.likelihood
from torch import Generator, Tensor
from torch.distributions import Bernoulli, Normal
from zoo_rbm.likelihood import log_partition, log_prob, states
from zoo_rbm.model import RBM, RBMConfig
from zoo_rbm.plugin import RBMOptions, RBMPlugin

import zoo

plugin = RBMPlugin()
machines = pytest.mark.parametrize("support", ["bits", "real"])


def machine(V: int, H: int, support: str = "bits", *, sigma: float = 0.7, seed: int = 0) -> RBM:
    """An RBM in float64 whose weights and biases are all of order 1."""
    rbm = plugin.build(RBMConfig(hidden=H, sigma=sigma), zoo.DataSpec((V,), support)).double()
    generator = Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.normal_(generator=generator)
    return rbm


def patterns(units: int) -> Tensor:
    return torch.cat(list(states(units)))


def visible(rbm: RBM, B: int = 5) -> Tensor:
    """Some v of the machine's kind, shape (B, V)."""
    v = torch.randn(B, len(rbm.b), generator=Generator().manual_seed(1), dtype=torch.float64)
    return v if rbm.real else (v > 0).double()


def joint_energy(rbm: RBM, v: Tensor, h: Tensor) -> Tensor:
    """E for every pair of rows, shape (len(v), len(h))."""
    return torch.stack([rbm.energy(v, row.expand(len(v), -1)) for row in h], 1)


def test_energy_of_bits_is_its_formula() -> None:
    rbm = machine(4, 3)
    v, h = patterns(4)[[11, 6]], patterns(3)[[5, 3]]
    for n in range(2):
        pairs = sum(rbm.W[i, j] * v[n, i] * h[n, j] for i in range(4) for j in range(3))
        assert rbm.energy(v, h)[n].item() == pytest.approx((-pairs - rbm.b @ v[n] - rbm.c @ h[n]).item())


def test_energy_of_real_values_is_its_formula() -> None:
    rbm, sigma = machine(2, 3, "real", sigma=0.5), 0.5
    v, h = visible(rbm, 2), patterns(3)[[5, 3]]
    for n in range(2):
        pairs = sum(rbm.W[i, j] * v[n, i] / sigma**2 * h[n, j] for i in range(2) for j in range(3))
        square = sum(((v[n, i] - rbm.b[i]) / sigma) ** 2 for i in range(2))
        assert rbm.energy(v, h)[n].item() == pytest.approx((square / 2 - pairs - rbm.c @ h[n]).item())


@machines
def test_free_energy_equals_the_sum_over_hidden_states(support: str) -> None:
    rbm = machine(4, 6, support)
    v = visible(rbm)
    torch.testing.assert_close(rbm.free_energy(v), -(-joint_energy(rbm, v, patterns(6))).logsumexp(1))


@machines
def test_prob_h_is_the_conditional_of_the_energy(support: str) -> None:
    rbm = machine(4, 5, support)
    v, h = visible(rbm), patterns(5)
    posterior = torch.softmax(-joint_energy(rbm, v, h), 1)  # (B, 2^H)
    torch.testing.assert_close(rbm.prob_h(v), posterior @ h)


def test_mean_of_bits_is_the_conditional_of_the_energy() -> None:
    rbm = machine(5, 3)
    v, h = patterns(5), patterns(3)
    torch.testing.assert_close(rbm.mean_v(h), torch.softmax(-joint_energy(rbm, v, h), 0).T @ v)


def test_real_values_given_h_are_normal_up_to_a_constant_of_h() -> None:
    rbm = machine(3, 2, "real", sigma=0.6)
    v = visible(rbm)
    for h in patterns(2):
        log_density = Normal(rbm.mean_v(h[None]), 0.6).log_prob(v).sum(1)
        offset = log_density + rbm.energy(v, h.expand(len(v), -1))
        torch.testing.assert_close(offset, offset[:1].expand(len(v)))


def test_drawn_real_values_have_mean_and_variance_of_the_conditional() -> None:
    rbm, n = machine(3, 2, "real", sigma=0.6), 20_000
    h = patterns(2)[2]
    v = rbm.sample_v(h.expand(n, -1), Generator().manual_seed(0))
    z = (v.mean(0) - rbm.mean_v(h[None])[0]) / (0.6 / math.sqrt(n))
    assert z.abs().max() < 4
    assert ((v.var(0) / 0.6**2 - 1) / math.sqrt(2 / n)).abs().max() < 4


@pytest.mark.parametrize(("V", "H"), [(7, 4), (4, 7), (5, 5)])
def test_log_partition_over_either_side_equals_the_sum_over_all_pairs(V: int, H: int) -> None:
    rbm = machine(V, H)
    brute_force = (-joint_energy(rbm, patterns(V), patterns(H))).flatten().logsumexp(0)
    torch.testing.assert_close(zoo_rbm.likelihood.log_weight_v(rbm, patterns(V)).logsumexp(0), brute_force)
    torch.testing.assert_close(zoo_rbm.likelihood.log_weight_h(rbm, patterns(H)).logsumexp(0), brute_force)
    torch.testing.assert_close(log_partition(rbm), brute_force)


@pytest.mark.parametrize("V", [1, 2])
def test_log_partition_of_real_values_equals_numerical_integration(V: int) -> None:
    rbm = machine(V, 3, "real", sigma=0.7)
    grid = torch.linspace(-12, 12, 961, dtype=torch.float64)
    v = torch.cartesian_prod(*[grid] * V).reshape(-1, V)
    integral = (-rbm.free_energy(v)).logsumexp(0) + V * math.log(grid[1] - grid[0])
    torch.testing.assert_close(log_partition(rbm), integral, atol=1e-8, rtol=0)


def test_log_partition_does_not_depend_on_the_size_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = machine(9, 10)
    whole = log_partition(rbm)
    monkeypatch.setattr(zoo_rbm.likelihood, "BLOCK", 100)
    assert [len(block) for block in states(9)] == [100] * 5 + [12]
    torch.testing.assert_close(log_partition(rbm), whole)


def test_log_prob_sums_to_one_over_all_patterns() -> None:
    rbm = machine(9, 12).float()
    (answer,) = plugin.log_prob(rbm, patterns(9).float(), Generator(), RBMOptions())
    assert answer.nats.exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert (answer.kind, answer.stderr, answer.method) == ("exact", 0.0, "enumeration of 2^9 states")


def test_log_prob_of_an_rbm_without_weights_is_that_of_independent_units() -> None:
    bits, real = machine(6, 3), machine(4, 3, "real", sigma=0.7)
    for rbm in (bits, real):
        rbm.W.data.zero_()
    torch.testing.assert_close(
        log_prob(bits, visible(bits)), Bernoulli(logits=bits.b.detach()).log_prob(visible(bits)).sum(1)
    )
    torch.testing.assert_close(
        log_prob(real, visible(real)), Normal(real.b.detach(), 0.7).log_prob(visible(real)).sum(1)
    )


@machines
def test_log_prob_of_codes_is_the_marginal_of_h(support: str) -> None:
    rbm = machine(2, 4, support)
    answer = plugin.log_prob_codes(rbm.float(), patterns(4).float())
    assert answer.exp().sum().item() == pytest.approx(1, abs=1e-9)
    if support == "bits":
        joint = -joint_energy(rbm.double(), patterns(2), patterns(4))
        torch.testing.assert_close(answer, joint.logsumexp(0) - joint.flatten().logsumexp(0))


@pytest.mark.parametrize(("support", "V", "H"), [("bits", 21, 21), ("real", 2, 21)])
def test_log_prob_of_the_codes_of_too_many_units_is_refused_with_the_reason(support: str, V: int, H: int) -> None:
    with pytest.raises(zoo.Unsupported, match="at most 20 units, and this RBM has 21"):
        plugin.log_prob_codes(machine(V, H, support), torch.zeros(1, H))


def transition_matrix(rbm: RBM) -> Tensor:
    """T[v, v'] = Σ_h p(h | v) p(v' | h), from the definition."""
    v, h = patterns(len(rbm.b)), patterns(len(rbm.c))
    log_h = torch.stack([Bernoulli(p).log_prob(h).sum(1) for p in rbm.prob_h(v)])
    log_v = torch.stack([Bernoulli(p).log_prob(v).sum(1) for p in rbm.mean_v(h)])
    return log_h.exp() @ log_v.exp()


def test_gibbs_leaves_the_exact_distribution_unchanged() -> None:
    rbm = machine(5, 4)
    p = log_prob(rbm, patterns(5)).exp()
    torch.testing.assert_close(p @ transition_matrix(rbm).detach(), p)


def test_gibbs_step_agrees_with_the_transition_matrix() -> None:
    rbm, n = machine(3, 2), 20_000
    place = 2 ** torch.arange(3).double()
    for start, row in zip(patterns(3), transition_matrix(rbm), strict=True):
        v = rbm.gibbs_step(start.expand(n, -1), Generator().manual_seed(4))
        share = torch.bincount((v @ place).long(), minlength=8) / n
        assert ((share - row) / (row * (1 - row) / n).sqrt()).abs().max() < 4


def test_samples_after_many_steps_have_the_exact_means() -> None:
    rbm, n = machine(4, 3).float(), 20_000
    v = patterns(4)
    exact = log_prob(rbm, v).exp() @ v
    x = plugin.sample(rbm, n, Generator().manual_seed(0), RBMOptions(steps=50))
    assert ((x.mean(0) - exact) / (x.std(0) / math.sqrt(n))).abs().max() < 4


def test_codes_after_many_steps_have_the_exact_means() -> None:
    rbm, n = machine(4, 3).float(), 20_000
    h = patterns(3)
    exact = plugin.log_prob_codes(rbm, h).exp() @ h
    z = plugin.sample_codes(rbm, n, Generator().manual_seed(0), RBMOptions(steps=50))
    assert z.unique().tolist() == [0, 1]
    assert ((z.mean(0) - exact) / (z.std(0) / math.sqrt(n))).abs().max() < 4


@machines
def test_samples_are_the_decoded_codes_of_the_same_draws(support: str) -> None:
    rbm, options = machine(4, 3, support), RBMOptions(steps=5, start="uniform")
    samples = plugin.sample(rbm, 6, Generator().manual_seed(2), options)
    generator = Generator().manual_seed(2)
    z = plugin.sample_codes(rbm, 6, generator, options)
    torch.testing.assert_close(samples, plugin.decode(rbm, z, generator if rbm.real else None))


def test_real_samples_have_the_exact_mean_and_variance() -> None:
    rbm, n = machine(2, 3, "real", sigma=1.5), 20_000
    h = patterns(3)
    p = zoo_rbm.likelihood.log_weight_h(rbm, h).softmax(0)
    means = rbm.mean_v(h)
    mean = p @ means
    variance = p @ (means - mean).square() + rbm.sigma**2
    x = plugin.sample(rbm, n, Generator().manual_seed(0), RBMOptions(steps=50))
    assert ((x.mean(0) - mean) / (variance / n).sqrt()).abs().max() < 4
    fourth = (x - x.mean(0)).pow(4).mean(0)
    assert ((x.var(0) - variance) / ((fourth - variance**2) / n).sqrt()).abs().max() < 4


@pytest.mark.parametrize(("start", "h"), [("bias", 0.0), ("uniform", 0.5)])
def test_a_chain_of_one_step_starts_where_its_option_says(start: str, h: float) -> None:
    rbm, n = machine(3, 2), 20_000
    v, hidden = patterns(3), patterns(2)
    weight = Bernoulli(torch.tensor(h, dtype=torch.float64)).log_prob(hidden).sum(1).exp()
    first = weight @ torch.stack([Bernoulli(p).log_prob(v).sum(1).exp() for p in rbm.mean_v(hidden)])
    expected = first @ transition_matrix(rbm) @ v
    x = plugin.sample(rbm, n, Generator().manual_seed(0), RBMOptions(steps=1, start=start))
    assert ((x.mean(0) - expected) / (x.std(0) / math.sqrt(n))).abs().max() < 4


@machines
def test_the_same_generator_gives_the_same_samples(support: str) -> None:
    rbm = plugin.build(RBMConfig(hidden=5), zoo.DataSpec((2, 3), support))
    draws = [plugin.sample(rbm, 4, Generator().manual_seed(seed), RBMOptions(steps=3)) for seed in (0, 0, 1)]
    assert draws[0].shape == (4, 2, 3)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_encode_is_p_of_h_and_draws_follow_it() -> None:
    rbm, n = machine(4, 3), 20_000
    x = visible(rbm, 1).expand(n, -1)
    p = plugin.encode(rbm, x, None)
    h = plugin.encode(rbm, x, Generator().manual_seed(0))
    torch.testing.assert_close(p, rbm.prob_h(x))
    assert h.unique().tolist() == [0, 1]
    assert ((h.mean(0) - p[0]) / (p[0] * (1 - p[0]) / n).sqrt()).abs().max() < 4


def test_decode_is_the_mean_of_v_and_draws_only_real_values() -> None:
    h = patterns(3)[[5]].float()
    bits, real = (plugin.build(RBMConfig(hidden=3), zoo.DataSpec((2, 2), support)) for support in ("unit", "real"))
    for rbm in (bits, real):
        assert torch.equal(plugin.decode(rbm, h, None), rbm.mean_v(h).reshape(1, 2, 2))
    assert torch.equal(plugin.decode(bits, h, Generator().manual_seed(0)), plugin.decode(bits, h, None))
    drawn = real.sample_v(h, Generator().manual_seed(0)).reshape(1, 2, 2)
    assert torch.equal(plugin.decode(real, h, Generator().manual_seed(0)), drawn)
