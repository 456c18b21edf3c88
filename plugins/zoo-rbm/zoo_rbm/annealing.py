"""log Z of an RBM that is too large to enumerate, by annealed importance sampling, from below and from above.

Between independent units (β = 0: no weights, visible biases b₀) and the RBM (β = 1) lie the distributions

    p_β(v) = p*_β(v) / Z_β      log p*_β(v) = (1 - β) U₀(v) + β U(v) + Σ_j log(1 + exp(β a_j))      a = c + Wᵀ v/σ²

    bits:         U(v) = bᵀv                 U₀(v) = b₀ᵀv                  log Z_0 = H log 2 + Σ_i log(1 + exp(b₀_i))
    real values:  U(v) = -½ ‖(v - b)/σ‖²     U₀(v) = -½ ‖(v - b₀)/σ‖²      log Z_0 = H log 2 + V/2 log(2πσ²)

A chain passes β_0, …, β_K by Gibbs steps v_k ~ T_k(v_{k-1}), each of which leaves p_{β_k} unchanged. Its weight is

    w = Π_k p*_{β_k}(v_{k-1}) / p*_{β_{k-1}}(v_{k-1})             E w = Z_{β_K} / Z_{β_0}

Upwards, from v_0 ~ p_0, the estimate of log Z is log Z_0 + log mean w: too low in expectation, since log is concave,
so that likelihoods are too high. Downwards, from v_0 ~ p_1, it is log Z_0 - log mean w: too high in expectation. The
two enclose log Z if the downward chains start at p_1; Gibbs steps from given examples bring them close to it,
unless p_1 has modes that no example visits (`mixing`).

Energies and log-weights are in nats; C is the number of chains.

References:
    Neal (2001), Annealed Importance Sampling, Statistics and Computing 11.
    Salakhutdinov & Murray (2008), On the Quantitative Analysis of Deep Belief Networks, ICML.
    Grosse, Ghahramani & Adams (2015), Sandwiching the Marginal Likelihood Using Bidirectional Monte Carlo,
    arXiv:1511.02543.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

import zoo

from .model import RBM


@dataclass(frozen=True)
class Estimate:
    """An estimate of log Z from C weights.

    Args:
        log_partition: log Z in nats.
        stderr: of log Z, by the delta method: sd(w) / (mean(w) √C).
        effective: effective sample size (Σ w)² / Σ w², between 1 and C.
    """

    log_partition: float
    stderr: float
    effective: float


@torch.no_grad()
def ais(rbm: RBM, temperatures: int, chains: int, generator: Generator) -> Estimate:
    """Estimate log Z from below: annealing upwards, from draws of independent units.

    Args:
        rbm: the RBM; chains run in its precision, weights are summed in float64.
        temperatures: K, equal steps of β from 0 to 1.
        chains: C, 2 or more.
        generator: the source of all draws.
    """
    mean = (rbm.b0 if rbm.real else torch.sigmoid(rbm.b0)).expand(chains, -1)
    log_w = anneal(rbm, rbm.draw_v(mean, generator), evenly(temperatures), generator)
    return Estimate(base_log_partition(rbm) + log_mean(log_w), *spread(log_w))


@torch.no_grad()
def reverse_ais(rbm: RBM, v: Tensor, temperatures: int, generator: Generator) -> Estimate:
    """Estimate log Z from above: annealing downwards, from draws of the RBM's distribution.

    Args:
        rbm, temperatures, generator: as in `ais`.
        v: the start of each chain, shape (C, V); the estimate is as good as these are draws of p(v).
    """
    log_w = anneal(rbm, v, evenly(temperatures)[::-1], generator)
    return Estimate(base_log_partition(rbm) - log_mean(log_w), *spread(log_w))


def evenly(temperatures: int) -> list[float]:
    """β from 0 to 1 in K equal steps."""
    return [k / temperatures for k in range(temperatures + 1)]


def anneal(rbm: RBM, v: Tensor, betas: list[float], generator: Generator) -> Tensor:
    """log w of the chains that start at v, shape (C, V), and pass through `betas`; float64, shape (C,)."""
    log_w = v.new_zeros(len(v), dtype=torch.float64)
    for beta, next_beta in pairwise(betas):
        a = rbm.input_h(v)
        before, a = F.softplus(beta * a), a.mul_(next_beta)
        log_w += (next_beta - beta) * tilt(rbm, v) + (F.softplus(a) - before).sum(-1)
        h = zoo.bernoulli(a.sigmoid_(), generator)
        v = rbm.draw_v(mean_v(rbm, h, next_beta), generator)
    return log_w


def mean_v(rbm: RBM, h: Tensor, beta: float) -> Tensor:
    """E[v | h] under p_β, shape (C, V)."""
    a = torch.addmm(torch.lerp(rbm.b0, rbm.b, beta), h, rbm.W.T, alpha=beta)
    return a if rbm.real else a.sigmoid_()


def tilt(rbm: RBM, v: Tensor) -> Tensor:
    """U(v) - U₀(v), linear in v for both kinds of units; shape (C,)."""
    linear = v @ (rbm.b - rbm.b0) / rbm.sigma**2
    return linear + (rbm.b0.square() - rbm.b.square()).sum() / (2 * rbm.sigma**2) if rbm.real else linear


def base_log_partition(rbm: RBM) -> float:
    """log Z of the independent units at β = 0."""
    V, H = rbm.W.shape
    visible = 0.5 * V * math.log(2 * math.pi * rbm.sigma**2) if rbm.real else F.softplus(rbm.b0.double()).sum().item()
    return H * math.log(2) + visible


def log_mean(log_w: Tensor) -> float:
    """log(1/C Σ w)."""
    return log_w.logsumexp(0).item() - math.log(len(log_w))


def spread(log_w: Tensor) -> tuple[float, float]:
    """Standard error of `log_mean`, by the delta method, and the effective sample size."""
    w = (log_w - log_w.max()).exp()
    return (w.std() / w.mean()).item() / math.sqrt(len(w)), (w.sum().square() / w.square().sum()).item()
