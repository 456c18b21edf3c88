"""Autocorrelation time, sample size and R̂ against AR(1) processes, sums in numpy, and machines that are enumerated."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from zoo_rbm import chains
from zoo_rbm.chains import (
    autocorrelation,
    autocorrelation_time,
    classes,
    convergence,
    effective_sample_size,
    enough,
    ladder,
    split_r_hat,
    traces,
)
from zoo_rbm.likelihood import states
from zoo_rbm.model import RBM, RBMConfig
from zoo_rbm.plugin import RBMOptions, RBMPlugin

import zoo

plugin = RBMPlugin()


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def machine(V: int, H: int, support: str = "bits", scale: float = 1.0) -> RBM:
    """An RBM in float64 whose parameters are normal with a standard deviation of `scale`."""
    rbm = plugin.build(RBMConfig(hidden=H), zoo.DataSpec((V,), support)).double()
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.normal_(0, scale, generator=seeded(0))
    return rbm


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def ar1(phi: float, repetitions: int, T: int, C: int) -> Tensor:
    """x_t = φ x_{t-1} + √(1 - φ²) ε_t in equilibrium, shape (repetitions, T, C): ρ_t = φ^t, and variance 1."""
    x = noise(repetitions, T, C)
    for t in range(1, T):
        x[:, t] = phi * x[:, t - 1] + math.sqrt(1 - phi**2) * x[:, t]
    return x


def assert_mean_near(found: Tensor, truth: float, states: int) -> None:
    """The mean of the repetitions is within 4 standard errors, and the small upward bias of Geyer's sequence."""
    stderr = found.std().item() / math.sqrt(len(found))
    assert found.mean().item() == pytest.approx(truth, abs=4 * stderr + 4 * truth * math.sqrt(2 / states))
    assert stderr < 0.05 * truth


def test_autocorrelation_is_the_mean_product_of_deviations_at_each_lag() -> None:
    x = noise(2, 7, 3).cumsum(1) + 5
    found = autocorrelation(x)
    for k in range(2):
        d = x[k].numpy() - x[k].numpy().mean()
        covariance = np.array([np.mean(d[: 7 - t] * d[t:]) for t in range(7)])
        torch.testing.assert_close(found[k], torch.from_numpy(covariance / covariance[0]))


@pytest.mark.parametrize("T", [40, 41])
def test_the_sum_ends_before_the_first_pair_that_is_not_positive(T: int) -> None:
    x = ar1(0.6, 50, T, 2)
    found, ends = autocorrelation_time(x), set()
    for k, rho in enumerate(autocorrelation(x).numpy()):
        tau = -1.0
        for t in range(0, T - 1, 2):
            if rho[t] + rho[t + 1] <= 0:
                ends.add(t)
                break
            tau += 2 * (rho[t] + rho[t + 1])
        assert found[k].item() == pytest.approx(tau)
    assert len(ends) > 3


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.5, 0.9])
def test_autocorrelation_time_of_ar1_is_1_plus_phi_over_1_minus_phi(phi: float) -> None:
    x = ar1(phi, 100, 500, 20)
    truth = (1 + phi) / (1 - phi)
    found = autocorrelation_time(x)
    assert_mean_near(found, truth, 500 * 20)
    torch.testing.assert_close(effective_sample_size(x), 500 * 20 / found)


def test_effective_sample_size_gives_the_error_of_the_mean() -> None:
    means, size = ar1(0.5, 2000, 100, 4).mean((1, 2)), 400 * (1 - 0.5) / (1 + 0.5)
    edges = 1 - 2 * 0.5 / (1 - 0.5**2) / 100  # 1 - Σ 2 t ρ_t/(T τ): the lags that the ends cut off
    assert means.var().item() * size == pytest.approx(edges, abs=4 * math.sqrt(2 / 2000))
    assert effective_sample_size(ar1(0.5, 100, 500, 20)).mean().item() == pytest.approx(25 * size, rel=0.05)


def test_chains_around_different_means_have_a_long_autocorrelation_time() -> None:
    assert autocorrelation_time(noise(400, 10)) < 1.5
    assert autocorrelation_time(noise(400, 10) + 3 * torch.arange(10)) > 200


