"""log p(x) of a decoder under a latent density p(h) of its codes and a declared observation noise.

    p(x|h) = Bernoulli(x; sigmoid(o(h)))        bits, x (V,); o(h), the decoder's output before the sigmoid
           = N(x; o(h), σ² I)                   real data

    log 1/k Σ_i w_i,  w_i = p(x|h_i) p(h_i) / q(h_i|x)                        ≤ log p(x) in expectation

    q(h|x) = (1 − s) r(h|x) + s p(h),  s = ⌊k/2⌋/k                            a defensive mixture

⌈k/2⌉ of the h_i are drawn from r, the others from p(h). With the density of the mixture in every weight (the balance
heuristic), whichever part the draw comes from, E 1/k Σ_i w_i = p(x) for every r and k, and w_i ≤ p(x|h_i)/s is bounded
where r alone would miss a mode of p(h|x).

Training did not use p(x|h), so the encoder does not provide r. r is the Laplace approximation of p(h|x), with the
Gauss-Newton matrix instead of second derivatives and N(m, C), which has the moments of p(h), instead of p(h):

    r(h|x) = N(h*, A⁻¹),  A = Jᵀ Λ J + C⁻¹,  J = ∂o/∂h (V, H),  Λ = diag(x̂ (1 − x̂)) for bits, I/σ² for real data

where h* results from Newton steps h ← h + A⁻¹ ∂/∂h [log p(x|h) + log N(h; m, C)] that start at the code of x. For a
linear decoder with Gaussian noise and a Gaussian p(h), r is p(h|x), up to the error of m and C, which are estimated
from draws of p(h).

All log-densities are in nats and per example, shape (B,).

Bound: Burda et al. (2016), arXiv:1509.00519. Defensive mixture: Hesterberg (1995), Weighted average importance
sampling and defensive mixture distributions, 10.1080/00401706.1995.10484303. Balance heuristic: Veach & Guibas (1995),
Optimally combining sampling techniques for Monte Carlo rendering, 10.1145/218380.218498. Laplace approximation: MacKay
(1992), A practical Bayesian framework for backpropagation networks, 10.1162/neco.1992.4.3.448.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Generator, Tensor

from zoo.contract.config import Config
from zoo.contract.hookspecs import LatentDensity
from zoo.contract.log_prob import LogProb
from zoo.errors import Unsupported

_STEPS = 3
_MOMENTS = 10_000  # draws of p(h) from which m and C are estimated

# Values of the widest layer in memory at once: 4 MiB in single precision.
_BLOCK = 2**20


class DeclaredNoise(Config):
    """Options for the likelihood of a decoder that was trained without one: a noise that is declared afterwards.

    A card names this class, or a subclass with further options, as its `options`; its `log_prob` then calls `log_prob`.
    """

    decoder_noise: Annotated[
        Literal["auto", "none", "bernoulli", "gaussian"],
        Field(
            description="declared noise of the decoder, for a likelihood: bernoulli for data in [0, 1], gaussian for "
            "real data; auto is bernoulli, as comparisons draw bits from samples, and none for real data"
        ),
    ] = "auto"
    sigma: Annotated[
        float,
        Field(
            gt=0,
            description="gaussian: σ of the noise; with σ = 1, −log p(x|h) is half the squared error plus a constant",
        ),
    ] = 1.0
    k: Annotated[int, Field(gt=0, description="draws of the code per example in the bound on log p(x)")] = 500

    @model_validator(mode="after")
    def _sigma_is_that_of_gaussian_noise(self) -> Self:
        if self.sigma != 1 and self.decoder_noise != "gaussian":
            raise ValueError(
                f"sigma needs decoder_noise = gaussian, got sigma = {self.sigma} with decoder_noise = "
                f"{self.decoder_noise}; leave sigma out, or set decoder_noise too"
            )
        return self

    @staticmethod
    def of_data(*, real: bool) -> Literal["bernoulli", "gaussian"]:
        """Return the noise that data can have: `gaussian` if they are real-valued, `bernoulli` if in [0, 1]."""
        return "gaussian" if real else "bernoulli"

    def is_declared(self, *, real: bool) -> bool:
        """Return whether these options declare a noise for data that are real-valued, or in [0, 1]."""
        return self.decoder_noise in ("bernoulli", "gaussian") or (self.decoder_noise == "auto" and not real)

    def log_prob(
        self,
        x: Tensor,
        o: Callable[[Tensor], Tensor],
        encode: Callable[[Tensor], Tensor],
        prior: LatentDensity,
        generator: Generator,
        *,
        real: bool,
        width: int,
    ) -> tuple[LogProb, ...]:
        """Return the lower bound on log p(x), marked as declared, of examples x (N, *shape).

        Args:
            x: the examples.
            o, encode, prior, generator, width: as for `DeclaredLikelihood`.
            real: whether the data are real-valued, and not in [0, 1].

        Raises:
            Unsupported: for a noise that the data cannot have.
        """
        wanted = self.of_data(real=real)
        if self.decoder_noise not in ("auto", wanted):
            raise Unsupported(
                f"decoder_noise must be {wanted} (bernoulli for data in [0, 1], whose likelihood is that of bits; "
                f"gaussian for real data), got {self.decoder_noise}"
            )
        sigma = self.sigma if real else None
        nats = DeclaredLikelihood(o, encode, prior, sigma, generator, width=width).bound(x, self.k)
        law = f"Gaussian decoder noise, σ = {sigma:g}" if real else "Bernoulli decoder noise"
        method = f"declared {law}; importance-weighted bound, k = {self.k}"
        return (LogProb(nats, "lower", method=method, declared=True),)


class DeclaredLikelihood:
    """p(x) = ∫ p(x|h) p(h) dh of a trained decoder with V values in an example and H in a code.

    Args:
        o: h (B, H) -> o(h) (B, V), differentiable: logits of bits, or means of real values.
        encode: x (B, V) -> codes (B, H), where the search for the mode of p(h|x) starts.
        prior: the latent density p(h).
        sigma: σ of the Gaussian noise, or None for Bernoulli noise.
        generator: the source of all draws.
        width: width of the decoder's widest layer, which bounds the memory in use.
    """

    def __init__(
        self,
        o: Callable[[Tensor], Tensor],
        encode: Callable[[Tensor], Tensor],
        prior: LatentDensity,
        sigma: float | None,
        generator: Generator,
        *,
        width: int,
    ) -> None:
        self.o, self.encode, self.prior, self.sigma, self.width = o, encode, prior, sigma, width
        self.generator = generator
        h = prior.sample(_MOMENTS, generator)
        self.m = h.mean(0)
        self.C_inverse: Tensor = torch.linalg.inv(torch.cov(h.T).reshape(len(self.m), -1))  # cov of one row is a scalar

    def log_likelihood(self, x: Tensor, h: Tensor) -> Tensor:
        """log p(x|h): x (B, V), h (…, B, H) -> (…, B)."""
        o = self.o(h.flatten(0, -2).to(x.dtype)).view(*h.shape[:-1], -1)
        if self.sigma is None:
            nats: Tensor = x * o - F.softplus(o)
        else:
            nats = -((x - o) / self.sigma).square() / 2 - math.log(self.sigma) - math.log(2 * math.pi) / 2
        return nats.sum(-1)

    def proposal(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """h* and A of r(h|x): x (B, V) -> (B, H) and (B, H, H), float64. Skips steps that lower the log joint."""
        h = self.encode(x).double()
        for _ in range(_STEPS):
            slope, A = self._derivatives(x, h)
            proposed = h + torch.linalg.solve(A, slope)
            gains = self._log_joint(x, proposed) > self._log_joint(x, h)
            h = torch.where(gains[:, None], proposed, h)
        return h, self._derivatives(x, h)[1]

    @torch.no_grad()
    def bound(self, x: Tensor, k: int) -> Tensor:
        """log 1/k Σ_i w_i with k draws for each x (N, *shape); float64, shape (N,).

        Examples and draws are processed in blocks, with a running logsumexp.
        """
        x = x.flatten(1)
        bounds = []
        for block in x.split(max(1, _BLOCK // (self.width * len(self.m)))):
            h_star, A = self.proposal(block)
            L = torch.linalg.cholesky(A)
            total = torch.full((len(block),), -math.inf, dtype=torch.float64, device=x.device)
            draws = max(1, _BLOCK // (self.width * len(block)))
            for draw, n in ((self._draw_laplace, k - k // 2), (self._draw_prior, k // 2)):
                for start in range(0, n, draws):
                    h = draw(h_star, L, min(draws, n - start))
                    log_w = self._log_weights(block, h, h_star, L, (k // 2) / k)
                    total = total.logaddexp(log_w.logsumexp(0))
            bounds.append(total - math.log(k))
        return torch.cat(bounds)

    def _draw_laplace(self, h_star: Tensor, L: Tensor, n: int) -> Tensor:
        """n draws of r(h|x): h* + L⁻ᵀ ε with ε ~ N(0, I), L Lᵀ = A; shape (n, B, H)."""
        epsilon = torch.randn(n, *h_star.shape, generator=self.generator, dtype=torch.float64, device=h_star.device)
        steps: Tensor = torch.linalg.solve_triangular(L.mT, epsilon.permute(1, 2, 0), upper=True)  # (B, H, n)
        return (h_star + steps.permute(2, 0, 1)).contiguous()

    def _draw_prior(self, h_star: Tensor, L: Tensor, n: int) -> Tensor:
        """n draws of p(h) for each example, shape (n, B, H)."""
        return self.prior.sample(n * len(h_star), self.generator).view(n, *h_star.shape)

    def _log_weights(self, x: Tensor, h: Tensor, h_star: Tensor, L: Tensor, s: float) -> Tensor:
        """log w of draws h (n, B, H) from the mixture with a share s of p(h): shape (n, B)."""
        epsilon = (h - h_star).transpose(0, 1) @ L  # Lᵀ (h − h*), (B, n, H)
        log_determinant = L.diagonal(dim1=1, dim2=2).log().sum(1) - h.shape[-1] * math.log(2 * math.pi) / 2  # (B,)
        log_r = log_determinant - epsilon.square().sum(-1).T / 2
        log_p = self.prior.log_prob(h.flatten(0, 1)).view_as(log_r)
        log_q = (math.log1p(-s) + log_r).logaddexp(math.log(s) + log_p) if s else log_r
        return self.log_likelihood(x, h) + log_p - log_q

    def _log_joint(self, x: Tensor, h: Tensor) -> Tensor:
        """log p(x|h) + log N(h; m, C) up to a constant: x (B, V), h (B, H) -> (B,)."""
        away = h - self.m
        return self.log_likelihood(x, h) - ((away @ self.C_inverse) * away).sum(1) / 2

    def _derivatives(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of the log joint and A: x (B, V), h (B, H) -> (B, H) and (B, H, H), float64."""
        h = h.to(x.dtype)
        o, J = self.o(h), self._jacobian(h)
        if self.sigma is None:
            slope, weight = x - o.sigmoid(), o.sigmoid() * o.neg().sigmoid()
        else:
            slope, weight = (x - o) / self.sigma**2, torch.full_like(o, self.sigma**-2)
        gradient = (slope[:, None] @ J)[:, 0].double() - (h - self.m) @ self.C_inverse
        return gradient, (J.mT @ (weight[..., None] * J)).double() + self.C_inverse

    def _jacobian(self, h: Tensor) -> Tensor:
        """J, with columns J e_j from the derivative of Jᵀ v with respect to v: (B, H) -> (B, V, H)."""
        with torch.enable_grad():
            h = h.detach().requires_grad_()
            o = self.o(h)
            v = torch.zeros_like(o, requires_grad=True)
            (product,) = torch.autograd.grad((o * v).sum(), h, create_graph=True)
            columns = [torch.autograd.grad(each.sum(), v, retain_graph=True)[0] for each in product.unbind(1)]
        return torch.stack(columns, 2)
