"""Annealing against sums over all states: weights, paths, both ends of the bracket, and what it says of itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import zoo_rbm.likelihood
from torch import Generator, Tensor
from zoo_rbm.annealing import Estimate, ais, anneal, base_log_partition, mean_v, reverse_ais, spread
from zoo_rbm.likelihood import log_partition, log_prob, log_weight_h, states, warning
from zoo_rbm.model import RBM, RBMConfig
from zoo_rbm.plugin import RBMOptions, RBMPlugin

import zoo

plugin = RBMPlugin()
machines = pytest.mark.parametrize("support", ["bits", "real"])
SIGMA = 0.7


def machine(V: int, H: int, support: str = "bits", *, scale: float = 1.0) -> RBM:
    """An RBM in float64, weights of order `scale`, biases of order 1, whose b0 is near b."""
    rbm = plugin.build(RBMConfig(hidden=H, sigma=SIGMA), zoo.DataSpec((V,), support)).double()
    generator = Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.normal_(generator=generator)
        rbm.W.mul_(scale)
        rbm.b0.copy_(rbm.b + 0.3 * torch.randn(V, generator=generator))
    return rbm


def patterns(units: int) -> Tensor:
    return torch.cat(list(states(units)))


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def draws(rbm: RBM, n: int, seed: int = 0) -> Tensor:
    """Exact draws of the machine: h by its probability among all patterns, then v given h."""
    h = patterns(len(rbm.c))
    p = log_weight_h(rbm, h).softmax(0)
    return rbm.sample_v(h[torch.multinomial(p, n, replacement=True, generator=seeded(seed))], seeded(seed + 1))


def energy(rbm: RBM, v: Tensor, h: Tensor, beta: float) -> Tensor:
    """E_β(v, h), written out for every pair of rows: (1 - β) of the base and β of the machine; (len(v), len(h))."""
    s = SIGMA**2 if rbm.real else 1.0

    def alone(b: Tensor) -> Tensor:
        return ((v - b) ** 2).sum(1) / (2 * s) if rbm.real else -(v @ b)

    mixed = (1 - beta) * alone(rbm.b0) + beta * alone(rbm.b)
    return mixed[:, None] - beta * ((v @ rbm.W / s) @ h.T + h @ rbm.c)


@machines
@pytest.mark.parametrize("betas", [[0.0, 0.3], [0.3, 0.8, 1.0], [1.0, 0.4]])
def test_a_weight_is_the_ratio_of_the_sums_over_hidden_states(support: str, betas: list[float]) -> None:
    rbm, v, h = machine(3, 4, support), draws(machine(3, 4, support), 5), patterns(4)
    expected, now, generator = torch.zeros(5, dtype=torch.float64), v, seeded(3)
    for k in range(1, len(betas)):
        sums = [(-energy(rbm, now, h, beta)).logsumexp(1) for beta in (betas[k - 1], betas[k])]
        expected = expected + sums[1] - sums[0]
        p = torch.softmax(-energy(rbm, now, h, betas[k]), 1) @ h
        now = rbm.draw_v(mean_v(rbm, zoo.bernoulli(p, generator), betas[k]), generator)
    torch.testing.assert_close(anneal(rbm, v, betas, seeded(3)), expected)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_mean_of_bits_between_is_the_conditional_of_the_energy(beta: float) -> None:
    rbm, v, h = machine(4, 3), patterns(4), patterns(3)
    torch.testing.assert_close(mean_v(rbm, h, beta), torch.softmax(-energy(rbm, v, h, beta), 0).T @ v)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_mean_of_real_values_between_is_where_the_energy_is_least(beta: float) -> None:
    rbm, h = machine(3, 2, "real"), patterns(2)
    mean = mean_v(rbm, h, beta).requires_grad_()
    (slope,) = torch.autograd.grad(energy(rbm, mean, h, beta).diagonal().sum(), mean)
    torch.testing.assert_close(slope, torch.zeros_like(slope))


@machines
def test_without_weights_both_directions_are_exact_with_no_variance(support: str) -> None:
    rbm = machine(4, 3, support)
    rbm.W.data.zero_()
    rbm.b0.copy_(rbm.b.detach())
    for estimate in (ais(rbm, 7, 50, seeded(0)), reverse_ais(rbm, draws(rbm, 50), 7, seeded(0))):
        assert estimate.log_partition == pytest.approx(log_partition(rbm).item(), abs=1e-12)
        assert estimate.stderr == pytest.approx(0, abs=1e-12)
        assert estimate.effective == pytest.approx(50)


@machines
def test_log_partition_at_beta_0_is_the_sum_over_all_states(support: str) -> None:
    rbm = machine(4, 3, support)
    rbm.W.data.zero_()
    rbm.c.data.zero_()
    rbm.b.data.copy_(rbm.b0)
    assert base_log_partition(rbm) == pytest.approx(log_partition(rbm).item())


@machines
@pytest.mark.parametrize("direction", ["up", "down"])
def test_the_mean_weight_is_the_ratio_of_partition_functions(support: str, direction: str) -> None:
    """E w = Z / Z_0 upwards and Z_0 / Z downwards, however few the temperatures."""
    rbm, n = machine(5, 4, support, scale=0.4), 40_000
    ratio = math.exp(log_partition(rbm).item() - base_log_partition(rbm))
    if direction == "up":
        estimate = ais(rbm, 3, n, seeded(0))
        mean, expected = math.exp(estimate.log_partition - base_log_partition(rbm)), ratio
    else:
        estimate = reverse_ais(rbm, draws(rbm, n), 3, seeded(0))
        mean, expected = math.exp(base_log_partition(rbm) - estimate.log_partition), 1 / ratio
    assert estimate.effective > 400
    assert abs(mean - expected) < 4 * estimate.stderr * mean


@machines
def test_both_directions_agree_with_the_enumerated_value(support: str) -> None:
    rbm = machine(12, 16, support, scale=0.4)
    exact = log_partition(rbm).item()
    low, high = ais(rbm, 500, 100, seeded(0)), reverse_ais(rbm, draws(rbm, 100), 500, seeded(1))
    for estimate in (low, high):
        assert 0.001 < estimate.stderr < 0.1
        assert abs(estimate.log_partition - exact) < 4 * estimate.stderr


@machines
def test_few_temperatures_enclose_the_enumerated_value_in_the_mean(support: str) -> None:
    rbm = machine(12, 16, support)
    exact, runs = log_partition(rbm).item(), 40
    low = torch.tensor([ais(rbm, 3, 10, seeded(s)).log_partition for s in range(runs)])
    high = torch.tensor([reverse_ais(rbm, draws(rbm, 10, s), 3, seeded(s)).log_partition for s in range(runs)])
    assert (exact - low.mean()) / (low.std() / math.sqrt(runs)) > 4
    assert (high.mean() - exact) / (high.std() / math.sqrt(runs)) > 4


def test_burn_in_brings_the_chains_from_the_examples_to_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one pattern, for all chains, the lower end is wrong, and an estimate; after 40 Gibbs steps it is right."""
    rbm, x = machine(4, 5), torch.zeros(1, 4).double()
    exact = log_prob(rbm, x).item()
    monkeypatch.setattr(zoo_rbm.likelihood, "MOST", 3)
    for burn_in, arrives in ((0, False), (40, True)):
        options = RBMOptions(temperatures=5, ais_chains=2000, burn_in=burn_in)
        answers = plugin.log_prob(rbm, x, seeded(0), options)
        assert [answer.kind for answer in answers] == (["lower", "upper"] if arrives else ["estimate"] * 2)
        (reverse,) = (answer for answer in answers if answer.method.startswith("reverse AIS"))
        assert (abs(reverse.nats.item() - exact) < 4 * reverse.stderr) == arrives


