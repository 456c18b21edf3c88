"""log p(x) of a regularised autoencoder with a latent density p(z) and a declared observation noise of its decoder.

    p(x|z) = Bernoulli(x; sigmoid(o(z)))        bits, x (V,); o(z) the decoder's output, before the sigmoid
           = N(x; o(z), σ² I)                   real data

    log 1/k Σ_i w_i,  w_i = p(x|z_i) p(z_i) / q(z_i|x)                        ≤ log p(x) in expectation

    q(z|x) = (1 − s) r(z|x) + s p(z),  s = ⌊k/2⌋/k                            a defensive mixture

⌈k/2⌉ of the z_i are drawn from r, the others from p(z). With the density of the mixture in every weight (the balance
heuristic), whichever part the draw comes from, E 1/k Σ_i w_i = p(x) for every r and k, and w_i ≤ p(x|z_i)/s is bounded
where r alone would miss a mode of p(z|x).

Training did not use p(x|z), so the encoder does not provide r. r is the Laplace approximation of p(z|x), with the
Gauss-Newton matrix instead of second derivatives and N(m, C), which has the moments of p(z), instead of p(z):

    r(z|x) = N(z*, A⁻¹),  A = Jᵀ Λ J + C⁻¹,  J = ∂o/∂z (V, H),  Λ = diag(x̂ (1 − x̂)) for bits, I/σ² for real data

where z* results from Newton steps z ← z + A⁻¹ ∂/∂z [log p(x|z) + log N(z; m, C)] that start at encode(x). For a
linear decoder with Gaussian noise and a Gaussian p(z), r is p(z|x), up to the error of m and C, which are estimated
from draws of p(z).

All log-densities are in nats and per example, shape (B,).

Bound: Burda et al. (2016), arXiv:1509.00519. Defensive mixture: Hesterberg (1995), Weighted average importance
sampling and defensive mixture distributions, 10.1080/00401706.1995.10484303. Balance heuristic: Veach & Guibas (1995),
Optimally combining sampling techniques for Monte Carlo rendering, 10.1145/218380.218498. Laplace approximation: MacKay
(1992), A practical Bayesian framework for backpropagation networks, 10.1162/neco.1992.4.3.448.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

import zoo
from zoo_rae.model import RAE

_STEPS = 3
_MOMENTS = 10_000  # draws of p(z) from which m and C are estimated

# Values of the widest layer in memory at once: 4 MiB in single precision.
_BLOCK = 2**20


class DeclaredLikelihood:
    """p(x) = ∫ p(x|z) p(z) dz of a trained autoencoder with V values in an example and H in a code.

    Args:
        model: provides o(z) and encode(x).
        prior: the latent density p(z).
        sigma: σ of the Gaussian noise, or None for Bernoulli noise.
        generator: the source of all draws.
    """

    def __init__(self, model: RAE, prior: zoo.LatentDensity, sigma: float | None, generator: Generator) -> None:
        self.model, self.prior, self.sigma, self.generator = model, prior, sigma, generator
        z = prior.sample(_MOMENTS, generator)
        self.m = z.mean(0)
        self.C_inverse: Tensor = torch.linalg.inv(torch.cov(z.T).reshape(len(self.m), -1))  # cov of one row is a scalar

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z): x (B, V), z (…, B, H) -> (…, B)."""
        o = self.model.o(z.flatten(0, -2).to(x.dtype)).view(*z.shape[:-1], -1)
        if self.sigma is None:
            nats: Tensor = x * o - F.softplus(o)
        else:
            nats = -((x - o) / self.sigma).square() / 2 - math.log(self.sigma) - math.log(2 * math.pi) / 2
        return nats.sum(-1)

    def proposal(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z* and A of r(z|x): x (B, V) -> (B, H) and (B, H, H), float64. Skips steps that lower the log joint."""
        z = self.model.encode(x).double()
        for _ in range(_STEPS):
            slope, A = self._derivatives(x, z)
            proposed = z + torch.linalg.solve(A, slope)
            gains = self._log_joint(x, proposed) > self._log_joint(x, z)
            z = torch.where(gains[:, None], proposed, z)
        return z, self._derivatives(x, z)[1]

    @torch.no_grad()
    def bound(self, x: Tensor, k: int) -> Tensor:
        """log 1/k Σ_i w_i with k draws for each x (N, *shape); float64, shape (N,).

        Examples and draws are processed in blocks, with a running logsumexp.
        """
        x = x.flatten(1)
        widest = self.model.widest
        bounds = []
        for block in x.split(max(1, _BLOCK // (widest * len(self.m)))):
            z_star, A = self.proposal(block)
            L = torch.linalg.cholesky(A)
            total = torch.full((len(block),), -math.inf, dtype=torch.float64, device=x.device)
            draws = max(1, _BLOCK // (widest * len(block)))
            for draw, n in ((self._draw_laplace, k - k // 2), (self._draw_prior, k // 2)):
                for start in range(0, n, draws):
                    z = draw(z_star, L, min(draws, n - start))
                    log_w = self._log_weights(block, z, z_star, L, (k // 2) / k)
                    total = total.logaddexp(log_w.logsumexp(0))
            bounds.append(total - math.log(k))
        return torch.cat(bounds)

    def _draw_laplace(self, z_star: Tensor, L: Tensor, n: int) -> Tensor:
        """n draws of r(z|x): z* + L⁻ᵀ ε with ε ~ N(0, I), L Lᵀ = A; shape (n, B, H)."""
        epsilon = torch.randn(n, *z_star.shape, generator=self.generator, dtype=torch.float64, device=z_star.device)
        draws: Tensor = z_star + torch.linalg.solve_triangular(L.mT, epsilon[..., None], upper=True)[..., 0]
        return draws

    def _draw_prior(self, z_star: Tensor, L: Tensor, n: int) -> Tensor:
        """n draws of p(z) for each example, shape (n, B, H)."""
        return self.prior.sample(n * len(z_star), self.generator).view(n, *z_star.shape)

    def _log_weights(self, x: Tensor, z: Tensor, z_star: Tensor, L: Tensor, s: float) -> Tensor:
        """log w of draws z (n, B, H) from the mixture with a share s of p(z): shape (n, B)."""
        epsilon = ((z - z_star)[..., None, :] @ L)[..., 0, :]  # Lᵀ (z − z*)
        log_determinant = L.diagonal(dim1=1, dim2=2).log().sum(1)  # of L, (B,)
        log_r = log_determinant - (epsilon.square() / 2 + math.log(2 * math.pi) / 2).sum(-1)
        log_p = self.prior.log_prob(z.flatten(0, 1)).view_as(log_r)
        log_q = (math.log1p(-s) + log_r).logaddexp(math.log(s) + log_p) if s else log_r
        return self.log_likelihood(x, z) + log_p - log_q

    def _log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z) + log N(z; m, C) up to a constant: x (B, V), z (B, H) -> (B,)."""
        away = z - self.m
        return self.log_likelihood(x, z) - ((away @ self.C_inverse) * away).sum(1) / 2

    def _derivatives(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of the log joint and A: x (B, V), z (B, H) -> (B, H) and (B, H, H), float64."""
        z = z.to(x.dtype)
        o, J = self.model.o(z), self._jacobian(z)
        if self.sigma is None:
            slope, weight = x - o.sigmoid(), o.sigmoid() * o.neg().sigmoid()
        else:
            slope, weight = (x - o) / self.sigma**2, torch.full_like(o, self.sigma**-2)
        gradient = (slope[:, None] @ J)[:, 0].double() - (z - self.m) @ self.C_inverse
        return gradient, (J.mT @ (weight[..., None] * J)).double() + self.C_inverse

    def _jacobian(self, z: Tensor) -> Tensor:
        """J, with columns J e_j from the derivative of Jᵀ v with respect to v: (B, H) -> (B, V, H)."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            o = self.model.o(z)
            v = torch.zeros_like(o, requires_grad=True)
            (product,) = torch.autograd.grad(o, z, v, create_graph=True)
            units = [e.expand_as(z) for e in torch.eye(z.shape[1], dtype=z.dtype, device=z.device)]
            columns = [torch.autograd.grad(product, v, e, retain_graph=True)[0] for e in units]
        return torch.stack(columns, 2)
