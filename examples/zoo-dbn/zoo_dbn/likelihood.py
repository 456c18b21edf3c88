"""The likelihood of a deep belief network: a lower bound from draws of the hidden units.

    log p(v) ≥ E_{q(h|v)} [log 1/k Σ_i w_i],       w = p(v|h¹) … p(h^{L−2}|h^{L−1}) p(h^{L−1}) / q(h|v)

with k draws of h; k = 1 is the bound of Hinton et al., and more draws make it tighter (Burda et al.). The top RBM's
log p(h^{L−1}) = −F(h^{L−1}) − log Z is exact if its smaller side has few enough units to enumerate:

    Z = Σ_v exp(−F(v)) = Σ_h exp(cᵀh) Π_i (1 + exp(b + W h)_i)

Otherwise it is a lower bound, from an estimate of log Z by reverse annealing that is too high in expectation
(Grosse et al.). With v = h^{L−1} the visible bits of the top RBM, the annealing passes the machines

    p_β(v) = p*_β(v) / Z_β      log p*_β(v) = (1 − β) b₀ᵀv + β bᵀv + Σ_j log(1 + exp(β (c + Wᵀv)_j))

    log Z_0 = H log 2 + Σ_i log(1 + exp(b₀_i)),     Z_1 = Z

from β = 1, where chains arrive by Gibbs steps from given examples, down to β = 0. A chain v_0, v_1, … whose k-th step
leaves p_{β_k} unchanged has the weight w = Π_k p*_{β_k}(v_{k−1}) / p*_{β_{k−1}}(v_{k−1}) with E w = Z_0 / Z_1, and
log Z is estimated by log Z_0 − log mean w. If chains from elsewhere do not arrive at the same distribution (`mixing`),
the result is an estimate and not a bound.

Log-densities are in nats and per example, float64; the chains run in the model's own precision.

Salakhutdinov & Murray (2008), On the Quantitative Analysis of Deep Belief Networks.
Grosse, Ghahramani & Adams (2015), Sandwiching the Marginal Likelihood Using Bidirectional Monte Carlo,
arXiv:1511.02543.
Burda, Grosse & Salakhutdinov (2016), Importance Weighted Autoencoders, arXiv:1509.00519.
"""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

import zoo
from zoo_dbn.mixing import p_value, scattered
from zoo_dbn.model import DBN, RBM

_RESOLUTION = 2.0**-24  # of the probabilities that `zoo.bernoulli` draws with: none is closer to 0 or 1
_MOST = 20  # units to enumerate: their 2^20 states take seconds
_BLOCK = 2**12  # states, or draws, in memory at a time
_CHAINS = 100  # of the annealing, and from each start that is compared
ALARM = 0.001  # level of the test that chains from both starts have the same distribution


