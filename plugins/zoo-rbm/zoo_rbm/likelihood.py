"""log p(v) = -F(v) - log Z, with Z summed over all states of the side (visible or hidden) with fewer units.

    bits:         Z = Σ_v exp(-F(v)) = Σ_h exp(cᵀh) Π_i (1 + exp(a_i))                        a = b + W h
    real values:  Z = ∫ exp(-F(v)) dv = Σ_h exp(cᵀh) (2πσ²)^(V/2) exp((‖a‖² - ‖b‖²)/2σ²)

The other side is summed, or integrated, in closed form. For larger RBMs, annealing gives a bracket of log Z. Everything
is float64 and in nats, except the annealing chains, which run in the precision of the RBM.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

import zoo

from .annealing import Estimate, ais, reverse_ais
from .model import RBM

MOST = 20  # enumerated units: 2^20 states take seconds
BLOCK = 2**12  # states in memory at a time
WIDE = 1.0  # nats: a wider bracket is reported with a warning
SURE = 4.0  # standard errors by which the ends of a bracket may cross


def enumerated_units(rbm: RBM) -> int:
    """Number of units that log Z enumerates: those of the smaller side, or the hidden units if v is real."""
    V, H = rbm.W.shape
    return H if rbm.real else min(V, H)


@torch.no_grad()
def log_prob(rbm: RBM, v: Tensor) -> Tensor:
    """log p(v), exact, for v of shape (N, V); shape (N,).

    Raises:
        zoo.Unsupported: if there are too many units to enumerate.
    """
    return _unnormalised(rbm, v) - log_partition(rbm)


@torch.no_grad()
def bracket(
    rbm: RBM, v: Tensor, temperatures: int, chains: int, burn_in: int, generator: Generator
) -> tuple[zoo.LogProb, zoo.LogProb]:
    """Return bounds on log p(v) for v of shape (N, V): lower by reverse AIS, upper by AIS.

    Args:
        rbm, temperatures, chains, burn_in, generator: as in `annealing`.
        v: the examples; the chains of reverse AIS start at a random subset.

    Returns:
        The lower and the upper end. The stderr of each is that of its log Z, which all examples share.
    """
    above = reverse_ais(rbm, v, temperatures, chains, burn_in, generator)
    below = ais(rbm, temperatures, chains, generator)
    setting = f"{temperatures} temperatures, {chains} chains"
    lower = f"reverse AIS, {setting} started {burn_in} Gibbs steps from the examples, {_effective(above)}"
    upper = f"AIS, {setting}, {_effective(below)}{warning(below, above)}"
    nats = _unnormalised(rbm, v)
    return (
        zoo.LogProb(nats - above.log_partition, "lower", above.stderr, lower),
        zoo.LogProb(nats - below.log_partition, "upper", below.stderr, upper),
    )


def warning(below: Estimate, above: Estimate) -> str:
    """Return advice on a bracket of log Z that is too wide or whose ends cross; "" for a good bracket."""
    width = above.log_partition - below.log_partition
    if width > WIDE:
        return f" (warning: the bracket is {width:.1f} nats wide; raise sample.temperatures)"
    if width < -SURE * math.hypot(below.stderr, above.stderr):
        return f" (warning: the ends cross by {-width:.1f} nats, so neither is a bound; raise sample.burn_in)"
    return ""


def _effective(estimate: Estimate) -> str:
    return f"effective sample size {estimate.effective:.0f}"


def _unnormalised(rbm: RBM, v: Tensor) -> Tensor:
    """-F(v), float64, shape (N,)."""
    return -copy.deepcopy(rbm).double().free_energy(v.double())


@torch.no_grad()
def log_prob_h(rbm: RBM, h: Tensor) -> Tensor:
    """log p(h) for h of shape (N, H); shape (N,).

    Raises:
        zoo.Unsupported: if there are too many units to enumerate.
    """
    return log_weight_h(copy.deepcopy(rbm).double(), h.double()) - log_partition(rbm)


@torch.no_grad()
def log_partition(rbm: RBM) -> Tensor:
    """log Z, a scalar.

    Raises:
        zoo.Unsupported: if there are too many units to enumerate.
    """
    units = enumerated_units(rbm)
    if units > MOST:
        sides = "hidden units" if rbm.real else "units on the smaller side"
        raise zoo.Unsupported(
            f"log Z is summed over all states of at most {MOST} units, and this RBM has {units} {sides}; "
            f"use hidden={MOST} or fewer for an exact value"
        )
    rbm = copy.deepcopy(rbm).double()
    log_weight = log_weight_h if units == len(rbm.c) else log_weight_v
    return torch.stack([log_weight(rbm, block).logsumexp(0) for block in states(units, rbm.W.device)]).logsumexp(0)


def log_weight_v(rbm: RBM, v: Tensor) -> Tensor:
    """log Σ_h exp(-E(v, h)) = -F(v); shape (B,)."""
    return -rbm.free_energy(v)


def log_weight_h(rbm: RBM, h: Tensor) -> Tensor:
    """log Σ_v exp(-E(v, h)), or the integral over v, in closed form; shape (B,)."""
    a = rbm.b + h @ rbm.W.T
    if rbm.real:
        log_normaliser = 0.5 * len(rbm.b) * math.log(2 * math.pi * rbm.sigma**2)
        return h @ rbm.c + log_normaliser + (a.square() - rbm.b.square()).sum(-1) / (2 * rbm.sigma**2)
    return h @ rbm.c + F.softplus(a).sum(-1)


def states(units: int, device: torch.device | None = None) -> Iterator[Tensor]:
    """All 2^units patterns of bits in blocks of shape (up to BLOCK, units), float64."""
    place = 2 ** torch.arange(units, device=device)
    for numbers in torch.arange(2**units, device=device).split(BLOCK):
        yield (numbers[:, None] & place != 0).double()
