"""The prior over codes: an autoregressive distribution of words z of P letters out of K.

    p(z) = ∏_i p(z_i | z_<i)        p(z_i | z_<i) = softmax(b_i + V_i h_i)        h_i = tanh(c + Σ_{j<i} U_j[z_j])

with b (P, K), V (P, K, H), c (H,), U (P, K, H): the neural autoregressive distribution estimator, with letters in place
of bits. It stands where the paper has a PixelCNN, since codes here are no maps. It begins as the uniform distribution.

Larochelle & Murray (2011), The Neural Autoregressive Distribution Estimator.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn


class Prior(nn.Module):
    """p(z) over words of P letters 0 … K − 1, with H hidden units for each conditional."""

    def __init__(self, P: int, K: int, H: int) -> None:
        super().__init__()
        self.U = nn.Parameter(H**-0.5 * torch.randn(P, K, H))
        self.c = nn.Parameter(torch.zeros(H))
        self.V = nn.Parameter(torch.zeros(P, K, H))
        self.b = nn.Parameter(torch.zeros(P, K))

    def log_conditionals(self, z: Tensor) -> Tensor:
        """log p(z_i = k | z_<i) for each i and k: indices (B, P) -> (B, P, K)."""
        i = torch.arange(len(self.b), device=z.device)
        steps = self.U[i, z]  # (B, P, H)
        h = torch.tanh(self.c + steps.cumsum(1) - steps)
        return (self.b + torch.einsum("bph,pkh->bpk", h, self.V)).log_softmax(-1)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats: indices (B, P) -> (B,)."""
        return self.log_conditionals(z).gather(2, z[..., None]).squeeze(2).sum(1)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw n words letter by letter, indices of shape (n, P)."""
        P = len(self.b)
        z = torch.empty(n, P, dtype=torch.int64, device=self.b.device)
        a = self.c.expand(n, -1)
        for i in range(P):
            p = (self.b[i] + torch.tanh(a) @ self.V[i].T).softmax(-1)
            z[:, i] = torch.multinomial(p, 1, generator=generator).squeeze(1)
            a = a + self.U[i, z[:, i]]
        return z
