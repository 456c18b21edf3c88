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
from .mixing import p_value, scattered
from .model import RBM

MOST = 20  # enumerated units: 2^20 states take seconds
BLOCK = 2**12  # states in memory at a time
WIDE = 1.0  # nats: a wider bracket is reported with a warning
SURE = 4.0  # standard errors by which the ends of a bracket may cross by chance
PROBES = 100  # chains from each start that are compared
ALARM = 0.001  # level of the test that chains from both starts have the same distribution


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
    rbm: RBM, x: Tensor, temperatures: int, chains: int, burn_in: int, generator: Generator
) -> tuple[zoo.LogProb, zoo.LogProb]:
    """Return bounds on log p(x) for x of shape (N, V), lower by reverse AIS, upper by AIS; or two estimates.

    The chains of reverse AIS start at random examples, and reach p(v) by Gibbs steps. PROBES of them are compared with
    as many that start elsewhere (`mixing`). If a test of level ALARM tells them apart, they have not reached p(v), nor
    if the ends of the bracket cross by more than their standard errors explain; both are then estimates.

    Args:
        rbm: the RBM, in whose precision the chains run.
        x: the examples.
        temperatures: equal steps of β, in each direction.
        chains: C chains in each direction.
        burn_in: Gibbs steps from the examples, and from the other start.
        generator: the source of all draws.

    Returns:
        The lower and the upper end, or two estimates, the lower one first. The stderr of each is that of its log Z,
        which all examples share.
    """
    n = max(chains, PROBES)
    examples = x[torch.randint(len(x), (n,), generator=generator, device=x.device)].to(rbm.W.dtype)
    v = torch.cat([examples, scattered(rbm, PROBES, generator)])
    for _ in range(burn_in):
        v = rbm.gibbs_step(v, generator)
    from_examples, from_elsewhere = v[:n], v[n:]
    apart = disagreement(rbm, from_examples[:PROBES], from_elsewhere, burn_in, generator)
    above = reverse_ais(rbm, from_examples[:chains], temperatures, generator)
    below = ais(rbm, temperatures, chains, generator)
    reason = "; ".join(filter(None, (apart, crossing(below, above))))
    setting = f"{temperatures} temperatures, {chains} chains"
    reverse = f"reverse AIS, {setting} started {burn_in} Gibbs steps from the examples, {_effective(above)}"
    forward = f"AIS, {setting}, {_effective(below)}"
    nats = _unnormalised(rbm, x)
    if reason:
        pairs = sorted([(above, reverse), (below, forward)], key=lambda pair: -pair[0].log_partition)
        first, second = (
            zoo.LogProb(nats - found.log_partition, "estimate", found.stderr, f"{method} (an estimate only: {reason})")
            for found, method in pairs
        )
        return first, second
    return (
        zoo.LogProb(nats - above.log_partition, "lower", above.stderr, reverse),
        zoo.LogProb(nats - below.log_partition, "upper", below.stderr, forward + warning(below, above)),
    )


def disagreement(rbm: RBM, from_examples: Tensor, from_elsewhere: Tensor, burn_in: int, generator: Generator) -> str:
    """Return why chains from two starts, each (n, V), are not draws of p(v); "" if no difference is detected."""
    p = p_value(from_examples / rbm.sigma, from_elsewhere / rbm.sigma, generator)
    if p > ALARM:
        return ""
    F_examples, F_elsewhere = (rbm.free_energy(v).mean().item() for v in (from_examples, from_elsewhere))
    shift = (rbm.prob_h(from_examples).mean(0) - rbm.prob_h(from_elsewhere).mean(0)).abs().max().item()
    return (
        "chains from the examples and chains from random hidden units "
        f"differ after {burn_in} Gibbs steps, p = {p:.4f}: mean free energy {F_examples:.1f} and {F_elsewhere:.1f} "
        f"nats, the mean of one hidden unit by {shift:.2f}; raise sample.burn_in; if they still differ, the examples "
        "miss a mode of the machine, or hold it in another proportion"
    )


def warning(below: Estimate, above: Estimate) -> str:
    """Return advice on a bracket of log Z that is too wide; "" for a good bracket."""
    width = above.log_partition - below.log_partition
    return f" (warning: the bracket is {width:.1f} nats wide; raise sample.temperatures)" if width > WIDE else ""


def crossing(below: Estimate, above: Estimate) -> str:
    """Return by how much the ends cross if they cross by more than SURE standard errors; "" otherwise."""
    width, noise = above.log_partition - below.log_partition, math.hypot(below.stderr, above.stderr)
    if width >= -SURE * noise:
        return ""
    return (
        f"the ends of the bracket cross by {-width:.2g} nats, with a standard error of {noise:.2g}; "
        "raise sample.burn_in and sample.ais_chains"
    )


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