def test_chains_run_in_the_precision_of_the_machine_and_weights_in_float64() -> None:
    rbm = machine(12, 16, scale=0.4)
    exact = log_partition(rbm).item()
    estimate = ais(rbm.float(), 500, 100, seeded(0))
    assert abs(estimate.log_partition - exact) < 4 * estimate.stderr
    assert anneal(rbm, torch.zeros(2, 12), [0.0, 0.5], seeded(0)).dtype == torch.float64


def test_stderr_and_effective_sample_size_are_their_formulas() -> None:
    """w = 1, 1, 2: mean 4/3, variance 1/3, (Σ w)² / Σ w² = 16/6; a common factor of w changes nothing."""
    stderr, effective = spread(torch.tensor([1.0, 1.0, 2.0]).double().log() + 2000)
    assert stderr == pytest.approx(math.sqrt(1 / 3) / (4 / 3) / math.sqrt(3))
    assert effective == pytest.approx(16 / 6)


def test_stderr_is_the_spread_of_repeated_runs() -> None:
    rbm, runs = machine(6, 5, scale=0.4), 200
    found = [ais(rbm, 20, 100, seeded(s)) for s in range(runs)]
    spread_of_runs = torch.tensor([estimate.log_partition for estimate in found]).std().item()
    stated = sum(estimate.stderr for estimate in found) / runs
    assert stated == pytest.approx(spread_of_runs, rel=4 / math.sqrt(2 * runs))


