"""Denoising diffusion (DDPM): noise is added to data in T steps, and a network learns to remove it step by step.

    x_0 (V,): standardised values, or for data in [0, 1] 2x − 1;   β_t the schedule, ᾱ_t = Π_{s≤t} (1 − β_s)

    q(x_t|x_{t−1}) = N(√(1 − β_t) x_{t−1}, β_t I)      q(x_t|x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I)          t = 1, …, T

    L_simple = E ‖ε − ε_θ(√ᾱ_t x_0 + √(1 − ᾱ_t) ε, t)‖²,     t ~ U{1, …, T},  ε ~ N(0, I)

    x̂_0(x_t, t) = (x_t − √(1 − ᾱ_t) ε_θ(x_t, t)) / √ᾱ_t,     clipped to [−1, 1] for data in [0, 1]

The generative model is a chain x_T → … → x_0 over a subsequence τ of 1, …, T, with S steps from τ_S = T to τ_1 = 1.
With s and t neighbours in τ, s < t (DDIM, equations 7, 9 and 16):

    q(x_s|x_t, x_0) = N(√ᾱ_s x_0 + √(1 − ᾱ_s − σ²) (x_t − √ᾱ_t x_0) / √(1 − ᾱ_t), σ² I)
    σ² = η² (1 − ᾱ_s) / (1 − ᾱ_t) (1 − ᾱ_t / ᾱ_s)
    p(x_T) = N(0, I)        p(x_s|x_t) = q(x_s|x_t, x̂_0), or with variance 1 − ᾱ_t / ᾱ_s instead of σ²
    p(x_0|x_1) = N(x̂_0, (1 − ᾱ_1) I); of n levels, the probability of the level's bin, unbounded at the ends

For S = T and η = 1 this is DDPM: q(x_s|x_t, x_0) is the posterior of the noising, and the two variances are β̃_t and
β_t. For η = 0 it is a deterministic map of x_T. For every S and η > 0, q(x_τ|x_0) has the marginals q(x_t|x_0), and

    log p(x_0) ≥ ELBO = E log p(x_0|x_1) − Σ KL(q(x_s|x_t, x_0) ‖ p(x_s|x_t)) − KL(q(x_T|x_0) ‖ p(x_T))
    KL(q(x_s|x_t, x_0) ‖ p(x_s|x_t)) = V/2 (σ²/σ_p² − 1 − log σ²/σ_p²) + c² ‖x_0 − x̂_0‖² / 2σ_p²
    c = √ᾱ_s − √(1 − ᾱ_s − σ²) √ᾱ_t / √(1 − ᾱ_t)

The network computes F with ε_θ(x_t, t) = √(1 − ᾱ_t) x_t + √ᾱ_t F(x_t, t); F = 0 is optimal if x_0 ~ N(0, I).

Log-densities are in nats and per example, shape (B,); `loss` is the mean over the batch.

Ho, Jain & Abbeel (2020), Denoising diffusion probabilistic models, arXiv:2006.11239. Song, Meng & Ermon (2021),
Denoising diffusion implicit models, arXiv:2010.02502. Cosine schedule: Nichol & Dhariwal (2021), arXiv:2102.09672. F:
Salimans & Ho (2022), arXiv:2202.00512 (there v).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo
from zoo_diffusion.networks import Perceptron, UNet

_BLOCK = 500  # examples in a call of the network
_BETA_MAX = 0.999


class DiffusionConfig(zoo.Config):
    """The settings of a diffusion model; README says where the defaults come from."""

    T: Annotated[int, Field(gt=1, le=10_000, description="number of noising steps")] = 1000
    schedule: Annotated[
        Literal["linear", "cosine"],
        Field(description="β_t: linear from 0.1/T to 20/T (for T = 1000 that of the DDPM paper), or ᾱ_t a cosine"),
    ] = "cosine"
    values: Annotated[
        Literal["grey", "bits"],
        Field(description="data in [0, 1]: model grayscale values, or bits drawn from them, which have a likelihood"),
    ] = "grey"
    network: Annotated[
        Literal["auto", "mlp", "unet"],
        Field(description="perceptron or U-Net; auto: U-Net for images of at least 8×8 pixels"),
    ] = "auto"
    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...], Field(description="mlp: widths of the hidden layers")
    ] = (128, 128, 128)
    channels: Annotated[
        tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]],
        Field(description="unet: channels at the outer and at the inner resolution"),
    ] = (16, 64)
    blocks: Annotated[int, Field(gt=0, description="unet: residual blocks at the inner resolution")] = 1
    patch: Annotated[
        int,
        Field(
            ge=0,
            description="unet: side of the patches that are folded into channels; 0: 2 from 16×16 pixels on, else 1",
        ),
    ] = 0


@dataclass(frozen=True)
class Step:
    """p(x_s|x_t) and q(x_s|x_t, x_0): the latter is N(a x_0 + b x_t, σ² I), the former N(a x̂_0 + b x_t, σ_p² I)."""

    s: int
    t: int
    a: float
    b: float
    sigma: float
    sigma_p: float

    def kl(self, error: Tensor, V: int) -> Tensor:
        """KL(q(x_s|x_t, x_0) ‖ p(x_s|x_t)) of the squared errors ‖x_0 − x̂_0‖² (B,), in nats."""
        ratio = (self.sigma / self.sigma_p) ** 2
        return V / 2 * (ratio - 1 - math.log(ratio)) + self.a**2 * error / (2 * self.sigma_p**2)


class Diffusion(nn.Module):
    """ε_θ(x_t, t), for examples of `data.shape`, and the chains that it defines."""

    def __init__(self, config: DiffusionConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config = config
        self.shape = data.shape
        self.V = data.size
        self.real = data.support == "real"
        self.bits = data.support == "bits" or (config.values == "bits" and not self.real)
        self.alpha_bar = alpha_bar(config.schedule, config.T)  # ᾱ_0 = 1, …, ᾱ_T
        # Levels of data in [0, 1]; 0 for continuous values.
        self.register_buffer("n", torch.tensor(2.0 if self.bits else 0.0))
        roots = torch.tensor(self.alpha_bar, dtype=torch.float64)
        self.register_buffer("signal", roots.sqrt().to(torch.get_default_dtype()), persistent=False)  # √ᾱ_t
        self.register_buffer("noise", (1 - roots).sqrt().to(torch.get_default_dtype()), persistent=False)  # √(1 − ᾱ_t)
        self.network = _network(config, data.shape)

    def initialise(self, train: Tensor) -> None:
        """Find the levels of grayscale values in the training split (N, *shape)."""
        if not (self.real or self.bits):
            self.get_buffer("n").fill_(levels(train))

    def to_x0(self, x: Tensor) -> Tensor:
        """x_0 of data: real values unchanged, data in [0, 1] mapped to [−1, 1]."""
        return x if self.real else 2 * x - 1

    def diffuse(self, x0: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε: (B, *shape), t (B,) -> (B, *shape)."""
        return self._at("signal", t, x0) * x0 + self._at("noise", t, x0) * epsilon

    def epsilon(self, x_t: Tensor, t: Tensor) -> Tensor:
        """ε_θ(x_t, t): (B, *shape), t (B,) -> (B, *shape)."""
        F: Tensor = self.network(x_t, t)
        return self._at("noise", t, x_t) * x_t + self._at("signal", t, x_t) * F

    def predict(self, x_t: Tensor, t: Tensor) -> Tensor:
        """x̂_0(x_t, t), in terms of F: √ᾱ_t x_t − √(1 − ᾱ_t) F(x_t, t): (B, *shape), t (B,) -> (B, *shape)."""
        F: Tensor = self.network(x_t, t)
        x0 = self._at("signal", t, x_t) * x_t - self._at("noise", t, x_t) * F
        return x0 if self.real else x0.clamp(-1, 1)

    def loss(self, x: Tensor, generator: Generator) -> Tensor:
        """L_simple of a batch x (B, *shape), one t and ε for each example; a scalar."""
        x0 = self.to_x0(x)
        t = torch.randint(1, self.config.T + 1, (len(x),), generator=generator, device=generator.device)
        epsilon = _normal_like(x0, generator)
        error = epsilon - self.epsilon(self.diffuse(x0, t, epsilon), t)
        return error.square().flatten(1).sum(1).mean()

    def chain(self, S: int, eta: float, variance: str) -> Iterator[Step]:
        """The steps from x_T to x_1 of a chain of S network evaluations, the last of which gives x_0.

        Args:
            S: number of elements of τ; T at most.
            eta: η in [0, 1].
            variance: "posterior" for σ_p² = σ², "beta" for σ_p² = 1 − ᾱ_t/ᾱ_s.
        """
        tau = subsequence(self.config.T, S)
        for s, t in zip(tau[-2::-1], tau[:0:-1], strict=True):
            A_s, A_t = self.alpha_bar[s], self.alpha_bar[t]
            beta = 1 - A_t / A_s
            sigma = eta * math.sqrt((1 - A_s) / (1 - A_t) * beta)
            b = math.sqrt((1 - A_s - sigma**2) / (1 - A_t))
            a = math.sqrt(A_s) - b * math.sqrt(A_t)
            yield Step(s, t, a, b, sigma, math.sqrt(beta) if variance == "beta" else sigma)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator, chain: list[Step]) -> Tensor:
        """n draws of p(x_0) in the data's range: E[x_0|x_1] for data in [0, 1], with its noise for real data."""
        sizes = [min(_BLOCK, n - start) for start in range(0, n, _BLOCK)]
        return torch.cat([deque(self._states(size, generator, chain), maxlen=1)[0] for size in sizes])

    @torch.no_grad()
    def path(self, n: int, generator: Generator, chain: list[Step]) -> Tensor:
        """x_T, …, x_1 and the sample of n draws, x_t in the data's range and clipped to it: (S + 1, n, *shape)."""
        sizes = [min(_BLOCK, n - start) for start in range(0, n, _BLOCK)]
        states = torch.cat([torch.stack(list(self._states(size, generator, chain))) for size in sizes], dim=1)
        if not self.real:
            states[:-1] = ((states[:-1] + 1) / 2).clamp(0, 1)
        return states

    def _states(self, n: int, generator: Generator, chain: list[Step]) -> Iterator[Tensor]:
        """x_T, …, x_1 as they are, and the sample in the data's range."""
        signal = self.get_buffer("signal")
        x = torch.randn(n, *self.shape, generator=generator, dtype=signal.dtype, device=signal.device)
        yield x
        for step in chain:
            x = step.a * self.predict(x, self._time(step.t, x)) + step.b * x
            if step.sigma_p:
                x = x + step.sigma_p * _normal_like(x, generator)
            yield x
        t = self._time(chain[-1].s if chain else self.config.T, x)
        x0, scale = self.predict(x, t), self._at("noise", t, x)
        if self.real:
            yield x0 + scale * _normal_like(x, generator)
        else:
            yield torch.special.ndtr(x0 / scale) if self.bits else (x0 + 1) / 2

    @torch.no_grad()
    def elbo(self, x: Tensor, generator: Generator, chain: list[Step], terms: int = 0) -> Tensor:
        """An unbiased estimate of the ELBO of data x (N, *shape) in nats, float64, shape (N,).

        Args:
            terms: number K of KL terms that are drawn for each example; 0: all, each once.
        """
        return torch.cat([self._elbo(self.to_x0(block), generator, chain, terms) for block in x.split(_BLOCK)])

    def _elbo(self, x0: Tensor, generator: Generator, chain: list[Step], terms: int) -> Tensor:
        first = chain[-1].s if chain else self.config.T
        nats = self.log_observation(x0, first, _normal_like(x0, generator)) - self.prior_kl(x0)
        if not terms or terms >= len(chain):
            for step in chain:
                nats -= step.kl(self._error(x0, self._time(step.t, x0), generator), self.V)
            return nats
        # A step is drawn with a probability proportional to the change of log ᾱ/(1 − ᾱ) in it, once from each of K
        # strata of equal probability.
        log_snr = [math.log(A / (1 - A)) for A in self.alpha_bar[1:]]
        q = torch.tensor([log_snr[step.s - 1] - log_snr[step.t - 1] for step in chain], dtype=torch.float64)
        q = q / q.sum()
        edges = q.cumsum(0)[:-1].to(x0.device)
        table = torch.tensor([(step.t, *_affine_kl(step, self.V)) for step in chain], dtype=torch.float64).to(x0.device)
        for k in range(terms):
            u = (k + torch.rand(len(x0), generator=generator, dtype=torch.float64, device=x0.device)) / terms
            i = torch.searchsorted(edges, u)
            t, constant, slope = table[i].T
            kl = constant + slope * self._error(x0, t.long(), generator)
            nats -= kl / (terms * q.to(x0.device)[i])
        return nats

    def _error(self, x0: Tensor, t: Tensor, generator: Generator) -> Tensor:
        """An unbiased estimate of E ‖x_0 − x̂_0(x_t, t)‖², from one draw of ε; float64, shape (B,)."""
        return self.error(x0, t, _normal_like(x0, generator))

    def error(self, x0: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """‖x_0 − x̂_0‖² at x_t (B, *shape) with noise ε, for real data minus a term of mean 0; float64, shape (B,).

        For x_0 ~ N(0, I) and the optimal ε_θ, x_0 − x̂_0 has the part −√(ᾱ_t (1 − ᾱ_t)) ε; its square, less its mean,
        is subtracted as a control variate.
        """
        error = (x0 - self.predict(self.diffuse(x0, t, epsilon), t)).double().square().flatten(1).sum(1)
        if self.real:
            A = self.get_buffer("signal")[t].double().square()
            error -= A * (1 - A) * (epsilon.double().square().flatten(1).sum(1) - self.V)
        return error

    def prior_kl(self, x0: Tensor) -> Tensor:
        """KL(q(x_T|x_0) ‖ N(0, I)) in nats, float64: (B, *shape) -> (B,)."""
        A = self.alpha_bar[-1]
        return (A * x0.double().square().flatten(1).sum(1) - self.V * (A + math.log1p(-A))) / 2

    def log_observation(self, x0: Tensor, t: int, epsilon: Tensor) -> Tensor:
        """log p(x_0|x_t), t = τ_1, at x_t with noise ε, in nats, float64: (B, *shape) -> (B,); see `error`."""
        times, variance, n = self._time(t, x0), 1 - self.alpha_bar[t], int(self.get_buffer("n"))
        if not n:
            return -(self.error(x0, times, epsilon) / variance + self.V * math.log(2 * math.pi * variance)) / 2
        gap = (x0 - self.predict(self.diffuse(x0, times, epsilon), times)).double() / variance**0.5
        half = 1 / (n - 1)
        return log_bin(gap, half / variance**0.5, x0 < half - 1, x0 > 1 - half).flatten(1).sum(1)

    def _at(self, name: str, t: Tensor, x: Tensor) -> Tensor:
        """√ᾱ_t or √(1 − ᾱ_t) of t (B,), to be multiplied with x (B, *shape)."""
        return self.get_buffer(name)[t].to(x.dtype).view(-1, *[1] * (x.ndim - 1))

    def _time(self, t: int, x: Tensor) -> Tensor:
        return torch.full((len(x),), t, device=x.device)


def alpha_bar(schedule: str, T: int) -> list[float]:
    """ᾱ_0 = 1, ᾱ_1, …, ᾱ_T."""
    if schedule == "linear":
        beta = [(0.1 + (20 - 0.1) * t / (T - 1)) / T for t in range(T)]
    else:
        f = [math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(T + 1)]
        beta = [1 - after / before for before, after in pairwise(f)]
    products = [1.0]
    for each in beta:
        products.append(products[-1] * (1 - min(each, _BETA_MAX)))
    return products


def subsequence(T: int, S: int) -> list[int]:
    """τ: S steps from 1 to T, evenly spaced up to rounding; (T,) for S = 1."""
    return [T] if S == 1 else [1 + round(i * (T - 1) / (S - 1)) for i in range(S)]


def log_bin(z: Tensor, half: float, lowest: Tensor, highest: Tensor) -> Tensor:
    """log P(z − half < Z < z + half), Z ~ N(0, 1); no lower limit where `lowest`, no upper one where `highest`."""
    # The upper and lower tails are exchanged such that the bin is in the lower one, where log Φ is accurate.
    flip = z > 0
    upper = torch.where(flip, half - z, half + z)
    lower = torch.where(flip, -half - z, z - half)
    open_below, open_above = torch.where(flip, highest, lowest), torch.where(flip, lowest, highest)
    log_upper = torch.where(open_above, torch.zeros_like(z), torch.special.log_ndtr(upper))
    log_lower = torch.where(open_below, torch.full_like(z, -math.inf), torch.special.log_ndtr(lower))
    return log_upper + torch.log1p(-(log_lower - log_upper).exp())


def levels(x: Tensor) -> int:
    """Return n if all values of x in [0, 1] lie on the grid 0, 1/(n − 1), …, 1, whose step is their smallest distance.

    Returns:
        n, from 2 to 2^16; or 0 for continuous values, which do not lie on such a grid.
    """
    values = x.unique()  # in ascending order
    if len(values) < 2:
        return 0
    n = round(float(1 / values.diff().min())) + 1
    places = values * (n - 1)
    return n if n <= 2**16 and bool(((places - places.round()).abs() < 0.01).all()) else 0


def _affine_kl(step: Step, V: int) -> tuple[float, float]:
    """KL of a step as constant + slope · ‖x_0 − x̂_0‖²."""
    constant, one = step.kl(torch.tensor([0.0, 1.0], dtype=torch.float64), V).tolist()
    return constant, one - constant


def _normal_like(x: Tensor, generator: Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)


def _network(config: DiffusionConfig, shape: tuple[int, ...]) -> nn.Module:
    image = len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))
    if config.network == "unet" and not image:
        raise zoo.Unsupported(f"network=unet is for images of shape (H, W), (1, H, W) or (3, H, W), not {shape}")
    if config.network == "mlp" or not image or (config.network == "auto" and min(shape[-2:]) < 8):
        return Perceptron(math.prod(shape), config.hidden)
    patch = config.patch or (2 if min(shape[-2:]) >= 16 else 1)
    C, H, W = (1, *shape)[-3:]
    return UNet((C, H, W), patch, config.channels, config.blocks)
