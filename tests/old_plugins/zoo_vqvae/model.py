"""The vector-quantised variational autoencoder: codes that are words of P letters out of K, and a prior over them.

    z_e(x)  encoder, (P, D)                e  codebook, (K, D), one for all P positions
    z_i   = argmin_k ‖z_e(x)_i − e_k‖²     i = 1 … P: the code z (P,) of x; q(z|x) has no spread
    z_q   = (e_{z_1}, …, e_{z_P})          (P, D), what the decoder o sees
    p(x|z) = Bernoulli(x; sigmoid(o(z_q))) bits, x (V,)
           = N(x; o(z_q), σ² I)            real data; σ is learned, one scalar for all V values
    p(z)   = ∏_i p(z_i | z_<i)             `prior.py`, fitted to the codes once the autoencoder is trained

    L(x) = −log p(x|z_q) + ‖sg[z_e] − z_q‖² + β ‖z_e − sg[z_q]‖²        sg: its gradient is taken as 0

The gradient of the first term passes from z_q straight to z_e, as if quantising were the identity. The second term
moves the codebook; with `update = ema` it is left out, and e follows the codes by moving averages instead (A.1):

    N_k ← γ N_k + (1 − γ) n_k       m_k ← γ m_k + (1 − γ) Σ_{z_i = k} z_e,i       e_k = m_k / N_k

over the n_k vectors of a batch that are nearest to e_k. An entry whose N_k falls below 0.1 is hardly ever the nearest;
it starts anew at a z_e,i drawn from the batch (Dhariwal et al. 2020, section 3.1).

    log p(x) = log Σ_z p(z) p(x|z) ≥ log Σ_{z ∈ S} p(z) p(x|z)          for every set S of codes

is a lower bound with no draws in it. S = {z(x)} gives the paper's log p(z) p(x|z), section 3.1; here S may hold all
words besides that differ from z(x) in one letter.

Terms of L and log-densities are in nats and per example, shape (B,); the mean over the batch is taken in `objective`.

van den Oord, Vinyals & Kavukcuoglu (2017), Neural Discrete Representation Learning, arXiv:1711.00937.
Dhariwal et al. (2020), Jukebox, arXiv:2005.00341, for the restarts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo
from zoo_vqvae.prior import Prior

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}
_SIGMA_MIN = 1e-2  # real data are standardised: no density grows without bound
_RAREST = 0.1  # N_k of an entry that starts anew
_BLOCK = 2**20  # values of the widest layer that the bound holds at once: 4 MiB in single precision


class VQVAEConfig(zoo.Config):
    """What a VQ-VAE is built from, and how it is trained. The defaults were chosen on the digits' validation split."""

    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(description="widths of the encoder's hidden layers, the decoder's in reverse; () makes both affine"),
    ] = (512,)
    activation: Annotated[Literal["relu", "silu", "tanh"], Field(description="activation of the hidden layers")] = (
        "relu"
    )
    positions: Annotated[int, Field(gt=0, description="P, letters of a code")] = 4
    entries: Annotated[int, Field(gt=1, description="K, vectors in the codebook")] = 32
    dim: Annotated[int, Field(gt=0, description="D, values of a vector in the codebook")] = 4
    beta: Annotated[float, Field(ge=0, description="β, the weight of the commitment ‖z_e − sg[z_q]‖²")] = 0.25
    update: Annotated[
        Literal["ema", "loss"], Field(description="the codebook follows moving averages (ema), or its loss term")
    ] = "ema"
    decay: Annotated[float, Field(ge=0, lt=1, description="γ of the moving averages")] = 0.99
    prior_hidden: Annotated[int, Field(gt=0, description="hidden units of each conditional p(z_i | z_<i)")] = 64
    prior_share: Annotated[
        float, Field(gt=0, lt=1, description="share of the budget that the prior has, at the end")
    ] = 0.25
    learning_rate: Annotated[float, Field(gt=0, description="Adam's, falling to 0 along a cosine in each phase")] = 5e-3


