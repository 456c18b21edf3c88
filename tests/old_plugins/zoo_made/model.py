"""MADE, the masked autoencoder for distribution estimation: a network whose V outputs are V conditionals of bits.

    p(x)          = ∏_d p(x_d | x_<d)                           x (V,) bits; x_<d: those before d in an ordering
    p(x_d = 1 | x_<d) = sigmoid(o_d(x))
    h^l           = g((W^l ⊙ M^l) h^{l−1} + c^l),  h^0 = x      W^l, M^l (H_l, H_{l−1}), c^l (H_l,), l = 1 … L
    o             = (U ⊙ M^U) h^L + (A ⊙ M^A) x + b             U, M^U (V, H_L), A, M^A (V, V), o, b (V,)

The ordering gives input d its place m^0(d) in 1 … V. Hidden unit k has a degree m^l(k), drawn uniformly from the least
degree of the layer before to V − 1: it may see inputs of places up to m^l(k), so that

    M^l_{k'k} = [m^l(k') ≥ m^{l−1}(k)]        M^U_{dk} = [m^0(d) > m^L(k)]        M^A_{dd'} = [m^0(d) > m^0(d')]

and o_d depends on x_<d alone (Germain et al., section 3). One pass through the network gives log p(x) exactly; a sample
takes V steps, one for each bit.

Several orderings, K of them, each with degrees of its own, share the weights. They take turns in training, and the
model is their mixture (section 4.2):

    p(x) = 1/K Σ_k p_k(x)

Log-likelihoods are in nats and per example, shape (B,); the mean over the batch is taken in the plugin's `loss` alone.

Germain, Gregor, Murray & Larochelle (2015), MADE: Masked Autoencoder for Distribution Estimation, arXiv:1502.03509.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo

_ACTIVATIONS = {"relu": torch.relu, "silu": F.silu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


class MADEConfig(zoo.Config):
    """What a MADE is built from. The defaults were chosen on the validation split of the digits."""

    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(description="widths of the hidden layers; () leaves the direct connections: logistic regressions"),
    ] = (1024,)
    orderings: Annotated[
        int,
        Field(
            gt=0, description="K, orderings that are mixed; 1 is the data's own, row by row, more are drawn at random"
        ),
    ] = 2
    activation: Annotated[
        Literal["relu", "silu", "tanh", "sigmoid"], Field(description="g, activation of the hidden layers")
    ] = "relu"


class MADE(nn.Module):
    """A mixture of K autoregressive distributions over the V bits of an example, which share their weights.

    Raises:
        zoo.Unsupported: for real-valued data, of which Bernoulli conditionals are no density.
    """

    def __init__(self, config: MADEConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        if data.support == "real":
            raise zoo.Unsupported("MADE's conditionals are those of bits, not of real data")
        self.config = config
        self.shape = data.shape
        sizes = (data.size, *config.hidden)
        layers = [nn.Linear(*pair) for pair in pairwise(sizes)]  # for their initial values
        self.W = nn.ParameterList(layer.weight for layer in layers)
        self.c = nn.ParameterList(layer.bias for layer in layers)
        self.U = nn.Parameter(torch.zeros(data.size, sizes[-1]))
        self.A = nn.Parameter(torch.zeros(data.size, data.size))
        self.b = nn.Parameter(torch.zeros(data.size))
        drawn = [draw_degrees(sizes, natural=config.orderings == 1) for _ in range(config.orderings)]
        for layer, degrees in enumerate(zip(*drawn, strict=True)):
            self.register_buffer(f"m{layer}", torch.stack(degrees))  # (K, H_l)

    def initialise(self, train: Tensor) -> None:
        """Start at independent pixels: b at the log-odds of the training split's mean, clipped to [0.01, 0.99]."""
        with torch.no_grad():
            self.b.copy_(train.flatten(1).mean(0).logit(0.01))
            self.U.zero_()
            self.A.zero_()

    def degrees(self, k: int) -> list[Tensor]:
        """m^0 (V,), m^1 (H_1,), …, m^L (H_L,) of the k-th ordering."""
        return [self.get_buffer(f"m{layer}")[k] for layer in range(len(self.W) + 1)]

    def weights(self, k: int) -> tuple[list[Tensor], Tensor, Tensor]:
        """W^l ⊙ M^l for each l, U ⊙ M^U and A ⊙ M^A of the k-th ordering."""
        m = self.degrees(k)
        W = [W * (own[:, None] >= before) for W, (before, own) in zip(self.W, pairwise(m), strict=True)]
        return W, self.U * (m[0][:, None] > m[-1]), self.A * (m[0][:, None] > m[0])

    def o(self, x: Tensor, k: int) -> Tensor:
        """Log-odds of each bit given those before it in the k-th ordering: (B, V) -> (B, V)."""
        g = _ACTIVATIONS[self.config.activation]
        W, U, A = self.weights(k)
        h = x
        for weight, c in zip(W, self.c, strict=True):
            h = g(F.linear(h, weight, c))
        return F.linear(h, U, self.b) + F.linear(x, A)

    def log_prob_of_ordering(self, x: Tensor, k: int) -> Tensor:
        """log p_k(x) = Σ_d log p_k(x_d | x_<d) in nats, in one pass: bits (B, *shape) -> (B,)."""
        x = x.flatten(1)
        o = self.o(x, k)
        return (x * o - F.softplus(o)).sum(1)

    def log_probs(self, x: Tensor) -> Tensor:
        """log p_k(x) in nats for each of the K orderings: bits (B, *shape) -> (K, B)."""
        return torch.stack([self.log_prob_of_ordering(x, k) for k in range(self.config.orderings)])

    def log_prob(self, x: Tensor) -> Tensor:
        """log 1/K Σ_k p_k(x) in nats, exact: bits (B, *shape) -> (B,)."""
        return self.log_probs(x).logsumexp(0) - math.log(self.config.orderings)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw n examples, each from an ordering drawn uniformly, as bits of shape (n, *shape)."""
        b = self.b
        chosen = torch.randint(self.config.orderings, (n,), generator=generator, device=b.device)
        u = torch.rand(n, len(b), generator=generator, dtype=b.dtype, device=b.device)
        x = torch.empty_like(u)
        for k in range(self.config.orderings):
            x[chosen == k] = self.ancestral(u[chosen == k], k)
        return x.reshape(n, *self.shape)

    def ancestral(self, u: Tensor, k: int) -> Tensor:
        """The x with x_d = [u_d < p_k(x_d = 1 | x_<d)], found bit by bit in the k-th ordering, all rows at once.

        A new bit moves the first layer by one column of W^1, and one row of U and A gives the next log-odds: with one
        hidden layer all V steps together cost about what one pass does.

        Args:
            u: uniform on [0, 1), shape (B, V).
            k: which ordering.

        Returns:
            Bits, shape (B, V).
        """
        g = _ACTIVATIONS[self.config.activation]
        W, U, A = self.weights(k)
        x = torch.zeros_like(u)
        a = self.c[0].expand(len(u), -1) if W else x  # of the first layer: c^1 + (W^1 ⊙ M^1) x
        for d in self.degrees(k)[0].argsort().tolist():
            h = g(a) if W else x
            for weight, c in zip(W[1:], self.c[1:], strict=True):
                h = g(F.linear(h, weight, c))
            o = h @ U[d] + x @ A[d] + self.b[d]
            x[:, d] = (u[:, d] < o.sigmoid()).to(x.dtype)
            if W:
                a = a + x[:, d, None] * W[0][:, d]
        return x


def draw_degrees(sizes: tuple[int, ...], *, natural: bool) -> list[Tensor]:
    """m^0 (V,), a permutation of 1 … V, and m^l (H_l,) in min m^{l−1} … V − 1, from the global random state.

    Args:
        sizes: V, H_1, …, H_L.
        natural: m^0 = 1 … V instead of a random permutation.
    """
    V = sizes[0]
    m = [torch.arange(1, V + 1) if natural else torch.randperm(V) + 1]
    for width in sizes[1:]:
        low = int(m[-1].min())
        m.append(torch.randint(low, max(V, low + 1), (width,)))
    return m
