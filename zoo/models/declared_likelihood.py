"""log p(x) of a decoder under a latent density p(h) of its codes and a declared observation noise.

    p(x|h) = Bernoulli(x; sigmoid(o(h)))        bits, x (V,); o(h), the decoder's output before the sigmoid
           = N(x; o(h), σ² I)                   real data

    log 1/k Σ_i w_i,  w_i = p(x|h_i) p(h_i) / q(h_i|x)                        ≤ log p(x) in expectation

    q(h|x) = Σ_j n_j/k q_j(h|x),  q_1 = r(h|x; m, C),  q_2 = r(h|x; m_x, C_x),  q_3 = p(h)        a defensive mixture

n_j of the h_i are drawn from q_j: about 1/4, 1/4 and 1/2 of them. With the density of the mixture in every weight (the
balance heuristic), whichever part the draw comes from, E 1/k Σ_i w_i = p(x) for all q_j, and w_i ≤ k/n_3 p(x|h_i) is
bounded where the others would miss a mode of p(h|x).

Training did not use p(x|h), so the encoder does not provide q. r is the Laplace approximation of p(h|x), with the
Gauss-Newton matrix instead of second derivatives and N(m, C) instead of p(h):

    r(h|x; m, C) = N(h*, A⁻¹),  A = Jᵀ Λ J + C⁻¹,  J = ∂o/∂h (V, H),  Λ = diag(x̂ (1 − x̂)) for bits, I/σ² for real data

where h* results from Newton steps h ← h + A⁻¹ ∂/∂h [log p(x|h) + log N(h; m, C)] that start at the code of x. m and C
are the moments of 10,000 draws of p(h); m_x and C_x those of the 200 that are nearest to the code of x: around a mode,
p(h) is narrower than C says. For a linear decoder with Gaussian noise and a Gaussian p(h), q_1 is p(h|x), up to the
error of m and C.

All log-densities are in nats and per example, shape (B,).

Bound: Burda et al. (2016), arXiv:1509.00519. Defensive mixture: Hesterberg (1995), Weighted average importance
sampling and defensive mixture distributions, 10.1080/00401706.1995.10484303. Balance heuristic: Veach & Guibas (1995),
Optimally combining sampling techniques for Monte Carlo rendering, 10.1145/218380.218498. Laplace approximation: MacKay
(1992), A practical Bayesian framework for backpropagation networks, 10.1162/neco.1992.4.3.448.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple, Self

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
_NEAREST = 200  # of them, from which m_x and C_x are estimated; more than four for each value of a code
_RIDGE = 0.01  # weight of C in C_x

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
    k: Annotated[int, Field(gt=0, description="draws of the code per example in the bound on log p(x)")] = 200

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


class _Normal(NamedTuple):
    """N(m, C) in the place of p(h), one for all examples or one for each."""

    m: Tensor  # (H,) or (B, H)
    C_inverse: Tensor  # (H, H) or (B, H, H)


class _Laplace(NamedTuple):
    """r(h|x) = N(h*, A⁻¹), A = L Lᵀ, of B examples."""

    h_star: Tensor  # (B, H)
    L: Tensor  # (B, H, H)

    def draw(self, n: int, generator: Generator) -> Tensor:
        """n draws, h* + L⁻ᵀ ε with ε ~ N(0, I); shape (n, B, H)."""
        epsilon = torch.randn(n, *self.h_star.shape, generator=generator, dtype=torch.float64, device=self.L.device)
        steps: Tensor = torch.linalg.solve_triangular(self.L.mT, epsilon.permute(1, 2, 0), upper=True)  # (B, H, n)
        return (self.h_star + steps.permute(2, 0, 1)).contiguous()

    def log_prob(self, h: Tensor) -> Tensor:
        """log r(h|x): (n, B, H) -> (n, B)."""
        epsilon = (h - self.h_star).transpose(0, 1) @ self.L  # Lᵀ (h − h*), (B, n, H)
        log_determinant = self.L.diagonal(dim1=1, dim2=2).log().sum(1) - h.shape[-1] * math.log(2 * math.pi) / 2  # (B,)
        return log_determinant - epsilon.square().sum(-1).T / 2


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
        self.draws = prior.sample(_MOMENTS, generator)
        m, C = _moments(self.draws)
        self.C, self.everywhere = C, _Normal(m, torch.linalg.inv(C))
        self.whiten = torch.linalg.cholesky(self.everywhere.C_inverse)
        self.white = self.draws @ self.whiten

    def log_likelihood(self, x: Tensor, h: Tensor) -> Tensor:
        """log p(x|h): x (B, V), h (…, B, H) -> (…, B)."""
        o = self.o(h.flatten(0, -2).to(x.dtype)).view(*h.shape[:-1], -1)
        if self.sigma is None:
            nats: Tensor = x * o - F.softplus(o)
        else:
            nats = -((x - o) / self.sigma).square() / 2 - math.log(self.sigma) - math.log(2 * math.pi) / 2
        return nats.sum(-1)

    def nearby(self, code: Tensor) -> _Normal:
        """N(m_x, C_x) for each code (B, H): the moments of the nearest draws of p(h), in the metric of C⁻¹."""
        n = min(max(_NEAREST, 4 * code.shape[1]), len(self.draws))
        m, C = _moments(self.draws[torch.cdist(code @ self.whiten, self.white).topk(n, largest=False).indices])
        return _Normal(m, torch.linalg.inv(C.lerp(self.C, _RIDGE)))

    def proposal(self, x: Tensor, code: Tensor, prior: _Normal) -> tuple[Tensor, Tensor]:
        """h* and A of r(h|x): x (B, V), codes (B, H) where the search starts -> (B, H) and (B, H, H), float64.

        Steps that lower the log joint are skipped.
        """
        h = code
        for _ in range(_STEPS):
            slope, A = self._derivatives(x, h, prior)
            proposed = h + torch.linalg.solve(A, slope)
            gains = self._log_joint(x, proposed, prior) > self._log_joint(x, h, prior)
            h = torch.where(gains[:, None], proposed, h)
        return h, self._derivatives(x, h, prior)[1]

    @torch.no_grad()
    def bound(self, x: Tensor, k: int) -> Tensor:
        """log 1/k Σ_i w_i with k draws for each x (N, *shape); float64, shape (N,).

        Examples and draws are processed in blocks, with a running logsumexp.
        """
        x = x.flatten(1)
        defensive, others = k // 2, k - k // 2
        counts, bounds = (others - others // 2, others // 2, defensive), []
        for block in x.split(max(1, _BLOCK // (self.width * self.draws.shape[1]))):
            laplace = self.approximations(block)
            total = torch.full((len(block),), -math.inf, dtype=torch.float64, device=x.device)
            draws = max(1, _BLOCK // (self.width * len(block)))
            for r, count in zip((*laplace, None), counts, strict=True):
                for start in range(0, count, draws):
                    n = min(draws, count - start)
                    h = r.draw(n, self.generator) if r else self._draw_prior(n, len(block))
                    total = total.logaddexp(self._log_weights(block, h, laplace, counts).logsumexp(0))
            bounds.append(total - math.log(k))
        return torch.cat(bounds)

    def approximations(self, x: Tensor) -> tuple[_Laplace, _Laplace]:
        """q_1 and q_2 of examples (B, V)."""
        code = self.encode(x).double()
        found = [self.proposal(x, code, prior) for prior in (self.everywhere, self.nearby(code))]
        first, second = (_Laplace(h_star, torch.linalg.cholesky(A)) for h_star, A in found)
        return first, second

    def _draw_prior(self, n: int, examples: int) -> Tensor:
        """n draws of p(h) for each example, shape (n, B, H)."""
        return self.prior.sample(n * examples, self.generator).view(n, examples, -1)

    def _log_weights(
        self, x: Tensor, h: Tensor, laplace: tuple[_Laplace, _Laplace], counts: tuple[int, int, int]
    ) -> Tensor:
        """log w of draws h (n, B, H) from the mixture of q_1, q_2, p(h) in proportion to the counts: shape (n, B)."""
        log_p = self.prior.log_prob(h.flatten(0, 1)).view(h.shape[:-1])
        parts = zip(counts, (*(r.log_prob(h) for r in laplace), log_p), strict=True)
        log_q = torch.stack([math.log(n / sum(counts)) + log_part for n, log_part in parts if n])
        return self.log_likelihood(x, h) + log_p - log_q.logsumexp(0)

    def _log_joint(self, x: Tensor, h: Tensor, prior: _Normal) -> Tensor:
        """log p(x|h) + log N(h; m, C) up to a constant: x (B, V), h (B, H) -> (B,)."""
        away = h - prior.m
        return self.log_likelihood(x, h) - (_times(away, prior.C_inverse) * away).sum(1) / 2

    def _derivatives(self, x: Tensor, h: Tensor, prior: _Normal) -> tuple[Tensor, Tensor]:
        """The gradient of the log joint and A: x (B, V), h (B, H) -> (B, H) and (B, H, H), float64."""
        away = h - prior.m
        h = h.to(x.dtype)
        o, J = self.o(h), self._jacobian(h)
        if self.sigma is None:
            slope, weight = x - o.sigmoid(), o.sigmoid() * o.neg().sigmoid()
        else:
            slope, weight = (x - o) / self.sigma**2, torch.full_like(o, self.sigma**-2)
        gradient = _times(slope, J).double() - _times(away, prior.C_inverse)
        return gradient, (J.mT @ (weight[..., None] * J)).double() + prior.C_inverse

    def _jacobian(self, h: Tensor) -> Tensor:
        """J, with columns J e_j from the derivative of Jᵀ v with respect to v: (B, H) -> (B, V, H)."""
        with torch.enable_grad():
            h = h.detach().requires_grad_()
            o = self.o(h)
            v = torch.zeros_like(o, requires_grad=True)
            (product,) = torch.autograd.grad((o * v).sum(), h, create_graph=True)
            columns = [torch.autograd.grad(each.sum(), v, retain_graph=True)[0] for each in product.unbind(1)]
        return torch.stack(columns, 2)


def _moments(h: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of draws: (…, n, H) -> (…, H) and (…, H, H)."""
    m = h.mean(-2)
    away = h - m[..., None, :]
    return m, away.mT @ away / (h.shape[-2] - 1)


def _times(v: Tensor, M: Tensor) -> Tensor:
    """vᵀ M for each row: v (B, V), M (V, H) or (B, V, H) -> (B, H)."""
    return (v[:, None] @ M)[:, 0]
