"""The restricted Boltzmann machine: a distribution over visible units v and hidden bits h.

    p(v, h) = exp(-E(v, h)) / Z        p(v) = exp(-F(v)) / Z        F(v) = -log Σ_h exp(-E(v, h))

    bits in {0, 1}:    E(v, h) = -bᵀv - cᵀh - vᵀW h
    real values:       E(v, h) = ½ ‖(v - b)/σ‖² - cᵀh - (v/σ²)ᵀW h

    p(h_j = 1 | v) = sigmoid(c + Wᵀ v/σ²)_j         with σ = 1 for bits
    p(v_i = 1 | h) = sigmoid(b + W h)_i             p(v | h) = N(b + W h, σ² I)

W has shape (V, H), b (V,), c (H,). Energies and log-densities are in nats, one per example, shape (B,).
σ is set, not learned: it is the noise of each value given the hidden units, and should be below 1, the standard
deviation of standardised values.

Training follows -∂ log p(v)/∂θ = <∂E/∂θ>_data - <∂E/∂θ>_model. The second average
is taken over Gibbs chains: short chains that start at the data (CD-k), or persistent chains (PCD-k).

References:
    Hinton (2002), Training Products of Experts by Minimizing Contrastive Divergence.
    Tieleman (2008), Training RBMs using Approximations to the Likelihood Gradient.
    Hinton (2012), A Practical Guide to Training RBMs.
    Melchior, Fischer & Wiskott (2016), How to Center Deep Boltzmann Machines, JMLR 17(99).
    Melchior, Wang & Wiskott (2017), Gaussian-binary RBMs for Modeling Natural Image Statistics, PLOS ONE 12(2).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo

SLIDING = 0.01  # share of the new batch in the offsets (Melchior et al. 2016)
RAREST = 1e-3  # lowest mean of a pixel in the initial biases: keeps those of empty pixels finite
AT_ONCE = 512  # chains per block: a Gibbs step then fits in the cache


class RBMConfig(zoo.Config):
    """The settings of an RBM."""

    hidden: Annotated[int, Field(gt=0, description="hidden units")] = 256
    algorithm: Annotated[
        Literal["cd", "pcd"], Field(description="chains start at the data (cd) or are persistent (pcd)")
    ] = "pcd"
    k: Annotated[int, Field(gt=0, description="Gibbs steps per update")] = 2
    chains: Annotated[int, Field(gt=0, description="number of persistent chains (pcd)")] = 100
    centred: Annotated[bool, Field(description="subtract offsets from v and h in the gradient")] = True
    weight_decay: Annotated[
        float, Field(ge=0, description="adds weight_decay/2 times the sum of squared weights to the loss")
    ] = 1e-3
    sigma: Annotated[
        float, Field(gt=0, description="noise of a visible unit on real values, in standard deviations of the data")
    ] = 0.5


class Phase(NamedTuple):
    """One side of the gradient, the data's or the model's: v, h = p(h = 1 | v), and means over the batch."""

    v: Tensor  # (B, V)
    h: Tensor  # (B, H)
    mean_v: Tensor  # (V,)
    mean_h: Tensor  # (H,)
    energy: Tensor  # mean of E(v, h), a scalar in nats


class RBM(nn.Module):
    """E(v, h) over V visible units (bits, or real values if `data.support` is real) and H hidden bits."""

    b0: Tensor  # (V,), b of independent units with the means of the data: the start of annealing
    mu: Tensor  # (V,), offset of v
    lam: Tensor  # (H,), offset of h
    chains: Tensor  # (C, H), h of the persistent chains

    def __init__(self, config: RBMConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config = config
        self.shape = data.shape
        self.real = data.support == "real"
        self.trials: dict[str, tuple[list[Tensor], int]] = {}  # of `chains.enough_steps`: weights, Gibbs steps
        self.sigma = config.sigma if self.real else 1.0
        V, H = data.size, config.hidden
        self.W = nn.Parameter(0.01 * torch.randn(V, H))
        self.b = nn.Parameter(torch.zeros(V))
        self.c = nn.Parameter(torch.zeros(H))
        self.register_buffer("b0", torch.zeros(V))
        self.register_buffer("mu", torch.zeros(V), persistent=False)
        self.register_buffer("lam", torch.zeros(H), persistent=False)
        self.register_buffer("chains", torch.zeros(config.chains, H), persistent=False)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) for v of shape (B, V) and h of shape (B, H); nats, shape (B,)."""
        return self.visible_energy(v) - (h * self.input_h(v)).sum(-1)

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) = -log Σ_h exp(-E(v, h)), the sum in closed form; nats, shape (B,)."""
        return self.visible_energy(v) - F.softplus(self.input_h(v)).sum(-1)

    def visible_energy(self, v: Tensor) -> Tensor:
        """E(v, 0): -bᵀv for bits, ½ ‖(v - b)/σ‖² for real values; nats, shape (B,)."""
        return 0.5 * ((v - self.b) / self.sigma).square().sum(-1) if self.real else -(v @ self.b)

    def input_h(self, v: Tensor) -> Tensor:
        """c + Wᵀ v/σ², the log-odds of each hidden unit, shape (B, H)."""
        return torch.addmm(self.c, v, self.W, alpha=1 / self.sigma**2)

    def prob_h(self, v: Tensor) -> Tensor:
        """p(h = 1 | v), shape (B, H)."""
        return self.input_h(v).sigmoid_()

    def mean_v(self, h: Tensor) -> Tensor:
        """E[v | h], shape (B, V)."""
        a = torch.addmm(self.b, h, self.W.T)
        return a if self.real else a.sigmoid_()

    def sample_h(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw h from p(h | v), shape (B, H)."""
        return zoo.bernoulli(self.prob_h(v), generator)

    def sample_v(self, h: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw v from p(v | h), shape (B, V)."""
        return self.draw_v(self.mean_v(h), generator)

    def draw_v(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw v given the mean of each unit: bits, or N(mean, σ² I); shape (B, V)."""
        if not self.real:
            return zoo.bernoulli(mean, generator)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return mean + self.sigma * noise

    def gibbs_step(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        """h ~ p(h | v), then v' ~ p(v | h); returns v', shape (B, V). It leaves p(v) unchanged."""
        return self.sample_v(self.sample_h(v, generator), generator)

    @torch.no_grad()
    def sample(self, n: int, steps: int, start: Literal["bias", "uniform"], generator: Generator) -> Tensor:
        """p(v = 1 | h) for bits, a draw from p(v | h) for real values, h at the end of n chains; shape (n, V)."""
        h = self.sample_codes(n, steps, start, generator)
        return self.sample_v(h, generator) if self.real else self.mean_v(h)

    @torch.no_grad()
    def sample_codes(self, n: int, steps: int, start: Literal["bias", "uniform"], generator: Generator) -> Tensor:
        """Run n chains from a start that is independent of the data: v ~ p(v | h) and h ~ p(h | v), `steps` times.

        Args:
            n: number of chains.
            steps: Gibbs steps of each chain.
            start: `bias`, from h = 0, so that the first v depends on b only; `uniform`, from fair coin flips.
            generator: the source of all draws.

        Returns:
            h at the end, shape (n, H).
        """
        h = zoo.bernoulli(self.W.new_full((n, len(self.c)), 0.5 if start == "uniform" else 0.0), generator)
        for block in h.split(AT_ONCE):
            for _ in range(steps):
                block.copy_(self.sample_h(self.sample_v(block, generator), generator))
        return h

    @torch.no_grad()
    def initialise(self, v: Tensor) -> None:
        """Set E[v | h = 0] and the offsets from the means of v, shape (N, V) (Hinton 2012, section 8)."""
        mean = v.mean(0)
        self.b0.copy_(mean if self.real else torch.logit(mean, RAREST))
        self.b.copy_(self.b0)
        if self.config.centred:
            self.mu.copy_(mean)
            self.lam.copy_(self.prob_h(v).mean(0))

    def contrastive_loss(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        """<E>_data - <E>_model at h = p(h = 1 | v), + ½ weight_decay ‖W‖²; its gradient estimates -∂ log p/∂θ.

        With that h held fixed, ∂E/∂θ = ∂F/∂θ. Moves the offsets and the persistent chains.

        Args:
            v: a batch of the data, shape (B, V).
            generator: the source of the chains' draws.

        Returns:
            A scalar in nats. Training follows its gradient; its value is not a measure of fit, and may rise.
        """
        with torch.no_grad():
            data = self.phase(v)
            model = self.phase(self.negative_phase(data.h, generator))
            if self.config.algorithm == "pcd":
                self.chains = zoo.bernoulli(model.h, generator)
            if self.config.centred:
                self.mu.lerp_((data.mean_v + model.mean_v) / 2, SLIDING)
                self.lam.lerp_((data.mean_h + model.mean_h) / 2, SLIDING)
        loss: Tensor = _Contrast.apply(self, data, model, self.W, self.b, self.c)
        return loss

    def phase(self, v: Tensor) -> Phase:
        """The terms of the gradient from v of shape (B, V)."""
        a = self.input_h(v)
        h, mean_v = torch.sigmoid(a), v.mean(0)
        visible = self.visible_energy(v).mean() if self.real else self.visible_energy(mean_v)  # linear in v for bits
        return Phase(v, h, mean_v, h.mean(0), visible - torch.dot(h.flatten(), a.flatten()) / len(v))

    def negative_phase(self, h_data: Tensor, generator: Generator | None = None) -> Tensor:
        """Run k Gibbs steps, from h ~ p(h | data) for CD, from the persistent chains for PCD.

        Args:
            h_data: p(h = 1 | v) of the batch, shape (B, H): the start of the chains for CD.
            generator: the source of all draws.

        Returns:
            v of the C chains, shape (C, V).
        """
        h = self.chains if self.config.algorithm == "pcd" else zoo.bernoulli(h_data, generator)
        v = self.sample_v(h, generator)
        for _ in range(self.config.k - 1):
            v = self.gibbs_step(v, generator)
        return v

    def gradient(self, data: Phase, model: Phase) -> tuple[Tensor, Tensor, Tensor]:
        """Gradient of -log p(v) with respect to W, b, c.

            ∇W = <(v - μ)(h - λ)ᵀ>_model/σ² - <(v - μ)(h - λ)ᵀ>_data/σ²
            ∇b = <v>_model/σ² - <v>_data/σ² - ∇W λ            ∇c = <h>_model - <h>_data - ∇Wᵀ μ/σ²

        For μ = 0 and λ = 0 this is the ordinary gradient. Otherwise it is the gradient of the centred machine,
        E = -(v - μ)ᵀW(h - λ) - …, carried over to W, b, c; both vanish at the same points.
        """
        precision = 1 / self.sigma**2
        (v, h), (v_model, h_model) = data[:2], model[:2]
        if self.config.centred:
            v, h, v_model, h_model = v - self.mu, h - self.lam, v_model - self.mu, h_model - self.lam
        dW = v_model.T @ h_model
        dW.addmm_(v.T, h, beta=precision / len(v_model), alpha=-precision / len(v))
        db, dc = precision * (model.mean_v - data.mean_v), model.mean_h - data.mean_h
        if self.config.centred:
            db -= dW @ self.lam
            dc -= precision * (self.mu @ dW)
        return dW, db, dc

    def reconstruction_error(self, v: Tensor) -> Tensor:
        """‖v - E[v | h]‖² at h = p(h = 1 | v), shape (B,)."""
        return (v - self.mean_v(self.prob_h(v))).square().sum(-1)

    def held_out_loss(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        """A measure of fit that does not need Z, lower for a better model, shape (B,).

        Real values: the score-matching objective. Bits: minus the pseudo-log-likelihood in nats, estimated from one
        unit i of each example, drawn at random: V log(1 + exp(F(v) - F(v with v_i flipped))).
        """
        if self.real:
            return self.score_matching(v)
        i = torch.randint(v.shape[1], (len(v), 1), generator=generator, device=v.device)
        flipped = v.scatter(1, i, 1 - v.gather(1, i))
        return v.shape[1] * F.softplus(self.free_energy(v) - self.free_energy(flipped))

    def pseudo_log_likelihood(self, v: Tensor) -> Tensor:
        """Σ_i log p(v_i | the others) of bits, over every unit i; nats, shape (B,)."""
        a = self.input_h(v)
        soft = F.softplus(a).sum(-1)
        total = v.new_zeros(len(v))
        for i, flip in enumerate((1 - 2 * v).T):  # (B,), added to v_i
            flipped = F.softplus(torch.addr(a, flip, self.W[i])).sum(-1)
            total -= F.softplus(flip * self.b[i] + flipped - soft)  # log(1 + exp(F(v) - F(flipped)))
        return total

    def score_matching(self, v: Tensor) -> Tensor:
        """Σ_i ½ψ_i² + ∂ψ_i/∂v_i of real values, shape (B,), lower the closer the model is to the data.

        ψ = ∂ log p(v)/∂v = (b + W p(h = 1 | v) - v)/σ² is the score (Hyvärinen 2005).
        """
        p = self.prob_h(v)
        score = (self.mean_v(p) - v) / self.sigma**2
        slope = (p * (1 - p)) @ self.W.square().sum(0) / self.sigma**4 - v.shape[1] / self.sigma**2
        return 0.5 * score.square().sum(-1) + slope


class _Contrast(torch.autograd.Function):
    """<E>_data - <E>_model + ½ weight_decay ‖W‖², with the gradient of `RBM.gradient` with respect to W, b, c."""

    @staticmethod
    def forward(ctx: Any, rbm: RBM, data: Phase, model: Phase, W: Tensor, b: Tensor, c: Tensor) -> Tensor:
        ctx.of = rbm, data, model
        value = data.energy - model.energy
        if decay := rbm.config.weight_decay:
            value += 0.5 * decay * torch.linalg.vector_norm(W).square()
        return value

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        rbm, data, model = ctx.of
        gradient = rbm.gradient(data, model)
        if decay := rbm.config.weight_decay:
            gradient[0].add_(rbm.W.detach(), alpha=decay)
        if not scale.is_cpu or scale != 1:  # reading the value from a GPU would synchronise
            return None, None, None, *(scale * each for each in gradient)
        return None, None, None, *gradient
