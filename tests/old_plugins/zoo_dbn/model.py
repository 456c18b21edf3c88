"""The deep belief network: an RBM on top of directed layers, each of them the lower half of an RBM of its own.

    p(v) = Σ_{h¹ … h^{L−1}} p(v|h¹) p(h¹|h²) … p(h^{L−2}|h^{L−1}) p(h^{L−1})

    p(v|h¹), p(h^{l}|h^{l+1})      the conditionals of the visible units of RBM 1 and RBM l + 1
    p(h^{L−1})                     RBM L: a Gibbs chain samples it
    q(h¹|v), q(h^{l+1}|h^{l})      those of the hidden units, which go up and make q(h|v) = ∏_l q(h^l|h^{l−1})

v (V,) are bits or real values, h^l (H_l,) bits; h⁰ is v. An RBM has p(v) = Σ_h p(v|h) p(h) with a p(h) that its own
weights fix. Training them one after the other keeps p(v|h) and replaces p(h) by a better model of the codes
q(h) = 1/N Σ_n q(h|v_n), the next RBM (Hinton et al., section 4). What raises E_q[log p(h¹)] raises the bound

    log p(v) ≥ E_{q(h|v)} [log 1/k Σ_i w_i],       w = p(v|h¹) … p(h^{L−2}|h^{L−1}) p(h^{L−1}) / q(h|v)

with k draws of h; k = 1 is the bound of Hinton et al., and more draws make it tighter (Burda et al.). The top RBM's own
log p(h^{L−1}) is exact where it can be enumerated, and a lower bound from annealing otherwise (Salakhutdinov & Murray).

The code of v is h¹, whose density the upper layers are. The RBMs are those of the zoo: built by `zoo.create("rbm")`,
trained by that plugin's hooks, used by the methods of `zoo.Model`. Log-densities are in nats and per example, (B,).

Hinton, Osindero & Teh (2006), A Fast Learning Algorithm for Deep Belief Nets, 10.1162/neco.2006.18.7.1527.
Salakhutdinov & Murray (2008), On the Quantitative Analysis of Deep Belief Networks.
Burda, Grosse & Salakhutdinov (2016), Importance Weighted Autoencoders, arXiv:1509.00519.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo

_RESOLUTION = 2.0**-24  # of the probabilities that `zoo.bernoulli` draws from: none is closer to 0 or 1


class DBNConfig(zoo.Config):
    """What a deep belief network is built from, and how its layers are trained."""

    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(min_length=2, description="H_1 … H_L, hidden units of each RBM from the lowest to the top one"),
    ] = (256, 256)
    algorithm: Annotated[
        Literal["cd", "pcd"], Field(description="each RBM's: chains that start at the data (cd) or go on (pcd)")
    ] = "pcd"
    k: Annotated[int, Field(gt=0, description="each RBM's Gibbs steps for one update")] = 2
    sigma: Annotated[
        float, Field(gt=0, description="noise of real values given h¹, in standard deviations of the data")
    ] = 0.5
    learning_rate: Annotated[float, Field(gt=0, description="gradient descent's, falling to 0 in each layer")] = 0.4
    average: Annotated[float, Field(ge=0, lt=1, description="decay of each layer's averaged weights")] = 0.999


class DBN(nn.Module):
    """A stack of L RBMs, for examples of `data.shape`.

    Attributes:
        rbms: RBM 1 … L, each a `zoo.Model` whose module is a part of this one.
    """

    def __init__(self, config: DBNConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config = config
        self.shape = data.shape
        self.real = data.support == "real"
        specs = [data, *(zoo.DataSpec((H,), "bits") for H in config.hidden[:-1])]
        self.rbms = [_rbm(config, spec, H) for spec, H in zip(specs, config.hidden, strict=True)]
        self.layers = nn.ModuleList(rbm.module for rbm in self.rbms)

    def up(self, x: Tensor, layers: int, generator: Generator) -> Tensor:
        """Draw h^l for l = `layers` by q(h¹|v) … q(h^l|h^{l−1}): (B, *shape) -> (B, H_l); x itself for 0 layers."""
        for rbm in self.rbms[:layers]:
            x = rbm.encode(x, seed=_seed(generator))
        return x

    def sample_codes(self, n: int, steps: int, generator: Generator) -> Tensor:
        """Draw h¹, shape (n, H_1): n Gibbs chains of `steps` steps in the top RBM, then down by p(h^{l}|h^{l+1})."""
        top = self.rbms[-1]
        h = zoo.bernoulli(top.sample(n, seed=_seed(generator), steps=steps).to(generator.device), generator)
        for rbm in reversed(self.rbms[1:-1]):
            h = zoo.bernoulli(rbm.decode(h), generator)
        return h

    def decode(self, h: Tensor, generator: Generator | None = None) -> Tensor:
        """E[v|h¹], (B, H_1) -> (B, *shape); given a generator, for real data, a draw of p(v|h¹)."""
        draws = generator is not None and self.real
        return self.rbms[0].decode(h, seed=_seed(generator) if draws and generator else None)

    def log_conditional(self, rbm: zoo.Model, v: Tensor, h: Tensor) -> Tensor:
        """log p(v|h) in nats under an RBM of this stack: v (B, …), h (B, H) -> (B,), float64."""
        mean, v = rbm.decode(h).flatten(1).double(), v.flatten(1).double()
        if rbm.spec.support != "real":
            return log_bernoulli(v, mean)
        sigma = self.config.sigma
        return -(((v - mean) / sigma).square() / 2 + math.log(sigma) + math.log(2 * math.pi) / 2).sum(1)

    def bound(self, x: Tensor, k: int, temperatures: int, generator: Generator) -> zoo.LogProb:
        """log 1/k Σ_i w_i for k draws of h for each example: in expectation ≤ log p(x).

        Args:
            x: bits or real values, shape (N, *shape).
            k: draws of h for each example.
            temperatures: of the annealing of the top RBM's log Z, and Gibbs steps before it; unused where enumerated.
            generator: where they come from, and those of the top RBM's likelihood.

        Returns:
            A lower bound, float64, shape (N,); its stderr is that of the top RBM's log Z, which all examples share.
        """
        below = x.repeat_interleave(k, dim=0)
        log_w = torch.zeros(len(below), dtype=torch.float64, device=x.device)
        for rbm in self.rbms[:-1]:
            q = rbm.encode(below)
            h = zoo.bernoulli(q, generator)
            log_w = log_w + self.log_conditional(rbm, below, h) - log_bernoulli(h.double(), q.double())
            below = h
        options = {"temperatures": temperatures, "burn_in": temperatures}
        answers = self.rbms[-1].log_prob(below, seed=_seed(generator), **options)
        top = next(answer for answer in answers if answer.kind in ("exact", "lower"))
        nats = (log_w + top.nats.double()).view(-1, k).logsumexp(1) - math.log(k)
        return zoo.LogProb(nats, "lower", top.stderr, f"bound of {k} draws; top RBM: {top.method}")


def log_bernoulli(bits: Tensor, p: Tensor) -> Tensor:
    """log ∏_i p_i^{b_i} (1 − p_i)^{1 − b_i} in nats, (…, D) -> (…), for p at the resolution of `zoo.bernoulli`."""
    p = p.clamp(_RESOLUTION, 1 - _RESOLUTION)
    return (bits * p.log() + (1 - bits) * (-p).log1p()).sum(-1)


def _rbm(config: DBNConfig, spec: zoo.DataSpec, H: int) -> zoo.Model:
    """An untrained RBM whose initial weights come from the global random state."""
    seed = int(torch.randint(2**62, ()))
    return zoo.create("rbm", spec, seed=seed, hidden=H, algorithm=config.algorithm, k=config.k, sigma=config.sigma)


def _seed(generator: Generator) -> int:
    """A seed for a method of `zoo.Model`, drawn from the generator."""
    return int(torch.randint(2**62, (), generator=generator, device=generator.device))
