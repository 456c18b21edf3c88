"""log p(v) = -F(v) - log Z, with Z summed over every state of the side of the machine that has fewer units.

    bits:         Z = Σ_v exp(-F(v)) = Σ_h exp(cᵀh) Π_i (1 + exp(a_i))                        a = b + W h
    real values:  Z = ∫ exp(-F(v)) dv = Σ_h exp(cᵀh) (2πσ²)^(V/2) exp((‖a‖² - ‖b‖²)/2σ²)

What is not enumerated is summed, or integrated, in closed form. Everything is float64 and in nats.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

import zoo

from .model import RBM

MOST = 20  # units: their 2^20 states take seconds
BLOCK = 2**12  # states in memory at a time


def enumerated_units(rbm: RBM) -> int:
    """How many units log Z enumerates: the smaller side of the two, the hidden one where v is real."""
    V, H = rbm.W.shape
    return H if rbm.real else min(V, H)


@torch.no_grad()
def log_prob(rbm: RBM, v: Tensor) -> Tensor:
    """log p(v), exact, for v of shape (N, V); shape (N,).

    Raises:
        zoo.Unsupported: if there are too many units to enumerate.
    """
    log_Z = log_partition(rbm)
    return -copy.deepcopy(rbm).double().free_energy(v.double()) - log_Z


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
            f"hidden={MOST} or fewer makes it exact"
        )
    rbm = copy.deepcopy(rbm).double()
    log_weight = log_weight_h if units == len(rbm.c) else log_weight_v
    return torch.stack([log_weight(rbm, block).logsumexp(0) for block in states(units)]).logsumexp(0)


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


def states(units: int) -> Iterator[Tensor]:
    """All 2^units patterns of bits in blocks of shape (up to BLOCK, units), float64."""
    place = 2 ** torch.arange(units)
    for numbers in torch.arange(2**units).split(BLOCK):
        yield (numbers[:, None] & place != 0).double()
