"""Diagnostics of the sampling chains: autocorrelation time, effective sample size and split-R̂ of scalar traces.

A trace is a scalar of the state at each of T steps of C chains, shape (…, T, C).

    ρ_t = γ_t/γ_0           γ_t = Σ_c Σ_s (x_sc - x̄)(x_{s+t,c} - x̄)/(C (T - t))        x̄ over all steps and chains
    τ = 1 + 2 Σ_{t≥1} ρ_t   integrated autocorrelation time, in steps
    CT/τ                    effective sample size

The sum ends before the first pair ρ_2k + ρ_2k+1 that is not positive: Geyer's initial positive sequence. The pairs of a
reversible chain are positive, and v of an RBM's Gibbs chain is one. Deviations are from the mean over all chains, so
that chains around different means have a long τ.

Split-R̂ is that of Gelman et al. (2013), section 11.4, without rank-normalisation. Each chain is cut into two halves of
n steps:

    R̂² = ((n - 1)/n W + B/n)/W        W: mean variance within a half        B/n: variance of the means of the halves

For m steps of chains in equilibrium, R̂² ≈ 1 + 2 (τ - 1)/m. R̂ < 1.01 therefore takes about 100 (τ - 1) steps, many more
than a chain needs to forget its start: if ρ_t = ρ^t, then ρ ≈ exp(-2/τ), and after 10 τ a share of 2·10⁻⁹ of the start
is left. Conversely, chains that start alike and miss the same mode agree: R̂ near 1 is evidence of convergence, not a
proof.

References:
    Geyer (1992), Practical Markov Chain Monte Carlo, Statistical Science 7(4), section 3.3.
    Gelman et al. (2013), Bayesian Data Analysis, third edition, sections 11.4 and 11.5.
    Vehtari et al. (2021), Rank-Normalization, Folding, and Localization: An Improved R̂, Bayesian Analysis 16(2): the
    threshold 1.01.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

import zoo

from .model import AT_ONCE, RBM

MOST = 1000  # Gibbs steps of a sample, unless the user sets another number
FEWEST = 100
FORGOTTEN = 10  # autocorrelation times after which a chain has forgotten its start
CONVERGED = 1.01  # R̂ below it (Vehtari et al. 2021)
CHAINS = 64
_TRIAL_SEED = 0  # never used for training or samples
SHORTEST = 8  # steps: the first rung
RUNGS = 4  # per doubling of the steps
CLASSES = ("least variable", "middle", "most variable")  # thirds of the hidden units


def autocorrelation(x: Tensor) -> Tensor:
    """ρ_t of traces of shape (…, T, C) for the lags 0 to T - 1, shape (…, T); 0 at lags t ≥ 1 if x is constant."""
    T = x.shape[-2]
    x = _centred(x)
    power = torch.fft.rfft(x, 2 * T, dim=-2).abs().square()  # zeros after the end: no product wraps around
    pairs = torch.arange(T, 0, -1, dtype=x.dtype, device=x.device)
    covariance = torch.fft.irfft(power, 2 * T, dim=-2)[..., :T, :].mean(-1) / pairs
    variance = covariance[..., :1]
    white = torch.zeros_like(covariance)
    white[..., 0] = 1
    return torch.where(variance > 0, covariance / variance, white)


def autocorrelation_time(x: Tensor) -> Tensor:
    """τ = 1 + 2 Σ_{t≥1} ρ_t by Geyer's initial positive sequence; steps, shape (…) for traces of shape (…, T, C).

    It is too small on average unless T is many times τ: lags beyond T are not seen.
    """
    rho = autocorrelation(x)
    pairs = rho[..., : rho.shape[-1] // 2 * 2].unflatten(-1, (-1, 2)).sum(-1)  # ρ_2k + ρ_2k+1
    return 2 * (pairs * (pairs > 0).cumprod(-1)).sum(-1) - 1


def effective_sample_size(x: Tensor) -> Tensor:
    """CT/τ, the number of independent draws whose mean is as accurate; shape (…) for traces of shape (…, T, C)."""
    return x.shape[-2] * x.shape[-1] / autocorrelation_time(x)


def split_r_hat(x: Tensor) -> Tensor:
    """R̂ over the halves of each chain, shape (…) for traces of shape (…, T, C).

    The first step is left out if T is odd. A constant trace has R̂ = 1; constant chains that differ have R̂ = ∞.

    Raises:
        ValueError: for fewer than 4 steps.
    """
    if x.shape[-2] < 4:
        raise ValueError(f"split-R̂ requires at least 4 steps, got {x.shape[-2]}")
    n = x.shape[-2] // 2
    halves = torch.cat(_centred(x)[..., -2 * n :, :].split(n, -2), -1)  # (…, n, 2C)
    within = halves.var(-2).mean(-1)
    between = halves.mean(-2).var(-1)
    ratio = (n - 1) / n + between / within
    return torch.where(within + between > 0, ratio, 1.0).sqrt()


def _centred(x: Tensor) -> Tensor:
    """Subtract the mean over all steps and chains, in float64; exactly 0 if x is constant."""
    x = x.double()
    x = x - x[..., :1, :1]
    return x - x.mean((-2, -1), keepdim=True)


class Convergence(NamedTuple):
    """Split-R̂ of the first s steps, for a ladder of s."""

    steps: list[int]  # ascending, S of them
    r_hat: Tensor  # (S, K), one column per trace
    enough: int | None  # the smallest s from which R̂ < 1.01 for every trace


def convergence(x: Tensor) -> Convergence:
    """Return split-R̂ of the first s steps of traces (K, T, C) that begin at the start of the chains, for s up to T."""
    steps = ladder(x.shape[-2])
    r_hat = torch.stack([split_r_hat(x[:, :s]) for s in steps])
    return Convergence(steps, r_hat, enough(steps, r_hat))


def ladder(steps: int) -> list[int]:
    """The numbers of steps from 8 to `steps`, a factor of 2^(1/4) apart, rounded; only `steps` if it is less than 8."""
    rungs, k = [steps], 1
    while (rung := round(steps * 2 ** (-k / RUNGS))) >= SHORTEST:
        rungs.append(rung)
        k += 1
    return sorted(set(rungs))


def enough(steps: list[int], r_hat: Tensor) -> int | None:
    """The smallest number of steps from which on R̂, of shape (S, K), is below 1.01 for every trace; None if none."""
    below = (r_hat < CONVERGED).all(-1).flip(0).cumprod(0).sum()  # rungs at the end of the ladder
    return steps[-int(below)] if below else None


@torch.no_grad()
def classes(rbm: RBM, v: Tensor) -> tuple[Tensor, ...]:
    """Thirds of the hidden units, ordered by how much p(h = 1 | v) varies over examples v of shape (N, V): indices.

    The order is that of the standard deviations. Units that vary most tell the modes apart, and tend to be the slowest;
    the means say little, because almost all are near ½ after training with centred gradients. The order comes from the
    examples, so that it does not depend on the chains. Fewer than 3 hidden units make fewer classes.
    """
    spread = rbm.prob_h(v).std(0, correction=0)
    return spread.argsort(stable=True).tensor_split(min(len(CLASSES), len(spread)))


@torch.no_grad()
def traces(
    rbm: RBM,
    units: tuple[Tensor, ...],
    n: int,
    steps: int,
    start: Literal["bias", "uniform"],
    generator: Generator,
) -> Tensor:
    """F(v), and the mean of p(h = 1 | v) over each class of hidden units, at each step of n chains of `sample_codes`.

    All are functions of v. The activations are probabilities, not draws, whose noise would hide slow changes.

    Args:
        rbm: the machine.
        units: the indices of each class.
        n: number of chains.
        steps: Gibbs steps of each chain.
        start: the start of the chains, as in `sample_codes`.
        generator: the source of all draws; the chains equal those of `sample_codes` if n is at most 512.

    Returns:
        Shape (1 + len(units), steps, n).
    """
    mean = torch.stack([F.one_hot(each, len(rbm.c)).sum(0) / len(each) for each in units], 1).to(rbm.W)  # (H, K - 1)
    found = rbm.W.new_empty(1 + len(units), steps, n)
    h = zoo.bernoulli(rbm.W.new_full((n, len(rbm.c)), 0.5 if start == "uniform" else 0.0), generator)
    for t in range(steps):
        v = rbm.sample_v(h, generator)
        a = rbm.input_h(v)
        found[0, t] = rbm.visible_energy(v) - F.softplus(a).sum(-1)
        p = a.sigmoid_()
        found[1:, t] = (p @ mean).T
        h = zoo.bernoulli(p, generator)
    return found


@torch.no_grad()
def enough_steps(rbm: RBM, n: int, start: Literal["bias", "uniform"]) -> int:
    """Return the Gibbs steps after which n chains are samples: 10 τ, from 100 to 1000; 1000 for up to 512 chains.

    τ is the longest autocorrelation time of the traces of 64 trial chains, over the second half of 1000 steps. For few
    chains, the trial would take longer than it saves. The trial's draws have a seed of their own, so that the number
    depends on the machine only; the machine remembers it while its weights are the same.
    """
    if n <= AT_ONCE:
        return MOST
    weights = [each.detach() for each in (rbm.W, rbm.b, rbm.c)]
    trial = rbm.trials.get(start)
    if trial is None or not all(map(torch.equal, trial[0], weights)):
        trial = rbm.trials[start] = [each.clone() for each in weights], _steps_of_trial(rbm, start)
    return trial[1]


def _steps_of_trial(rbm: RBM, start: Literal["bias", "uniform"]) -> int:
    draws = zoo.generator(_TRIAL_SEED, "trial chains", rbm.W.device)
    v = rbm.sample_v(rbm.sample_codes(CHAINS, FEWEST, start, draws), draws)
    x = traces(rbm, classes(rbm, v), CHAINS, MOST, start, draws)[:, MOST // 2 :]
    return min(max(FEWEST, math.ceil(FORGOTTEN * autocorrelation_time(x).max().item())), MOST)


def diagnose(
    rbm: RBM, v: Tensor, steps: int, start: Literal["bias", "uniform"], generator: Generator
) -> dict[str, float | str]:
    """Return the figures by name: R̂ of 64 chains from their start, τ and sample size of the second half of each chain.

    Args:
        rbm: the trained machine.
        v: training examples, shape (N, V); they determine the classes of hidden units.
        steps: the most Gibbs steps that sampling uses by default, and those of the chains here.
        start: the start of the chains, as in `sample_codes`.
        generator: the source of all draws.
    """
    units = classes(rbm, v)
    x = traces(rbm, units, CHAINS, steps, start, generator)
    found = convergence(x)
    excess = found.r_hat[-1].max().item() - 1  # R̂ to three digits would hide on which side of 1.01 it is
    kept = x[:, steps // 2 :]
    names = ["free energy", *(f"activation of the {third} third of hidden units" for third in CLASSES[: len(units)])]
    times = autocorrelation_time(kept).tolist()
    states = kept.shape[1] * CHAINS
    return {
        f"steps until split-R̂ < {CONVERGED} (sampling uses at most {steps} by default)": (
            f"more than {steps}" if found.enough is None else float(found.enough)
        ),
        f"split-R̂ - 1 after {steps} steps, largest of {len(names)} traces": (
            excess if math.isfinite(excess) else "infinite"
        ),
        **{f"integrated autocorrelation time in steps: {name}": time for name, time in zip(names, times, strict=True)},
        f"effective sample size of {states} states of {CHAINS} chains, smallest of {len(names)} traces": (
            effective_sample_size(kept).min().item()
        ),
    }