class VQVAE(nn.Module):
    """z(x), p(x|z) and p(z), for examples of `data.shape`, flattened inside."""

    N: Tensor  # (K,), moving averages of how often an entry is the nearest in a batch
    m: Tensor  # (K, D), and of the sums of what it is nearest to

    def __init__(self, config: VQVAEConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config = config
        self.shape = data.shape
        self.real = data.support == "real"
        K, P, D = config.entries, config.positions, config.dim
        widths = (data.size, *config.hidden, P * D)
        self.encoder = _perceptron(widths, config.activation)
        self.decoder = _perceptron(widths[::-1], config.activation)
        self.e = nn.Parameter(torch.randn(K, D), requires_grad=config.update == "loss")
        self.register_buffer("N", torch.ones(K), persistent=False)
        self.register_buffer("m", self.e.detach().clone(), persistent=False)
        if self.real:
            self.s = nn.Parameter(torch.zeros(()))
        self.prior = Prior(P, K, config.prior_hidden)
        self.widest = max(widths)

    @property
    def sigma(self) -> Tensor:
        """σ of p(x|z) = N(x; o(z_q), σ² I), shape (); for real data only."""
        return _SIGMA_MIN + F.softplus(self.s)

    @torch.no_grad()
    def initialise(self, train: Tensor, generator: Generator) -> None:
        """Start p(x|z) at the mean of the training split (N, *shape), and the codebook at K of the vectors z_e.

        Means of bits are clipped to [0.01, 0.99] before their log-odds are taken.
        """
        mean = train.flatten(1).mean(0)
        final = self.decoder[-1]
        assert isinstance(final, nn.Linear)
        final.bias.copy_(mean if self.real else mean.logit(0.01))
        chosen = torch.randint(len(train), (self.config.entries,), generator=generator, device=generator.device)
        z_e = self.z_e(train[chosen])  # (K, P, D)
        position = torch.randint(self.config.positions, (len(z_e),), generator=generator, device=generator.device)
        self.e.copy_(z_e[torch.arange(len(z_e), device=z_e.device), position])
        self.N.fill_(1)
        self.m.copy_(self.e)

    def z_e(self, x: Tensor) -> Tensor:
        """The encoder's vectors: (B, *shape) -> (B, P, D)."""
        z_e: Tensor = self.encoder(x.flatten(1))
        return z_e.unflatten(1, (self.config.positions, self.config.dim))

    def nearest(self, z_e: Tensor) -> Tensor:
        """argmin_k ‖z_e − e_k‖² = argmin_k ‖e_k‖² − 2 z_eᵀe_k: (…, D) -> (…), indices in 0 … K − 1."""
        return (self.e.square().sum(1) - 2 * z_e @ self.e.T).argmin(-1)

    def encode(self, x: Tensor) -> Tensor:
        """The code z(x): (B, *shape) -> (B, P), indices."""
        return self.nearest(self.z_e(x))

    def o(self, z_q: Tensor) -> Tensor:
        """The decoder, flat: (…, P, D) -> (…, V)."""
        o: Tensor = self.decoder(z_q.flatten(-2))
        return o

    def log_likelihood(self, x: Tensor, z_q: Tensor) -> Tensor:
        """log p(x|z) in nats: x (…, V) and z_q (…, P, D) -> (…)."""
        o = self.o(z_q)
        if self.real:
            return -(((x - o) / self.sigma).square() / 2 + self.sigma.log() + math.log(2 * math.pi) / 2).sum(-1)
        return (x * o - F.softplus(o)).sum(-1)

    def objective(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """L of a batch x (B, *shape) and its parts, scalars, in nats; and what the moving averages need.

        Returns:
            The parts by name; z_e without its graph, (B, P, D); the codes z, (B, P).
        """
        z_e = self.z_e(x)
        z = self.nearest(z_e)
        z_q = self.e[z]
        straight_through = z_e + (z_q - z_e).detach()
        nll = -self.log_likelihood(x.flatten(1), straight_through).mean()
        commitment = (z_e - z_q.detach()).square().sum((1, 2)).mean()
        loss = nll + self.config.beta * commitment
        if self.config.update == "loss":
            loss = loss + (z_e.detach() - z_q).square().sum((1, 2)).mean()
        return {"loss": loss, "nll": nll, "commitment": commitment}, z_e.detach(), z

    @torch.no_grad()
    def update_codebook(self, z_e: Tensor, z: Tensor, generator: Generator) -> None:
        """Move N, m and e to a batch's vectors z_e (B, P, D) and codes z (B, P); restart the rare entries."""
        vectors, onehot = z_e.flatten(0, 1), F.one_hot(z.flatten(), len(self.e)).to(z_e.dtype)
        gamma = self.config.decay
        self.N.mul_(gamma).add_(onehot.sum(0), alpha=1 - gamma)
        self.m.mul_(gamma).add_(onehot.T @ vectors, alpha=1 - gamma)
        drawn = vectors[torch.randint(len(vectors), (len(self.e),), generator=generator, device=generator.device)]
        rare = self.N < _RAREST
        self.m.copy_(torch.where(rare[:, None], drawn, self.m))
        self.N.masked_fill_(rare, 1)
        self.e.copy_(self.m / self.N[:, None])

    def decode(self, z: Tensor, generator: Generator | None = None) -> Tensor:
        """E[x|z], (B, P) -> (B, *shape); given a generator, for real data, a draw from p(x|z).

        Raises:
            ValueError: if z holds anything but whole numbers of 0 … K − 1.
        """
        K, low, high = len(self.e), z.min().item(), z.max().item()
        if low < 0 or high >= K or not torch.equal(z, z.round()):
            raise ValueError(f"codes must be whole numbers of 0 to {K - 1}, got values in [{low:g}, {high:g}]")
        o = self.o(self.e[z.long()])
        if self.real and generator is not None:
            o = o + self.sigma * torch.randn(o.shape, generator=generator, dtype=o.dtype, device=o.device)
        return (o if self.real else o.sigmoid()).reshape(-1, *self.shape)

    @torch.no_grad()
    def bound(self, x: Tensor, radius: int, log_prior: Callable[[Tensor], Tensor]) -> Tensor:
        """log Σ_{z ∈ S(x)} p(z) p(x|z) ≤ log p(x); exact where P ≤ radius.

        Args:
            x: bits or real values, shape (N, *shape).
            radius: 0 for S = {z(x)}, 1 for all words that differ from z(x) in one letter at most: 1 + P (K − 1).
            log_prior: log p(z) of codes (B, P), shape (B,).

        Returns:
            float64, shape (N,).
        """
        P, K = self.config.positions, self.config.entries
        words = 1 + radius * P * (K - 1)
        bounds = []
        for block in x.flatten(1).split(max(1, _BLOCK // (words * self.widest))):
            z = self.encode(block)
            S = with_neighbours(z, K) if radius else z[:, None]  # (B, words, P)
            joint = self.log_likelihood(block[:, None], self.e[S]).double()
            joint += log_prior(S.flatten(0, 1)).double().view_as(joint)
            bounds.append(joint.logsumexp(1))
        return torch.cat(bounds)


def with_neighbours(z: Tensor, K: int) -> Tensor:
    """Each word, then all that differ from it in one letter, each once: (B, P) -> (B, 1 + P (K − 1), P)."""
    P = z.shape[1]
    words = z[:, None, None].repeat(1, P, K - 1, 1)  # (B, P, K − 1, P)
    others = (z[:, :, None] + torch.arange(1, K, device=z.device)) % K  # (B, P, K − 1)
    i = torch.arange(P, device=z.device)
    words[:, i, :, i] = others.transpose(0, 1)
    return torch.cat([z[:, None], words.flatten(1, 2)], dim=1)


def _perceptron(widths: tuple[int, ...], activation: str) -> nn.Sequential:
    """Affine maps from each width to the next, with activations in between."""
    layers: list[nn.Module] = []
    for below, above in pairwise(widths):
        layers += [nn.Linear(below, above), _ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])
