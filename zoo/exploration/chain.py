"""A chain that alternates h ~ p(h|v) and v ~ p(v|h), by the hooks `encode` and `decode`: Gibbs sampling for an RBM.

The free energy F(v) = -log p(v) - log Z needs no hook of its own. Of one joint distribution p(v, h), and for any h,

    log p(v) = log p(v|h) - log p(h|v) + log p(h),    so that    F(v) - F(v') = f(v) - f(v'),
    f(v) = log p(h|v) - log p(v|h).

If encode and decode are not the conditionals of one distribution, the difference depends on h; two choices of h show
it. Those of a deep belief network, whose code is its first hidden layer, are the conditionals of its first machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import Unsupported
from zoo.models.model import Model
from zoo.models.plane import flattened
from zoo.runtime.randomness import bernoulli, generator
from zoo.runtime.seeds import derive_seed

_ROUNDING = 2.0**-24  # of a probability in single precision
_SAME = 0.5  # nats by which rounding may separate the two choices of h


@dataclass(frozen=True)
class Chain:
    """The states of one chain.

    Attributes:
        means: E[v|h] of each step, shape (T + 1, *shape).
        v: draws from them, the same shape.
        h: the hidden units from which they are drawn, shape (T + 1, *latent).
    """

    means: Tensor
    v: Tensor
    h: Tensor

    @property
    def flips(self) -> list[int]:
        """Number of hidden units that changed in each step, T numbers."""
        return [int(each) for each in (self.h[1:] != self.h[:-1]).flatten(1).sum(1)]


def run_chain(model: Model, h: Tensor, steps: int, seed: int) -> Chain:
    """Return a chain from hidden units h of shape `latent`: v ~ p(v|h), then T times h ~ p(h|v) and v ~ p(v|h).

    Raises:
        Unsupported: if the codes are not bits, or the data not in [0, 1].
    """
    if model.plugin.card.latent != "bits" or model.spec.support == "real":
        raise Unsupported("a chain needs codes of bits, and data in [0, 1]")
    draws = generator(seed, "chain")
    states: list[tuple[Tensor, Tensor, Tensor]] = []
    h = h[None]
    for step in range(steps + 1):
        if step:
            h = model.encode(states[-1][1], seed=derive_seed(seed, f"step {step}"))
        mean = model.decode(h)
        states.append((mean, bernoulli(mean, draws), h))
    return Chain(*(torch.cat(each) for each in zip(*states, strict=True)))


def free_energies(model: Model, chain: Chain) -> Tensor:
    """F(v) - F(v at the start) in nats, shape (T + 1,), as accurate as probabilities in single precision are.

    Raises:
        Unsupported: if encode and decode are not the conditionals of one distribution.
    """
    furthest = (chain.h != chain.h[0]).flatten(1).sum(1).argmax()
    first, second = (_differences(model, chain.v, h) for h in (chain.h[0], chain.h[furthest]))
    if (apart := (first - second).abs().max()) > _SAME:
        raise Unsupported(
            f"encode and decode of {model.name} are not the conditionals of one distribution: free energies from two "
            f"states of its hidden units differ by {apart:.1f} nats"
        )
    return first


def _differences(model: Model, v: Tensor, h: Tensor) -> Tensor:
    """f(v) - f(v of the first row), f(v) = log p(h|v) - log p(v|h)."""
    f = _log_prob(flattened(h[None]), model.encode(v)) - _log_prob(flattened(v), model.decode(h[None]))
    return f - f[0]


def _log_prob(bits: Tensor, p: Tensor) -> Tensor:
    """Σ log p(bit), shape (B,), of independent bits, shape (B, D) or (1, D), with probabilities p of 1."""
    p = flattened(p).clamp(_ROUNDING, 1 - _ROUNDING)
    return (bits * p.log() + (1 - bits) * (-p).log1p()).sum(1)