@machines
def test_a_large_machine_answers_with_a_bracket(support: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = machine(10, 12, support, scale=0.4)
    x = draws(rbm, 30)
    exact = log_prob(rbm, x)
    monkeypatch.setattr(zoo_rbm.likelihood, "MOST", 9)
    options = RBMOptions(temperatures=200, ais_chains=50, burn_in=5)
    recorded: list[Estimate] = []
    for name in ("reverse_ais", "ais"):
        monkeypatch.setattr(zoo_rbm.likelihood, name, recording(getattr(zoo_rbm.likelihood, name), recorded))
    lower, upper = plugin.log_prob(rbm, x, seeded(0), options)
    assert (lower.kind, upper.kind) == ("lower", "upper")
    assert lower.method.startswith("reverse AIS, 200 temperatures, 50 chains started 5 Gibbs steps from the examples")
    assert upper.method.startswith("AIS, 200 temperatures, 50 chains, effective sample size")
    assert "warning" not in lower.method + upper.method
    exact_log_partition = log_partition_of(rbm, monkeypatch)
    for answer in (lower, upper):
        assert (answer.nats - exact).abs().max() < 4 * answer.stderr
        torch.testing.assert_close(answer.nats - exact, (answer.nats - exact)[:1].expand(30))
    above, below = recorded
    torch.testing.assert_close(lower.nats, exact + exact_log_partition - above.log_partition)
    torch.testing.assert_close(upper.nats, exact + exact_log_partition - below.log_partition)
    for answer, estimate in ((lower, above), (upper, below)):
        assert answer.stderr == estimate.stderr
        assert f"effective sample size {estimate.effective:.0f}" in answer.method


def recording(estimator: Callable[..., Estimate], into: list[Estimate]) -> Callable[..., Estimate]:
    """The estimator, whose results are appended to a list."""

    def recorder(*arguments: object) -> Estimate:
        into.append(estimator(*arguments))
        return into[-1]

    return recorder


def log_partition_of(rbm: RBM, monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(zoo_rbm.likelihood, "MOST", 20)
    return log_partition(rbm).item()


def test_twenty_one_units_are_annealed_and_twenty_enumerated() -> None:
    options = RBMOptions(temperatures=2, ais_chains=2, burn_in=20)
    kinds = [
        [answer.kind for answer in plugin.log_prob(machine(25, H, scale=0.1), torch.zeros(1, 25), seeded(0), options)]
        for H in (10, 21)
    ]
    assert kinds == [["exact"], ["lower", "upper"]]


def test_a_wide_bracket_says_so_and_names_the_way_out() -> None:
    x = torch.zeros(1, 40).double()
    lower, upper = plugin.log_prob(machine(40, 30), x, seeded(0), RBMOptions(temperatures=2, ais_chains=5, burn_in=500))
    width = (upper.nats - lower.nats).item()
    assert width > 1
    assert upper.method.endswith(f"(warning: the bracket is {width:.1f} nats wide; raise sample.temperatures)")


@pytest.mark.parametrize(
    ("width", "expected"), [(1.0, ""), (1.1, " (warning: the bracket is 1.1 nats wide; raise sample.temperatures)")]
)
def test_a_wide_bracket_has_a_warning(width: float, expected: str) -> None:
    low, high = (Estimate(value, 0.0, 10.0) for value in (0.0, width))
    assert warning(low, high) == expected


@pytest.mark.parametrize(
    ("width", "stderrs", "crosses"),
    [
        (-0.1, (0.03, 0.02), False),  # 4 √(0.03² + 0.02²) = 0.144
        (-0.2, (0.03, 0.02), True),
        (-0.2, (0.03, 0.05), False),  # 0.233
        (-0.2, (0.05, 0.03), False),
        (0.2, (0.03, 0.02), False),
    ],
)
def test_ends_that_cross_are_bounds_only_within_their_standard_errors(
    width: float, stderrs: tuple[float, float], crosses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rbm = machine(10, 12, scale=0.4)
    x = draws(rbm, 30)
    nats = log_prob(rbm, x) + log_partition(rbm)
    monkeypatch.setattr(zoo_rbm.likelihood, "MOST", 9)
    monkeypatch.setattr(zoo_rbm.likelihood, "ais", lambda *_: Estimate(20.0, stderrs[0], 10.0))
    monkeypatch.setattr(zoo_rbm.likelihood, "reverse_ais", lambda *_: Estimate(20.0 + width, stderrs[1], 30.0))
    first, second = plugin.log_prob(rbm, x, seeded(0), RBMOptions(burn_in=20))
    by_method = {answer.method.split(",")[0]: answer for answer in (first, second)}
    reverse, forward = by_method["reverse AIS"], by_method["AIS"]
    torch.testing.assert_close(forward.nats, nats - 20.0)
    torch.testing.assert_close(reverse.nats, nats - 20.0 - width)
    assert (forward.stderr, reverse.stderr) == stderrs
    if crosses:
        assert (first, second) == (forward, reverse)  # the lower one first
        assert first.kind == second.kind == "estimate"
        reason = (
            "(an estimate only: the ends of the bracket cross by 0.2 nats, with a standard error of 0.036; raise sample"
        )
        assert reason in first.method
        assert reason in second.method
    else:
        assert (first, second) == (reverse, forward)
        assert (first.kind, second.kind) == ("lower", "upper")
        assert "an estimate" not in first.method + second.method