@torch.no_grad()
def bound(model: DBN, x: Tensor, k: int, temperatures: int, generator: Generator) -> zoo.LogProb:
    """log 1/k Σ_i w_i for k draws of h for each example: in expectation ≤ log p(x).

    Args:
        model: the stack.
        x: bits or real values, shape (N, *shape).
        k: draws of h for each example.
        temperatures: temperatures of the annealing of the top RBM's log Z, and Gibbs steps before it; unused if log Z
            is enumerated.
        generator: source of all draws.

    Returns:
        A lower bound, float64, shape (N,), or an estimate if the top RBM has one; its stderr is that of the top RBM's
        log Z, which all examples share.
    """
    drawn = [weighted_draws(model, block, k, generator) for block in x.flatten(1).split(max(1, _BLOCK // k))]
    log_w, h = (torch.cat(blocks) for blocks in zip(*drawn, strict=True))
    top = log_prob(model.rbms[-1], h, temperatures, generator)
    nats = (log_w + top.nats).view(-1, k).logsumexp(1) - math.log(k)
    kind = "estimate" if top.kind == "estimate" else "lower"
    return zoo.LogProb(nats, kind, top.stderr, f"bound of {k} draws; top RBM: {top.method}")


def weighted_draws(model: DBN, v: Tensor, k: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw h ~ q(h|v), k times for each v (B, V): log w without p(h^{L−1}), (B k,), and h^{L−1}, (B k, H_{L−1})."""
    below = v.repeat_interleave(k, dim=0)
    log_w = v.new_zeros(len(below), dtype=torch.float64)
    for rbm in model.rbms[:-1]:
        q = rbm.prob_h(below)
        h = zoo.bernoulli(q, generator)
        log_w += log_conditional(rbm, below, h) - log_bernoulli(h.double(), q.double())
        below = h
    return log_w, below


def log_conditional(rbm: RBM, v: Tensor, h: Tensor) -> Tensor:
    """log p(v|h) in nats: v (B, V), h (B, H) -> (B,), float64."""
    mean, v = rbm.mean_v(h).double(), v.double()
    if not rbm.real:
        return log_bernoulli(v, mean)
    return -(((v - mean) / rbm.sigma).square() / 2 + math.log(rbm.sigma) + math.log(2 * math.pi) / 2).sum(1)


def log_bernoulli(bits: Tensor, p: Tensor) -> Tensor:
    """log ∏_i p_i^{b_i} (1 − p_i)^{1 − b_i} in nats, (…, D) -> (…), for p at the resolution of `zoo.bernoulli`."""
    p = p.clamp(_RESOLUTION, 1 - _RESOLUTION)
    return (bits * p.log() + (1 - bits) * (-p).log1p()).sum(-1)


@torch.no_grad()
def log_prob(rbm: RBM, v: Tensor, temperatures: int, generator: Generator) -> zoo.LogProb:
    """log p(v) under an RBM over bits, v (N, V): exact if log Z can be enumerated, otherwise a bound or an estimate.

    The bound is one if the chains of the annealing start at draws of p(v). They reach it by Gibbs steps from examples,
    and are compared with as many chains that start elsewhere; if a test of level ALARM tells them apart, the result is
    an estimate.

    Args:
        rbm: the machine.
        v: bits, shape (N, V); the chains of the annealing start at some of them.
        temperatures: temperatures of the annealing, and Gibbs steps before it.
        generator: source of all draws.
    """
    machine = copy.deepcopy(rbm).double()
    nats = -torch.cat([machine.free_energy(some.double()) for some in v.split(_BLOCK)])
    units = min(rbm.W.shape)
    if units <= _MOST:
        return zoo.LogProb(nats - log_partition(rbm), "exact", method=f"enumeration of 2^{units} states")
    examples = v[torch.randint(len(v), (_CHAINS,), generator=generator, device=v.device)].to(rbm.W.dtype)
    chains = torch.cat([examples, scattered(rbm, _CHAINS, generator)])
    for _ in range(temperatures):
        chains = rbm.gibbs_step(chains, generator)
    apart = disagreement(rbm, chains[:_CHAINS], chains[_CHAINS:], temperatures, generator)
    log_z, stderr, effective = annealed_log_partition(rbm, chains[:_CHAINS], temperatures, generator)
    method = (
        f"reverse AIS, {temperatures} temperatures, {_CHAINS} chains started {temperatures} Gibbs steps from the "
        f"examples, effective sample size {effective:.0f}"
    )
    if apart:
        return zoo.LogProb(nats - log_z, "estimate", stderr, f"{method} (an estimate only: {apart})")
    return zoo.LogProb(nats - log_z, "lower", stderr, method)


def disagreement(rbm: RBM, from_examples: Tensor, from_elsewhere: Tensor, steps: int, generator: Generator) -> str:
    """Return why chains from two starts, each (n, V), are not draws of p(v); "" if no difference is detected."""
    p = p_value(from_examples, from_elsewhere, generator)
    if p > ALARM:
        return ""
    F_examples, F_elsewhere = (rbm.free_energy(v).mean().item() for v in (from_examples, from_elsewhere))
    return (
        f"chains from the examples and chains from random hidden units differ after {steps} Gibbs steps, p = {p:.4f}: "
        f"mean free energy {F_examples:.1f} and {F_elsewhere:.1f} nats; raise sample.temperatures; if they still "
        "differ, the examples miss a mode of the machine, or hold it in another proportion"
    )


@torch.no_grad()
def log_partition(rbm: RBM) -> Tensor:
    """log Z of an RBM over bits, a scalar, by the sum over all states of its smaller side."""
    rbm = copy.deepcopy(rbm).double()
    V, H = rbm.W.shape
    units = min(V, H)
    place = 2 ** torch.arange(units, device=rbm.W.device)
    found = []
    for numbers in torch.arange(2**units, device=rbm.W.device).split(_BLOCK):
        states = (numbers[:, None] & place != 0).double()  # (up to _BLOCK, units)
        log_weight = (
            states @ rbm.c + F.softplus(rbm.b + states @ rbm.W.T).sum(-1) if H < V else -rbm.free_energy(states)
        )
        found.append(log_weight.logsumexp(0))
    return torch.stack(found).logsumexp(0)


@torch.no_grad()
def annealed_log_partition(rbm: RBM, v: Tensor, temperatures: int, generator: Generator) -> tuple[float, float, float]:
    """Estimate log Z of an RBM over bits by reverse annealing; too high in expectation.

    Args:
        rbm: the machine.
        v: the start of each chain, shape (C, V); the estimate is as good as these are draws of p(v).
        temperatures: equal steps of β from 1 to 0.
        generator: source of all draws.

    Returns:
        log Z in nats; its standard error by the delta method, sd(w) / (mean(w) √C); the effective sample size
        (Σ w)² / Σ w² of the C chains.
    """
    log_w = v.new_zeros(len(v), dtype=torch.float64)
    for beta, lower in pairwise(step / temperatures for step in range(temperatures, -1, -1)):
        a = rbm.input_h(v)  # (C, H)
        log_w += (lower - beta) * (v @ (rbm.b - rbm.b0)) + (F.softplus(lower * a) - F.softplus(beta * a)).sum(-1)
        h = zoo.bernoulli((lower * a).sigmoid(), generator)
        v = zoo.bernoulli(torch.addmm(torch.lerp(rbm.b0, rbm.b, lower), h, rbm.W.T, alpha=lower).sigmoid(), generator)
    base = len(rbm.c) * math.log(2) + F.softplus(rbm.b0.double()).sum().item()
    w = (log_w - log_w.max()).exp()
    stderr = (w.std() / w.mean()).item() / math.sqrt(len(v))
    log_mean = log_w.logsumexp(0).item() - math.log(len(v))
    return base - log_mean, stderr, (w.sum().square() / w.square().sum()).item()
