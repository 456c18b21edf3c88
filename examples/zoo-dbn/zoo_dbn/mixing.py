"""Do Gibbs chains that start at the examples arrive at the distribution of the machine? A test with another start.

Chains that start at the examples stay in the modes that the examples visit, and a mode that no example visits is missed
however many steps they make. So as many chains start elsewhere: n chains whose share of hidden units that are on is
spread evenly from none to all, an overdispersed start in the sense of Gelman & Rubin (1992),

    h_j ~ Bernoulli((i − ½)/n), j = 1, …, H, of chain i = 1, …, n,      v ~ p(v | h)

After the same number of Gibbs steps, both sets are drawn from p(v) if the chains have converged. The test statistic is
the energy distance of the two sets of n points in units of σ, and the test compares it with its values after random
exchanges of points between the sets. If both sets are independent draws of one distribution, any order of the 2n points
is equally likely, so that p ≤ α has a probability of at most α, for every n and every distribution.

The test has power against modes that the other start reaches: it needs a tenth to a fifth of the n = 100 chains in a
mode that the examples miss. Agreement is evidence of convergence, not a proof.

References:
    Gelman & Rubin (1992), Inference from Iterative Simulation Using Multiple Sequences, Statistical Science 7(4).
    Székely & Rizzo (2013), Energy statistics: A class of statistics based on distances, 10.1016/j.jspi.2013.03.018.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

import zoo
from zoo_dbn.model import RBM

PERMUTATIONS = 1999  # the smallest p is 1/2000
_ROUNDING = 1e-9  # relative difference of statistics that count as equal


@torch.no_grad()
def scattered(rbm: RBM, n: int, generator: Generator) -> Tensor:
    """v of n chains whose share of hidden units that are on is spread evenly from 0 to 1; shape (n, V)."""
    share = (torch.arange(n, dtype=rbm.W.dtype, device=rbm.W.device) + 0.5) / n
    return rbm.sample_v(zoo.bernoulli(share[:, None].expand(n, len(rbm.c)), generator), generator)


@torch.no_grad()
def p_value(x: Tensor, y: Tensor, generator: Generator, permutations: int = PERMUTATIONS) -> float:
    """p of the permutation test that x and y, both of shape (n, V), are draws of one distribution; at least 1/2000."""
    points = torch.cat([x, y]).double()
    D = torch.cdist(points, points)  # (2n, 2n)
    sign = torch.cat([D.new_ones(len(x)), -D.new_ones(len(y))])
    orders = torch.rand(permutations, len(sign), generator=generator, dtype=D.dtype, device=D.device).argsort(1)
    statistic = energy_distance(D, torch.cat([sign[None], sign[orders]]))
    reached = statistic >= statistic[0] - _ROUNDING * D.mean()
    return reached.double().mean().item()


def energy_distance(D: Tensor, sign: Tensor) -> Tensor:
    """2 E‖x − y‖ − E‖x − x'‖ − E‖y − y'‖ = −signᵀ D sign/n², for distances D (2n, 2n) and signs (…, 2n) of the sets."""
    n = D.shape[0] / 2
    return -((sign @ D) * sign).sum(-1) / n**2