@pytest.mark.parametrize("T", [20, 21])
def test_split_r_hat_of_chains_with_different_means_is_the_formula(T: int) -> None:
    x = noise(3, T, 4) + torch.tensor([0.0, 1.0, 2.0, 4.0])
    found = split_r_hat(x)
    for k in range(3):
        last = x[k].numpy()[T % 2 :]
        halves = [half[:, c] for half in (last[:10], last[10:]) for c in range(4)]
        n, m = 10, 8
        means = [sum(half) / n for half in halves]
        within = sum(sum((half - mean) ** 2) / (n - 1) for half, mean in zip(halves, means, strict=True)) / m
        between = n / (m - 1) * sum((mean - sum(means) / m) ** 2 for mean in means)
        assert found[k].item() == pytest.approx(math.sqrt(((n - 1) / n * within + between / n) / within))
    assert found.min() > 1.5


def test_split_r_hat_of_a_case_by_hand() -> None:
    """Halves 0 1, 0 1, 2 3, 2 3: W = ½, and means ½, ½, 2½, 2½ of variance 4/3."""
    x = torch.tensor([[0.0, 2.0], [1.0, 3.0], [0.0, 2.0], [1.0, 3.0]])
    assert split_r_hat(x).item() == pytest.approx(math.sqrt((0.5 * 0.5 + 4 / 3) / 0.5))
    with pytest.raises(ValueError, match="at least 4 steps, got 3"):
        split_r_hat(x[:3])


def test_split_r_hat_of_white_noise_is_1_and_of_a_common_drift_is_not() -> None:
    x = noise(1000, 64)
    assert split_r_hat(x).item() == pytest.approx(1, abs=4 * math.sqrt(2 / 127) / 2 / 500)
    assert split_r_hat(x + torch.arange(1000)[:, None] / 1000).item() > 1.02


def test_r_hat_of_ar1_exceeds_1_by_the_autocorrelation_time_over_the_steps() -> None:
    excess = split_r_hat(ar1(0.8, 50, 1000, 20)).square() - 1
    assert excess.mean().item() == pytest.approx(2 * (9 - 1) / 1000, rel=0.1)


def test_constant_traces_have_converged_unless_the_chains_differ() -> None:
    x = noise(100, 1, 1).expand(100, 50, 3)  # means of equal values differ from them by rounding
    assert split_r_hat(x).tolist() == [1] * 100
    assert autocorrelation_time(x).tolist() == [1] * 100
    assert effective_sample_size(x).tolist() == [150] * 100
    assert split_r_hat(torch.arange(3.0).expand(50, 3)) == math.inf


def test_the_ladder_ends_at_the_number_of_steps() -> None:
    assert ladder(32) == [8, 10, 11, 13, 16, 19, 23, 27, 32]
    assert ladder(1000)[-5:] == [500, 595, 707, 841, 1000]
    assert ladder(5) == [5]


def test_enough_is_the_smallest_rung_from_which_every_trace_stays_below_the_threshold() -> None:
    steps = [8, 16, 32, 64]
    assert enough(steps, torch.tensor([[1.2, 1.0], [1.0, 1.02], [1.009, 1.0], [1.0, 1.0]])) == 32
    assert enough(steps, torch.tensor([[1.0], [1.02], [1.0], [1.0]])) == 32
    assert enough(steps, torch.tensor([[1.0], [1.0], [1.0], [1.01]])) is None
    assert enough(steps, torch.full((4, 3), 1.0)) == 8


def test_convergence_is_split_r_hat_of_the_first_steps() -> None:
    x = ar1(0.5, 2, 600, 10)
    found = convergence(x)
    assert found.steps == ladder(600)
    for s, r_hat in zip(found.steps, found.r_hat, strict=True):
        assert r_hat.tolist() == pytest.approx([split_r_hat(x[k, :s]).item() for k in range(2)])
    assert found.enough == enough(found.steps, found.r_hat)
    assert 8 < (found.enough or 0) < 600


def test_classes_are_thirds_of_the_units_by_the_standard_deviation_over_the_examples() -> None:
    rbm = machine(5, 7)
    with torch.no_grad():
        rbm.W.copy_(rbm.W[:, :1] * torch.tensor([1.0, 0.1, 0.7, 0.0, -0.5, 0.3, 0.2]))
        rbm.c.zero_()
    v = torch.cat(list(states(5)))
    assert [each.tolist() for each in classes(rbm, v)] == [[3, 1, 6], [5, 4], [2, 0]]
    assert [len(each) for each in classes(machine(5, 2), v)] == [1, 1]


