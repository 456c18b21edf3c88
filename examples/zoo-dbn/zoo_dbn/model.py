"""The deep belief network: a restricted Boltzmann machine (RBM) on top of directed layers that were trained as RBMs.

    p(v) = Σ_{h¹ … h^{L−1}} p(v|h¹) p(h¹|h²) … p(h^{L−2}|h^{L−1}) p(h^{L−1})

    p(v|h¹), p(h^l|h^{l+1})        the conditionals of the visible units of RBM 1 and RBM l + 1
    p(h^{L−1})                     RBM L, sampled by a Gibbs chain
    q(h¹|v), q(h^{l+1}|h^l)        the conditionals of the hidden units; upwards, q(h|v) = ∏_l q(h^l|h^{l−1})

v (V,) are bits or real values, h^l (H_l,) bits; h⁰ is v, and h¹ is the code of v. An RBM has p(v) = Σ_h p(v|h) p(h)
with a p(h) determined by its own weights. Training RBMs one after the other keeps p(v|h) and replaces p(h) with a
better model of the codes q(h) = 1/N Σ_n q(h|v_n), the next RBM (Hinton et al. 2006, section 4). Each RBM is

    p(v, h) = exp(−E(v, h)) / Z        p(v) = exp(−F(v)) / Z        F(v) = −log Σ_h exp(−E(v, h))

    bits in {0, 1}:    E(v, h) = −bᵀv − cᵀh − vᵀW h
    real values:       E(v, h) = ½ ‖(v − b)/σ‖² − cᵀh − (v/σ²)ᵀW h

    p(h_j = 1 | v) = sigmoid(c + Wᵀ v/σ²)_j         with σ = 1 for bits
    p(v_i = 1 | h) = sigmoid(b + W h)_i             p(v | h) = N(b + W h, σ² I)

W has shape (V, H), b (V,), c (H,). RBM l is trained in phase l, on draws of h^{l−1} from q. Training follows
−∂ log p(v)/∂θ = <∂E/∂θ>_data − <∂E/∂θ>_model, with the second average from short Gibbs chains that start at the data
(CD-k) or from persistent ones (PCD-k). Energies and log-densities are in nats and per example, shape (B,).

Hinton, Osindero & Teh (2006), A Fast Learning Algorithm for Deep Belief Nets, 10.1162/neco.2006.18.7.1527.
Tieleman (2008), Training RBMs using Approximations to the Likelihood Gradient.
Hinton (2012), A Practical Guide to Training RBMs.
Melchior, Fischer & Wiskott (2016), How to Center Deep Boltzmann Machines, JMLR 17(99).
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo

_CHAINS = 100  # persistent chains of each RBM
_SLIDING = 0.01  # weight of the new batch in the offsets (Melchior et al. 2016)
_RAREST = 1e-3  # a unit that is never on in the data gets a finite bias


class DBNConfig(zoo.Config):
    """The settings of a deep belief network."""

    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(min_length=2, description="H_1 … H_L, hidden units of each RBM from the bottom to the top"),
    ] = (256, 256)
    algorithm: Annotated[
        Literal["cd", "pcd"], Field(description="for each RBM: chains start at the data (cd) or are persistent (pcd)")
    ] = "pcd"
    k: Annotated[int, Field(gt=0, description="Gibbs steps per update")] = 2
    weight_decay: Annotated[
        float, Field(ge=0, description="adds weight_decay/2 times the sum of squared weights of each RBM to its loss")
    ] = 1e-3
    sigma: Annotated[
        float, Field(gt=0, description="noise of real values given h¹, in standard deviations of the data")
    ] = 0.5


class RBM(nn.Module):
    """E(v, h) over `data.size` visible units, bits or real values, and H hidden bits."""

    b0: Tensor  # (V,), b of independent units with the means of the data; where annealing starts
    mu: Tensor  # (V,), offset of v
    lam: Tensor  # (H,), offset of h
    chains: Tensor  # (C, H), h of the persistent chains

    def __init__(self, config: DBNConfig, data: zoo.DataSpec, H: int) -> None:
        super().__init__()
        self.persistent, self.k = config.algorithm == "pcd", config.k
        self.weight_decay = config.weight_decay
        self.real = data.support == "real"
        self.sigma = config.sigma if self.real else 1.0
        V = data.size
        self.W = nn.Parameter(0.01 * torch.randn(V, H))
        self.b = nn.Parameter(torch.zeros(V))
        self.c = nn.Parameter(torch.zeros(H))
        self.register_buffer("b0", torch.zeros(V))
        self.register_buffer("mu", torch.zeros(V), persistent=False)
        self.register_buffer("lam", torch.zeros(H), persistent=False)
        self.register_buffer("chains", torch.zeros(_CHAINS, H), persistent=False)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) for v of shape (B, V) and h of shape (B, H); nats, shape (B,)."""
        return self.visible_energy(v) - (h * self.input_h(v)).sum(-1)

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) = −log Σ_h exp(−E(v, h)), the sum in closed form; nats, shape (B,)."""
        return self.visible_energy(v) - F.softplus(self.input_h(v)).sum(-1)

    def visible_energy(self, v: Tensor) -> Tensor:
        """E(v, 0): −bᵀv for bits, ½ ‖(v − b)/σ‖² for real values; nats, shape (B,)."""
        return 0.5 * ((v - self.b) / self.sigma).square().sum(-1) if self.real else -(v @ self.b)

    def input_h(self, v: Tensor) -> Tensor:
        """c + Wᵀ v/σ², the log-odds of each hidden unit, shape (B, H)."""
        return torch.addmm(self.c, v, self.W, alpha=1 / self.sigma**2)

    def prob_h(self, v: Tensor) -> Tensor:
        """p(h = 1 | v), shape (B, H)."""
        return self.input_h(v).sigmoid()

    def mean_v(self, h: Tensor) -> Tensor:
        """E[v | h], shape (B, V)."""
        a = torch.addmm(self.b, h, self.W.T)
        return a if self.real else a.sigmoid()

    def sample_h(self, v: Tensor, generator: Generator) -> Tensor:
        """Draw h from p(h | v), shape (B, H)."""
        return zoo.bernoulli(self.prob_h(v), generator)

    def sample_v(self, h: Tensor, generator: Generator) -> Tensor:
        """Draw v from p(v | h), shape (B, V)."""
        mean = self.mean_v(h)
        if not self.real:
            return zoo.bernoulli(mean, generator)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return mean + self.sigma * noise

    def gibbs_step(self, v: Tensor, generator: Generator) -> Tensor:
        """h ~ p(h | v), then v' ~ p(v | h); returns v', shape (B, V). It leaves p(v) unchanged."""
        return self.sample_v(self.sample_h(v, generator), generator)

    @torch.no_grad()
    def sample_codes(self, n: int, steps: int, generator: Generator) -> Tensor:
        """Run n chains from h = 0, v ~ p(v | h) and h ~ p(h | v), `steps` times; return h, shape (n, H)."""
        h = self.W.new_zeros(n, len(self.c))
        for _ in range(steps):
            h = self.sample_h(self.sample_v(h, generator), generator)
        return h

    @torch.no_grad()
    def initialise(self, v: Tensor) -> None:
        """Set E[v | h = 0] and the offsets from the means of v, shape (N, V) (Hinton 2012, section 8)."""
        mean = v.mean(0)
        self.b0.copy_(mean if self.real else torch.logit(mean, _RAREST))
        self.b.copy_(self.b0)
        self.mu.copy_(mean)
        self.lam.copy_(self.prob_h(v).mean(0))

    def contrast(self, v: Tensor, generator: Generator) -> Tensor:
        """<E>_data − <E>_model + ½ weight_decay ‖W‖², whose gradient is set to an estimate of −∂ log p(v)/∂θ:

            ∇W = <(v − μ)(h − λ)ᵀ>_model/σ² − <(v − μ)(h − λ)ᵀ>_data/σ²        h = p(h = 1 | v)
            ∇b = <v>_model/σ² − <v>_data/σ² − ∇W λ        ∇c = <h>_model − <h>_data − ∇Wᵀ μ/σ²

        For μ = 0 and λ = 0 this is the ordinary gradient. Otherwise it is the gradient of the centered machine,
        E = −(v − μ)ᵀW(h − λ) − …, mapped to W, b, c; both vanish at the same points. The decay is added to ∇W. The
        call also moves the offsets and the persistent chains.

        Args:
            v: a batch of the data, shape (B, V).
            generator: source of the chains' draws.

        Returns:
            A scalar in nats, at h = p(h = 1 | v). Its value is not a measure of fit, and may rise.
        """
        with torch.no_grad():
            value, gradients = self.contrast_and_gradients(v, generator)
        linear = sum(
            (each * gradient).sum() for each, gradient in zip((self.W, self.b, self.c), gradients, strict=True)
        )
        return value + linear - linear.detach()

    def contrast_and_gradients(self, v: Tensor, generator: Generator) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """The value of `contrast`, and ∇W, ∇b and ∇c."""
        h = self.prob_h(v)  # (B, H)
        v_model = self.negative_phase(h, generator)  # (C, V)
        h_model = self.prob_h(v_model)  # (C, H)
        if self.persistent:
            self.chains = zoo.bernoulli(h_model, generator)
        mean_v, mean_h, mean_v_model, mean_h_model = (each.mean(0) for each in (v, h, v_model, h_model))
        self.mu.lerp_((mean_v + mean_v_model) / 2, _SLIDING)
        self.lam.lerp_((mean_h + mean_h_model) / 2, _SLIDING)
        precision = 1 / self.sigma**2
        dW = (v_model - self.mu).T @ (h_model - self.lam) * (precision / len(v_model))
        dW -= (v - self.mu).T @ (h - self.lam) * (precision / len(v))
        db = precision * (mean_v_model - mean_v) - dW @ self.lam
        dc = mean_h_model - mean_h - precision * (self.mu @ dW)
        decay = 0.5 * self.weight_decay * self.W.square().sum()
        value = self.energy(v, h).mean() - self.energy(v_model, h_model).mean() + decay
        return value, (dW + self.weight_decay * self.W, db, dc)

    def held_out_loss(self, v: Tensor) -> Tensor:
        """A measure of fit without Z, lower for a better model, shape (B,).

        Bits: minus the pseudo-log-likelihood in nats; real values: the score-matching objective.
        """
        return self.score_matching(v) if self.real else -self.pseudo_log_likelihood(v)

    def negative_phase(self, h_data: Tensor, generator: Generator) -> Tensor:
        """Run k Gibbs steps from h ~ p(h | data) for CD, from the persistent chains for PCD; return v, (C, V)."""
        h = self.chains if self.persistent else zoo.bernoulli(h_data, generator)
        v = self.sample_v(h, generator)
        for _ in range(self.k - 1):
            v = self.gibbs_step(v, generator)
        return v

    def pseudo_log_likelihood(self, v: Tensor) -> Tensor:
        """Σ_i log p(v_i | the others) of bits, over every unit i; nats, shape (B,)."""
        a = self.input_h(v)
        soft = F.softplus(a).sum(-1)
        total = v.new_zeros(len(v))
        for i, flip in enumerate((1 - 2 * v).T):  # (B,), the change of v_i when it is flipped
            flipped = F.softplus(torch.addr(a, flip, self.W[i])).sum(-1)
            total -= F.softplus(flip * self.b[i] + flipped - soft)  # log(1 + exp(F(v) − F(flipped)))
        return total

    def score_matching(self, v: Tensor) -> Tensor:
        """Σ_i ½ψ_i² + ∂ψ_i/∂v_i of real values, shape (B,), lower the closer the model is to the data.

        ψ = ∂ log p(v)/∂v = (b + W p(h = 1 | v) − v)/σ² is the score (Hyvärinen 2005).
        """
        p = self.prob_h(v)
        score = (self.mean_v(p) - v) / self.sigma**2
        slope = (p * (1 - p)) @ self.W.square().sum(0) / self.sigma**4 - v.shape[1] / self.sigma**2
        return 0.5 * score.square().sum(-1) + slope


class DBN(nn.Module):
    """A stack of L RBMs, for examples of `data.shape`.

    Attributes:
        rbms: RBM 1 … L, which are also the modules of `layers`.
    """

    def __init__(self, config: DBNConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config = config
        self.shape = data.shape
        self.real = data.support == "real"
        specs = [data, *(zoo.DataSpec((H,), "bits") for H in config.hidden[:-1])]
        self.rbms = [RBM(config, spec, H) for spec, H in zip(specs, config.hidden, strict=True)]
        self.layers = nn.ModuleList(self.rbms)

    @torch.no_grad()
    def up(self, x: Tensor, layers: int, generator: Generator) -> Tensor:
        """Draw h^l for l = `layers` by q(h¹|v) … q(h^l|h^{l−1}): (B, *shape) -> (B, H_l); 0 layers give v, (B, V)."""
        h = x.flatten(1)
        for rbm in self.rbms[:layers]:
            h = rbm.sample_h(h, generator)
        return h

    def sample_codes(self, n: int, steps: int, generator: Generator) -> Tensor:
        """Draw h¹, shape (n, H_1): n Gibbs chains of `steps` steps in the top RBM, then down by p(h^l|h^{l+1})."""
        top = self.rbms[-1]
        h = top.sample_v(top.sample_codes(n, steps, generator), generator)  # h^{L−1}
        for rbm in reversed(self.rbms[1:-1]):
            h = rbm.sample_v(h, generator)
        return h

    def decode(self, h: Tensor, generator: Generator | None = None) -> Tensor:
        """E[v|h¹], (B, H_1) -> (B, *shape); with a generator, for real data, a draw of p(v|h¹)."""
        first = self.rbms[0]
        v = first.sample_v(h, generator) if self.real and generator is not None else first.mean_v(h)
        return v.reshape(-1, *self.shape)
