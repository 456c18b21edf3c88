"""The variational autoencoder: p(x, z) = p(z) p(x|z), and a recognition model q(z|x) trained with it.

    p(z)   = N(0, I)                                  z (D,)
    p(x|z) = Bernoulli(x; sigmoid(o(z)))              bits, x (V,); o is the decoder
           = N(x; o(z), σ² I)                         real data; σ is learned, one scalar for all V values
           = N(x; sigmoid(o(z)), σ² I)                data in [0, 1] with likelihood = "gaussian"
    q(z|x) = N(z; μ(x), diag σ_q²(x))                 the encoder

With conditional = true, all but p(z) depend on the class y of x, p(x|z, y) and q(z|x, y), and the bounds are those on
log p(x|y). A one-hot vector e(y) is joined to the input of both networks: o([z, 8 e(y)]), μ([x, 8 e(y)]) and
σ_q([x, 8 e(y)]). With the factor, the decoder learns the effect of y before z encodes it. A convolutional encoder
instead adds a learned image of each class to x: μ(x + c_y), σ_q(x + c_y).

    ELBO(x) = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z))                     ≤ log p(x)
    L_k(x)  = E_q[log 1/k Σ_i w_i],  w_i = p(x, z_i) / q(z_i|x)       ≤ log p(x); L_1 = ELBO, nondecreasing in k

Encoder and decoder are multilayer perceptrons, or convolutions for images: `networks.py`.

All terms are in nats and per example, shape (B,); only `objective` takes the mean over the batch. With
k = 1, `objective` maximises

    mean_B E_q[log p(x|z)] − β Σ_j max(λ, mean_B KL_j),   KL_j = KL(q(z_j|x) ‖ p(z_j)), λ the free bits, in nats.

Kingma & Welling (2014), arXiv:1312.6114. Classes: Kingma et al. (2014), arXiv:1406.5298, model M2. β: Higgins et al.
(2017), beta-VAE. Its warm-up: Bowman et al. (2016), arXiv:1511.06349. Free bits: Kingma et al. (2016),
arXiv:1606.04934. L_k: Burda et al. (2016), arXiv:1509.00519. The learned σ: Rybkin et al. (2021), arXiv:2006.13202.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from itertools import repeat
from math import prod
from typing import Annotated, Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Generator, Tensor, nn

import zoo
from zoo_vae.networks import convolutions, feature_maps, perceptrons

# The smallest standard deviations, so that densities stay bounded: of q(z|x), where p(z) has 1, and of p(x|z), where
# real data are standardised and grayscale values lie in [0, 1].
_SIGMA_Q_MIN = 1e-4
_SIGMA_MIN = 1e-2

_ONE_HOT = 8.0  # value of the one in e(y); with 1 on MNIST, z encoded y, and samples were often of another class

# Values of the widest layer in memory at once in the bound: 2 MiB in single precision, which fit in caches.
_BLOCK = 2**19

# Draws whose terms are remembered, at most: 64 MiB in single precision.
_REMEMBERED = 2**24


class VAEConfig(zoo.Config):
    """The settings of a VAE. The defaults were chosen on the validation split of the digits."""

    network: Annotated[
        Literal["mlp", "conv"],
        Field(description="mlp: affine layers, of `hidden` widths; conv: convolutions, for images"),
    ] = "mlp"
    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(description="mlp: widths of the encoder's hidden layers, the decoder's in reverse; () is a linear VAE"),
    ] = (512,)
    channels: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(
            min_length=1, description="conv: channels of the encoder's stride-2 convolutions, the decoder's in reverse"
        ),
    ] = (32, 64)
    latent_dim: Annotated[int, Field(gt=0, description="D, the number of values in z")] = 16
    activation: Annotated[
        Literal["relu", "silu", "tanh", "sigmoid"], Field(description="activation of the hidden layers")
    ] = "relu"
    likelihood: Annotated[
        Literal["auto", "bernoulli", "gaussian"],
        Field(description="p(x|z); auto: bernoulli for data in [0, 1], gaussian for real data"),
    ] = "auto"
    beta: Annotated[float, Field(ge=0, description="β, the weight of the KL term; 1 is the ELBO")] = 1.0
    warmup: Annotated[
        float, Field(ge=0, le=1, description="share of the budget over which the KL's weight rises from 0 to β")
    ] = 0.0
    free_bits: Annotated[
        float,
        Field(ge=0, description="λ, the minimum that the KL of each latent dimension counts, in nats (batch mean)"),
    ] = 0.0
    k: Annotated[int, Field(gt=0, description="draws of z in the importance-weighted objective; 1 is the ELBO")] = 1
    resample: Annotated[
        bool,
        Field(description="k > 1: take the gradient through one of the k draws, chosen by its weight, instead of all"),
    ] = False
    conditional: Annotated[bool, Field(description="model p(x|y), y the class of x, instead of p(x)")] = False

    @model_validator(mode="after")
    def _importance_weights_need_the_plain_bound(self) -> Self:
        if self.k > 1 and (self.beta, self.warmup, self.free_bits) != (1, 0, 0):
            raise ValueError(
                f"k above 1 needs beta = 1, warmup = 0 and free_bits = 0, since L_k has no KL term to weigh, got "
                f"k = {self.k}, beta = {self.beta}, warmup = {self.warmup}, free_bits = {self.free_bits}"
            )
        if self.resample and self.k == 1:
            raise ValueError("resample chooses one of the k draws, so it needs k above 1, got k = 1")
        return self

    @model_validator(mode="after")
    def _only_the_networks_own_layers_are_set(self) -> Self:
        other, unused = ("mlp", "hidden") if self.network == "conv" else ("conv", "channels")
        # A saved config has every key, so the default is what counts as not set.
        if getattr(self, unused) != type(self).model_fields[unused].default:
            raise ValueError(
                f"{unused} needs network = {other}, got {unused} = {list(getattr(self, unused))} with "
                f"network = {self.network}; leave one of them out"
            )
        return self


class Pass(NamedTuple):
    """log p(x|z) − log q(z|x) of every draw of a bound, block by block, and a hash of all that determines them."""

    sha256: str
    log_ratios: list[Tensor]


class VAE(nn.Module):
    """p(z) p(x|z) and q(z|x), for examples of `data.shape`, flattened inside.

    Methods take the classes y, int64, shape (B,), if the model is conditional, and otherwise None.

    Raises:
        zoo.Unsupported: for a Bernoulli likelihood of real data.
        zoo.ConfigError: if `network` is conv and the examples are not images, or are reduced to 1×1 before the last of
            the `channels`.
    """

    def __init__(self, config: VAEConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config = config
        self.shape = data.shape
        self.real = data.support == "real"
        self.gaussian = config.likelihood == "gaussian" or (config.likelihood == "auto" and self.real)
        if self.real and not self.gaussian:
            raise zoo.Unsupported("a Bernoulli likelihood is one of bits, not of real data; use likelihood=gaussian")
        self.K = data.n_classes
        if config.network == "conv":
            maps = feature_maps(data.shape, config.channels)
            networks = convolutions(maps, config.latent_dim, config.activation, self.K)
            sizes = tuple(prod(each) for each in maps)
            if self.K:
                self.c = nn.Parameter(torch.zeros(self.K, data.size))
        else:
            sizes = (data.size, *config.hidden)
            networks = perceptrons(sizes, config.latent_dim, config.activation, self.K)
        self.encoder, self.decoder, self.output = networks
        if self.gaussian:
            self.s = nn.Parameter(torch.zeros(()))
        self.widest = max(*sizes, config.latent_dim)
        self.last_pass: Pass | None = None  # of `importance_weighted_bound`

    @property
    def sigma(self) -> Tensor:
        """σ of p(x|z) = N(x; ·, σ² I), shape (); for the Gaussian likelihood only."""
        return _SIGMA_MIN + F.softplus(self.s)

    def initialise(self, train: Tensor) -> None:
        """Start p(x|z) at the mean of the training split (N, *shape) and σ at the spread around that mean.

        Means in [0, 1] are clipped to [0.01, 0.99] before their log-odds are taken.
        """
        x = train.flatten(1)
        mean = x.mean(0)
        with torch.no_grad():
            self.output.bias.copy_((mean if self.real else mean.logit(0.01)).view_as(self.output.bias))
            if self.gaussian:
                sigma = (x - mean).square().mean().sqrt()
                self.s.copy_(_softplus_inverse((sigma - _SIGMA_MIN).clamp(min=_SIGMA_MIN)))

    def posterior(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """μ and σ_q of q(z|x): (B, *shape) -> twice (B, D)."""
        v = x.flatten(1)
        if y is not None:
            v = v + self.c[y] if self.config.network == "conv" else self.joined(v, y)
        mu, raw = self.encoder(v).chunk(2, dim=-1)
        return mu, _SIGMA_Q_MIN + F.softplus(raw)

    def joined(self, v: Tensor, y: Tensor) -> Tensor:
        """[v, 8 e(y)]: (…, B, D) and (B,) -> (…, B, D + K)."""
        e = F.one_hot(y, self.K).to(v.dtype)  # (B, K)
        return torch.cat([v, (_ONE_HOT * e).expand(*v.shape[:-1], -1)], dim=-1)

    def o(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The decoder, flat: (…, B, D) -> (…, B, V)."""
        seen = z if y is None else self.joined(z, y)
        # Convolutions take one batch dimension only.
        o: Tensor = self.output(self.decoder(seen.flatten(0, -2)))
        return o.reshape(*z.shape[:-1], prod(self.shape))

    def mean(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z], flat: (…, B, D) -> (…, B, V), in [0, 1] unless the data are real."""
        o = self.o(z, y)
        return o if self.real else o.sigmoid()

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x|z): x (B, *shape), z (…, B, D) -> (…, B)."""
        if self.gaussian:
            return log_normal(x.flatten(1), self.mean(z, y), self.sigma)
        o = self.o(z, y)
        return (x.flatten(1) * o - F.softplus(o)).sum(-1)

    def objective(self, x: Tensor, beta: float, generator: Generator, y: Tensor | None = None) -> dict[str, Tensor]:
        """Minus the objective for the batch x (B, *shape), and its parts: scalars, in nats.

        `kl` is Σ_j mean_B KL_j, in closed form; `nll` is the mean of −log p(x|z) over the batch and the k draws of z,
        or over the chosen draws with `resample`.
        """
        k = self.config.k
        mu, sigma_q = self.posterior(x, y)
        kl = kl_to_standard_normal(mu, sigma_q).mean(0)  # (D,)
        if self.config.resample:
            objective, log_likelihood = self.resampled_bound(x, mu, sigma_q, generator, y)
        else:
            z = draw(mu.expand(k, -1, -1), sigma_q, generator)  # (k, B, D)
            if k == 1:
                log_likelihood = self.log_likelihood(x, z, y)  # (1, B)
                objective = log_likelihood.mean() - beta * kl.clamp(min=self.config.free_bits).sum()
            else:
                log_w, log_likelihood = self.log_weights(x, z, mu, sigma_q, y)  # twice (k, B)
                objective = (log_w.logsumexp(0) - math.log(k)).mean()
        return {"loss": -objective, "kl": kl.sum(), "nll": -log_likelihood.mean()}

    def resampled_bound(
        self, x: Tensor, mu: Tensor, sigma_q: Tensor, generator: Generator, y: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """mean_B L_k(x), with the derivative of log w_i for one draw i ~ w_i / Σ_j w_j; and log p(x|z_i), (B,).

        ∇ L_k = E[Σ_i w_i / Σ_j w_j ∇ log w_i], so one draw by the weights has the same expectation: k evaluations of
        the networks and one derivative, a third of the operations, and a noisier gradient (Burda et al., section 3).
        """
        k = self.config.k
        with torch.no_grad():
            noise = torch.randn((k, *mu.shape), generator=generator, dtype=mu.dtype, device=mu.device)
            log_w = torch.cat(
                [
                    self.log_weights(x, mu + sigma_q * some, mu, sigma_q, y)[0]
                    for some in noise.split(max(1, _BLOCK // (len(x) * self.widest)))
                ]
            )  # (k, B)
            chosen = log_w.T.softmax(-1).multinomial(1, generator=generator).T  # (1, B)
            bound = log_w.logsumexp(0) - math.log(k)
            epsilon = noise.take_along_dim(chosen[..., None], 0)[0]  # (B, D)
        log_w_i, log_likelihood = self.log_weights(x, mu + sigma_q * epsilon, mu, sigma_q, y)
        return (bound + log_w_i - log_w_i.detach()).mean(), log_likelihood

    def log_weights(
        self, x: Tensor, z: Tensor, mu: Tensor, sigma_q: Tensor, y: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """log w = log p(x, z) − log q(z|x), and log p(x|z): x (B, *shape), z (…, B, D) -> twice (…, B)."""
        log_likelihood = self.log_likelihood(x, z, y)
        return log_likelihood + log_standard_normal(z) - log_normal(z, mu, sigma_q), log_likelihood

    def elbo(self, x: Tensor, generator: Generator, y: Tensor | None = None) -> Tensor:
        """E_q(z|x)[log p(x|z)] − KL(q(z|x) ‖ p(z)) ≤ log p(x), one draw of z for each x: (B, *shape) -> (B,)."""
        mu, sigma_q = self.posterior(x, y)
        return self.log_likelihood(x, draw(mu, sigma_q, generator), y) - kl_to_standard_normal(mu, sigma_q).sum(-1)

    def decode(self, z: Tensor, generator: Generator | None, y: Tensor | None = None) -> Tensor:
        """E[x|z], (B, D) -> (B, *shape); given a generator, for real data, a draw from p(x|z)."""
        x = self.mean(z, y)
        if self.real and generator is not None:
            x = draw(x, self.sigma, generator)
        return x.reshape(-1, *self.shape)

    def sample_codes(self, n: int, generator: Generator) -> Tensor:
        """z ~ N(0, I), shape (n, D)."""
        zeros = self.output.bias.new_zeros(n, self.config.latent_dim)
        return draw(zeros, torch.ones_like(zeros), generator)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator, y: Tensor | None = None) -> Tensor:
        """x for n draws of z ~ N(0, I): the mean of p(x|z) in [0, 1], a draw of it for real data; (n, *shape)."""
        return self.decode(self.sample_codes(n, generator), generator, y)

    @torch.no_grad()
    def importance_weighted_bound(
        self,
        x: Tensor,
        k: int,
        generator: Generator,
        log_prior: Callable[[Tensor], Tensor],
        y: Tensor | None = None,
    ) -> Tensor:
        """log 1/k Σ_i p(x|z_i) p(z_i) / q(z_i|x), z_i ~ q(z|x), with k draws for each x; float64, shape (N,).

        Its expectation is L_k(x) ≤ log p(x). Examples and draws are processed in blocks, with a running logsumexp.
        log p(x|z_i) − log q(z_i|x) of the last call are remembered, so that the same draws under another p(z) need no
        decoder.

        Args:
            x: examples in the domain of the likelihood, bits or real values, shape (N, *shape).
            k: draws of z per example.
            generator: the source of the draws.
            log_prior: log p(z) of codes (B, D), float64, shape (B,).
            y: classes of x, shape (N,).
        """
        rows = max(1, _BLOCK // self.widest)
        draws = min(k, rows)
        causes = (*self.state_dict().values(), generator.get_state(), x, *(() if y is None else (y,)))
        remember = k * len(x) <= _REMEMBERED
        sha256 = _hash(k, *causes) if remember else ""
        known = iter(self.last_pass.log_ratios if self.last_pass and self.last_pass.sha256 == sha256 else ())
        bounds, log_ratios = [], []
        size = max(1, rows // draws)
        for block, of in zip(x.split(size), repeat(None) if y is None else y.split(size), strict=False):
            mu, sigma_q = self.posterior(block, of)
            total = torch.full((len(block),), -math.inf, dtype=torch.float64, device=x.device)
            for start in range(0, k, draws):
                z = draw(mu.expand(min(draws, k - start), -1, -1), sigma_q, generator)
                log_ratio = next(known, None)  # (≤ draws, B)
                if log_ratio is None:
                    log_ratio = self.log_likelihood(block, z, of) - log_normal(z, mu, sigma_q)
                if remember:
                    log_ratios.append(log_ratio)
                log_w = log_ratio.double() + log_prior(z.double().flatten(0, 1)).view_as(log_ratio)
                total = total.logaddexp(log_w.logsumexp(0))
            bounds.append(total - math.log(k))
        self.last_pass = Pass(sha256, log_ratios) if remember else None
        return torch.cat(bounds)


def _hash(k: int, *tensors: Tensor) -> str:
    """Hash a number, and the values, shapes, types and devices of tensors."""
    found = hashlib.sha256(str(k).encode())
    for each in tensors:
        found.update(f"{each.shape} {each.dtype} {each.device}".encode())
        found.update(each.detach().cpu().flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def draw(mu: Tensor, sigma: Tensor, generator: Generator) -> Tensor:
    """μ + σ ε with ε ~ N(0, I), in μ's shape."""
    return mu + sigma * torch.randn(mu.shape, generator=generator, dtype=mu.dtype, device=mu.device)


def log_normal(x: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """log N(x; μ, diag σ²) in nats, summed over the last dimension: (…, D) -> (…)."""
    return -(((x - mu) / sigma).square() / 2 + sigma.log() + math.log(2 * math.pi) / 2).sum(-1)


def log_standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I) in nats: (…, D) -> (…)."""
    return -(z.square() / 2 + math.log(2 * math.pi) / 2).sum(-1)


def kl_to_standard_normal(mu: Tensor, sigma: Tensor) -> Tensor:
    """KL(N(μ_j, σ_j²) ‖ N(0, 1)) = (μ_j² + σ_j² − 1) / 2 − log σ_j in nats, for each j, in μ's shape."""
    return (mu.square() + sigma.square() - 1) / 2 - sigma.log()


def _softplus_inverse(y: Tensor) -> Tensor:
    """s with log(1 + e^s) = y > 0."""
    return y + (-(-y).expm1()).log()