@pytest.mark.parametrize("support", ["bits", "real"])
@pytest.mark.parametrize("start", ["bias", "uniform"])
def test_traces_are_those_of_the_sampling_chains(support: str, start: str) -> None:
    """The v of each step is drawn again, from the h of `sample_codes` one step before."""
    rbm, units = machine(4, 5, support), (torch.tensor([1, 4]), torch.tensor([0, 2, 3]))
    found = traces(rbm, units, 6, 9, start, seeded(1))
    assert found.shape == (3, 9, 6)
    for t in range(9):
        draws = seeded(1)
        v = rbm.sample_v(rbm.sample_codes(6, t, start, draws), draws).detach()
        h = rbm.prob_h(v).detach()
        torch.testing.assert_close(found[0, t], rbm.free_energy(v).detach())
        torch.testing.assert_close(found[1, t], (h[:, 1] + h[:, 4]) / 2)
        torch.testing.assert_close(found[2, t], (h[:, 0] + h[:, 2] + h[:, 3]) / 3)


def exact_times(rbm: RBM, units: tuple[Tensor, ...]) -> list[float]:
    """τ of the traces from P(v → v'), by the fundamental matrix (I - P + 1πᵀ)⁻¹: Σ_{t≥0} P^t f for f of mean 0."""
    v, h = torch.cat(list(states(3))), torch.cat(list(states(3)))
    joint = (v @ rbm.b)[:, None] + h @ rbm.c + v @ rbm.W @ h.T
    P = joint.softmax(1) @ joint.softmax(0).T
    pi = joint.logsumexp(1).softmax(0)
    torch.testing.assert_close(pi @ P, pi)
    f = torch.stack([-joint.logsumexp(1), *((joint.softmax(1) @ h)[:, each].mean(1) for each in units)], 1)
    f = f - pi @ f
    summed = torch.linalg.inv(torch.eye(8) - P + pi) @ f
    return (2 * (pi @ (f * summed)) / (pi @ f.square()) - 1).tolist()


def test_autocorrelation_times_of_a_tiny_machine_are_those_of_its_transition_matrix() -> None:
    rbm, units = machine(3, 3, scale=0.5), tuple(torch.arange(3).tensor_split(3))
    with torch.no_grad():  # v and h are mostly all on or all off, and on more often
        rbm.W += 2
        rbm.b -= rbm.W.sum(1) / 2 - 0.3
        rbm.c -= rbm.W.sum(0) / 2
        exact = exact_times(rbm, units)
    x = traces(rbm, units, 1000, 600, "uniform", seeded(2))[:, 100:]
    found = autocorrelation_time(torch.stack(x.split(20, -1), 1))  # (K, 50)
    assert max(exact) > 5
    for times, truth in zip(found, exact, strict=True):
        assert_mean_near(times, truth, 500 * 20)


def two_modes() -> RBM:
    """One live hidden unit, on with p = ½, and 20 visible units that are all near 0 or all near 1 with it."""
    rbm = machine(20, 4, scale=0.0)
    with torch.no_grad():
        rbm.W[:, 0], rbm.b[:], rbm.c[0] = 8, -4, -80
    return rbm


def test_chains_that_start_in_both_of_two_modes_do_not_converge_and_those_of_one_agree() -> None:
    rbm, units = two_modes(), tuple(torch.arange(4).tensor_split(3))
    both = convergence(traces(rbm, units, 64, 200, "uniform", seeded(0)))
    assert both.enough is None
    assert both.r_hat[:, 1].min() > 5  # of the live unit
    assert convergence(traces(rbm, units, 64, 200, "bias", seeded(0))).enough is not None


def test_chains_of_independent_units_converge_at_once() -> None:
    rbm = machine(6, 3)
    with torch.no_grad():
        rbm.W.zero_()
    found = convergence(x := traces(rbm, (torch.arange(3),), 64, 300, "bias", seeded(0)))
    assert (found.enough or 300) < 20
    assert found.r_hat[:, 1].tolist() == [1] * len(found.steps)  # a constant activation
    assert autocorrelation_time(x[0]).item() == pytest.approx(1, abs=0.1)


