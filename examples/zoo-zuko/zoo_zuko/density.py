"""The latent density `flow`: a neural spline flow over whitened codes, selected by held-out likelihood.

    log p(z) = log N(f(w); 0, I) + log |det ∂f(w)/∂w| − Σ log diag L,    w = L⁻¹ (z − m)                nats

m is the mean of the codes and L Lᵀ their covariance + ε I, with the ridge ε = 1e-6 · (the codes' mean variance) +
1e-12. w has mean 0 and covariance I, whatever the units of the codes: splines need this, since they are the identity
outside [-5, 5]. f starts as the identity, so that the density starts as the Gaussian N(m, L Lᵀ), which is
`NAME@gaussian`.

f is fitted to four fifths of the codes by 1,000 steps of Adam, whose rate falls along a cosine, with noise N(0, σ² I)
added to w in each step; σ falls linearly from 0.4 to 0. Noise keeps a flexible density from collapsing onto few codes
(Rothfuss et al., 2019). The likelihood of the last fifth, at most 2,000 codes without this noise, is measured every 50
steps, and the weights with the highest one are returned, which may be the first. All codes have noise N(0, ε I), so
that p(z) stays a density with dead units and repeated codes. f is trained in float32 and evaluated in float64.

Durkan, Bekasov, Murray & Papamakarios (2019), Neural Spline Flows, arXiv:1906.04032. Rothfuss et al. (2019), Noise
Regularization for Conditional Density Estimation, arXiv:1907.08982.
"""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Generator, Tensor, nn

import zoo
from zoo_zuko.flows import build_flow
from zoo_zuko.model import log_standard_normal

_STEPS, _PERIOD = 1_000, 50
_BATCH, _LEARNING_RATE, _CLIP = 256, 4e-3, 5.0
_NOISE = 0.4  # σ at the first step
_HELD_OUT = 2_000
_BLOCK = 2_000  # codes per block when the density is evaluated


class WhitenedFlow(nn.Module):
    """p(z) of codes z (D,): z = m + L w, f(w) ~ N(0, I)."""

    m: Tensor  # (D,), float64
    L: Tensor  # (D, D), float64, lower triangular

    def __init__(self, D: int) -> None:
        super().__init__()
        self.register_buffer("m", torch.zeros(D, dtype=torch.float64))
        self.register_buffer("L", torch.eye(D, dtype=torch.float64))
        self.f = build_flow("nsf", D, transforms=3, passes=8)

    @classmethod
    def of_state(cls, state: dict[str, Tensor]) -> Self:
        """Return the density with these tensors, in float64."""
        with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and replaced
            density = cls(len(state["m"])).double()
        density.load_state_dict(state)
        return density.eval()

    def whiten(self, z: Tensor) -> Tensor:
        """w = L⁻¹ (z − m), (B, D) -> (B, D), float64."""
        w: Tensor = torch.linalg.solve_triangular(self.L, (z - self.m).T, upper=False).T
        return w

    def log_prob_white(self, w: Tensor) -> Tensor:
        """log p(w) = log N(f(w); 0, I) + log |det ∂f/∂w| in nats, w of shape (B, D), shape (B,)."""
        z, log_det = self.f().transform.call_and_ladj(w)
        nats: Tensor = log_standard_normal(z) + log_det
        return nats

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats, z of shape (B, D), shape (B,)."""
        return self.log_prob_white(self.whiten(z)) - self.L.diagonal().log().sum()

    def sample(self, n: int, generator: Generator) -> Tensor:
        """z = m + L f⁻¹(ε) with ε ~ N(0, I), shape (n, D), float64."""
        w: Tensor = self.f().transform.inv(torch.randn(n, len(self.m), generator=generator, dtype=torch.float64))
        return self.m + w @ self.L.T


class FlowDensity:
    """`NAME@flow`."""

    card = zoo.DensityCard(
        name="flow",
        summary="a neural spline flow over codes, selected by held-out likelihood: ae@flow",
        paper="arXiv:1906.04032",
    )

    @zoo.hookimpl
    def fit(self, codes: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return the tensors of a `WhitenedFlow`, for codes of shape (N, D).

        Takes about 10 s for 899 codes of 16 dimensions, and 1 min for 50,000 of 32, on one thread.
        """
        N, D = codes.shape
        density = WhitenedFlow(D)
        C = torch.cov(codes.T, correction=0).reshape(D, D)  # cov of one row is a scalar
        ridge = 1e-6 * C.diagonal().mean() + 1e-12
        density.m.copy_(codes.mean(0))
        density.L.copy_(torch.linalg.cholesky(C + ridge * torch.eye(D, dtype=C.dtype)))

        ridge_noise = ridge.sqrt() * torch.randn(codes.shape, generator=generator, dtype=codes.dtype)
        w = density.whiten(codes + ridge_noise)[torch.randperm(N, generator=generator)].float()
        held_out = min(N // 5, _HELD_OUT)
        if held_out:
            density.f.load_state_dict(_selected(density, w[held_out:], w[:held_out], generator))
        return {name: each.clone() for name, each in density.state_dict().items()}

    @zoo.hookimpl
    def sample(self, state: dict[str, Tensor], n: int, generator: Generator) -> Tensor:
        """z ~ p(z), shape (n, D)."""
        with torch.no_grad():
            return WhitenedFlow.of_state(state).sample(n, generator)

    @zoo.hookimpl
    def log_prob(self, state: dict[str, Tensor], z: Tensor) -> Tensor:
        """log p(z) in nats, z of shape (B, D), shape (B,)."""
        if z.shape[1] != len(state["m"]):
            raise ValueError(f"z must have {len(state['m'])} columns, got shape {tuple(z.shape)}")
        density = WhitenedFlow.of_state(state)
        with torch.no_grad():
            return torch.cat([density.log_prob(block) for block in z.split(_BLOCK)])


def _selected(density: WhitenedFlow, w: Tensor, judges: Tensor, generator: Generator) -> dict[str, Tensor]:
    """Train f on whitened codes w (N, D); return the weights with the highest likelihood of the judges (M, D)."""
    optimiser = zoo.without_compiler(torch.optim.Adam)(density.f.parameters(), _LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    best, best_score = {}, -torch.inf
    for step in range(_STEPS + 1):
        if step % _PERIOD == 0:
            with torch.no_grad():
                score = density.log_prob_white(judges).mean().item()
            if score > best_score:
                best, best_score = copy.deepcopy(density.f.state_dict()), score
        batch = w[torch.randint(len(w), (min(_BATCH, len(w)),), generator=generator)]
        noise = torch.randn(batch.shape, generator=generator)
        optimiser.zero_grad()
        (-density.log_prob_white(batch + _NOISE * (1 - step / _STEPS) * noise).mean()).backward()
        nn.utils.clip_grad_norm_(density.f.parameters(), _CLIP)
        optimiser.step()
        schedule.step()
    return best
