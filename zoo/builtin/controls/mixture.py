"""Gaussian mixture over pixels: p(x) = Σ_k π_k ∏_j N(x_j; m_kj, s_kj²), K components with diagonal covariances.

The code z (K,) is one-hot: z_k = 1, with probability π_k, means that x is drawn from component k, and

    p(z_k = 1 | x) = r_k = π_k N(x; m_k, s_k²) / Σ_l π_l N(x; m_l, s_l²)

EM (Dempster, Laird & Rubin 1977) starts with π_k = 1/K, K training examples as m_k and the variance of the whole split
as s_k², and repeats

    π_k = 1/N Σ_i r_ik        m_k = Σ_i r_ik x_i / Σ_i r_ik        s_k² = Σ_i r_ik x_i² / Σ_i r_ik − m_k² + ε

with the ridge ε = 10⁻⁴, which prevents a component from collapsing onto one example with an infinite density.
Likelihoods are in nats.

For data in [0, 1], the mixture is a density of grayscale values: draws are clipped to [0, 1], and there is no
likelihood, because likelihoods of such data are those of bits, and the mixture is not a distribution of bits.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo

_RIDGE = 1e-4  # ε; real data are standardised, grayscale values are in [0, 1]
_EMPTY = 1e-6  # smallest count of a component: an empty one keeps finite parameters and is never drawn
_BLOCK = 4096  # examples per block, which bounds the memory


class MixtureConfig(zoo.Config):
    """Settings of the mixture. With 50 components it is a good model of the digits, which a control must not be."""

    components: Annotated[int, Field(gt=0, description="K, the number of Gaussians")] = 5
    passes: Annotated[int, Field(gt=0, description="EM steps, each a pass through the training split")] = 30


class Mixture(nn.Module):
    """Weights π (K,), means m (K, V) and standard deviations s (K, V), for examples flattened to (V,)."""

    def __init__(self, config: MixtureConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.shape = data.shape
        self.real = data.support == "real"
        self.passes = config.passes
        K, V = config.components, data.size
        self.pi = nn.Parameter(torch.full((K,), 1 / K), requires_grad=False)
        self.m = nn.Parameter(torch.zeros(K, V), requires_grad=False)
        self.s = nn.Parameter(torch.ones(K, V), requires_grad=False)

    def start(self, train: Tensor, generator: Generator) -> None:
        """Set the means to K random training examples of (N, *data.shape), reusing them if K exceeds N."""
        x, K = train.flatten(1), len(self.pi)
        self.pi.fill_(1 / K)
        chosen = torch.randperm(len(x), generator=generator, device=generator.device)
        self.m.copy_(x[chosen[torch.arange(K, device=x.device) % len(x)]])
        self.s.copy_((x.var(0, correction=0) + _RIDGE).sqrt().expand_as(self.s))

    def improve(self, train: Tensor) -> float:
        """Do one step of EM; return the mean log p(x) in nats before the step."""
        K, V = self.m.shape
        n, first, second = (self.m.new_zeros(K, *side, dtype=torch.float64) for side in ((), (V,), (V,)))
        total = 0.0
        for x in train.flatten(1).split(_BLOCK):
            joint, x = self.log_joint(x), x.double()
            total += joint.logsumexp(1).sum().item()
            r = joint.softmax(1)  # (B, K)
            n += r.sum(0)
            first += r.T @ x
            second += r.T @ x.square()
        n.clamp_(min=_EMPTY)
        m = first / n[:, None]
        self.pi.copy_(n / n.sum())
        self.m.copy_(m)
        self.s.copy_((second / n[:, None] - m.square() + _RIDGE).sqrt())
        return total / len(train)

    def log_joint(self, x: Tensor) -> Tensor:
        """Return log π_k + log N(x; m_k, s_k²) in nats, float64, shape (B, K); x has shape (B, V)."""
        x, m, precision = x.double(), self.m.double(), self.s.double() ** -2
        squared = x.square() @ precision.T - 2 * x @ (m * precision).T + (m.square() * precision).sum(1)
        log_det = -precision.log().sum(1)
        return self.pi.double().log() - 0.5 * (squared + log_det + m.shape[1] * math.log(2 * math.pi))

    def decode(self, z: Tensor, generator: Generator | None = None) -> Tensor:
        """Return E[x|z] = Σ_k z_k m_k, or with a generator a draw from p(x|z), clipped to the data's range.

        (B, K) -> (B, *data.shape).
        """
        x = z @ self.m
        if generator is not None:
            x = x + (z @ self.s.square()).sqrt() * torch.randn(x.shape, generator=generator, device=generator.device)
        return (x if self.real else x.clamp(0, 1)).reshape(-1, *self.shape)


class MixturePlugin:
    """x = m_k + s_k ε, k ~ π."""

    card = zoo.Card(
        name="mixture",
        summary="control: a Gaussian mixture over pixels, fitted by EM",
        config=MixtureConfig,
        trains_on="grey",
        latent="bits",
        samples="means",
        sensitivity={"components": (1, 50)},
        expected_failures={
            "sample-decodes-the-codes-of-sample-codes": "grayscale samples have the noise of their component",
        },
        paper="Dempster, Laird & Rubin (1977), Maximum Likelihood from Incomplete Data via the EM Algorithm",
    )

    @zoo.hookimpl
    def build(self, config: MixtureConfig, data: zoo.DataSpec) -> Mixture:
        """Return a mixture of K standard normal distributions."""
        return Mixture(config, data)

    @zoo.hookimpl
    def fit(self, model: Mixture, train: Tensor, generator: Generator, budget: zoo.Meter) -> None:
        """Run EM for `config.passes` steps, at most the budget's; the logged loss is −1/N Σ_i log p(x_i)."""
        model.start(train, generator)
        for _ in range(model.passes):
            if budget.exhausted:
                break
            budget.step(model, loss=-model.improve(train))

    @zoo.hookimpl
    def encode(self, model: Mixture, x: Tensor, generator: Generator | None) -> Tensor:
        """Return r, or a one-hot draw from it, shape (B, K)."""
        r = model.log_joint(x.flatten(1)).softmax(1).to(x.dtype)
        return r if generator is None else _one_hot(r, generator)

    @zoo.hookimpl
    def decode(self, model: Mixture, z: Tensor, generator: Generator | None) -> Tensor:
        """Return E[x|z] clipped to the data's range, or for real data a draw from p(x|z), shape (B, *data.shape)."""
        return model.decode(z, generator)

    @zoo.hookimpl
    def sample(self, model: Mixture, n: int, generator: Generator) -> Tensor:
        """Return n draws of p(x), shape (n, *data.shape): grayscale (clipped to [0, 1]) or real."""
        return model.decode(self.sample_codes(model, n, generator), generator)

    @zoo.hookimpl
    def sample_codes(self, model: Mixture, n: int, generator: Generator) -> Tensor:
        """Return one-hot draws from π, shape (n, K)."""
        return _one_hot(model.pi.expand(n, -1), generator)

    @zoo.hookimpl
    def log_prob_codes(self, model: Mixture, z: Tensor) -> Tensor:
        """Return log π_k of the one k with z_k = 1, in nats, shape (B,)."""
        return z @ model.pi.log()

    @zoo.hookimpl
    def log_prob(self, model: Mixture, x: Tensor) -> tuple[zoo.LogProb, ...]:
        """Return the exact log p(x) of real data."""
        if not model.real:
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits; a Gaussian mixture is a density of grayscale values"
            )
        nats = torch.cat([model.log_joint(block).logsumexp(1) for block in x.flatten(1).split(_BLOCK)])
        return (zoo.LogProb(nats, "exact", method="closed form"),)


def _one_hot(p: Tensor, generator: Generator) -> Tensor:
    """Return a draw from each row of probabilities (B, K), as one-hot vectors of the same shape."""
    k = torch.multinomial(p, 1, generator=generator).squeeze(1)
    return F.one_hot(k, p.shape[1]).to(p.dtype)