def test_many_chains_run_for_ten_autocorrelation_times_and_few_for_a_thousand_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rbm, units = machine(3, 3, scale=0.5), tuple(torch.arange(3).tensor_split(3))
    with torch.no_grad():
        rbm.W += 2.6
        rbm.b -= rbm.W.sum(1) / 2 - 0.3
        rbm.c -= rbm.W.sum(0) / 2
        slow = max(exact_times(rbm, units))
        assert 120 < 10 * slow < 700
        found = []
        for seed in range(5):
            monkeypatch.setattr(chains, "_TRIAL_SEED", seed)
            rbm.trials.clear()
            found.append(chains.enough_steps(rbm, 513, "bias"))
        assert all(0.9 * 10 * slow < steps < 1.5 * 10 * slow for steps in found)  # the longest of four estimates
        assert chains.enough_steps(rbm, 512, "bias") == 1000
        assert chains.enough_steps(two_modes(), 513, "uniform") == 1000  # the modes are never left
        rbm.W.zero_()
        assert chains.enough_steps(rbm, 513, "bias") == 100


def test_blocks_of_samples_share_one_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm, trials = machine(4, 3), []
    whole = chains.traces
    monkeypatch.setattr(chains, "traces", lambda *arguments: trials.append(1) or whole(*arguments))
    first = chains.enough_steps(rbm, 1024, "bias")
    assert (chains.enough_steps(rbm, 1024, "bias"), len(trials)) == (first, 1)
    assert chains.enough_steps(copy.deepcopy(rbm), 1024, "bias") == first
    chains.enough_steps(rbm, 1024, "uniform")
    assert len(trials) == 2
    with torch.no_grad():
        rbm.c += 1
    chains.enough_steps(rbm, 1024, "bias")
    assert len(trials) == 3


@pytest.mark.parametrize("of", ["sample", "sample_codes"])
def test_a_number_of_steps_is_that_of_the_chains(of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rbm, seen = machine(4, 3), []
    monkeypatch.setattr(rbm, "sample_h", lambda v, generator=None: seen.append(len(v)) or rbm.prob_h(v))
    monkeypatch.setattr(chains, "enough_steps", lambda rbm, n, start: 7)
    for options in (RBMOptions(steps=5), RBMOptions()):
        getattr(plugin, of)(rbm, 3, seeded(0), options)
    assert seen == [3] * (5 + 7)


def test_diagnosis_reports_the_default_sampling_chains() -> None:
    rbm, x = machine(6, 5, scale=0.5), (noise(20, 6) > 0).double()
    found = plugin.diagnose(rbm, x, x, seeded(3))
    steps = chains.MOST
    of_chains = traces(rbm, classes(rbm, x), 64, steps, "bias", seeded(3))
    wanted, kept = convergence(of_chains), of_chains[:, steps // 2 :]
    assert found["steps until split-R̂ < 1.01 (sampling uses at most 1000 by default)"] == wanted.enough
    assert found["split-R̂ - 1 after 1000 steps, largest of 4 traces"] == wanted.r_hat[-1].max() - 1
    name = "effective sample size of 32000 states of 64 chains, smallest of 4 traces"
    assert found[name] == 32_000 / autocorrelation_time(kept).max()
    of = ["free energy"] + [f"activation of the {third} third of hidden units" for third in chains.CLASSES]
    times = [found[f"integrated autocorrelation time in steps: {name}"] for name in of]
    assert times == autocorrelation_time(kept).tolist()


def test_diagnosis_of_chains_that_do_not_converge_is_text_where_it_is_not_a_number() -> None:
    found = chains.diagnose(two_modes(), torch.eye(20).double(), 100, "uniform", seeded(0))
    assert found["steps until split-R̂ < 1.01 (sampling uses at most 100 by default)"] == "more than 100"
    frozen = two_modes()
    with torch.no_grad():
        frozen.W.mul_(100)
        frozen.b.mul_(100)
        frozen.c.mul_(100)
    found = chains.diagnose(frozen, torch.eye(20).double(), 100, "uniform", seeded(0))
    assert found["split-R̂ - 1 after 100 steps, largest of 4 traces"] == "infinite"
    assert all(math.isfinite(each) for each in found.values() if not isinstance(each, str))
