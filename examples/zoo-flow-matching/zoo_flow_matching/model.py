"""Flow matching: a vector field that carries noise to data, learned by regression on straight paths.

    x_0 ~ N(0, I),  x_1 ~ data              both (D,); x_1 is the example itself if real, and 2x − 1 for x in [0, 1]
    ψ_t(x_0) = (1 − (1 − σ_min) t) x_0 + t x_1,   t ∈ [0, 1]       the conditional optimal-transport path to x_1 (22)
    d/dt ψ_t(x_0) = x_1 − (1 − σ_min) x_0                          its velocity

    L(θ) = E ‖v_t(ψ_t(x_0)) − (x_1 − (1 − σ_min) x_0)‖²,   t ~ U[0, 1], x_0, x_1                                   (23)

The minimum is v_t(x) = E[x_1 − (1 − σ_min) x_0 | ψ_t(x_0) = x]. Its flow has the marginals of ψ_t(x_0) at each t:
N(0, I) at t = 0, and the data with noise N(0, σ_min² I) at t = 1. Hence, with solutions of an ODE,

    dx_t/dt = v_t(x_t)        sample: from x_0 ~ N(0, I) at t = 0 to t = 1;      code of x_1: x_0, from t = 1 back to 0
    log p(x_1) = log N(x_0; 0, I) − ∫_0^1 tr(∂v_t/∂x)(x_t) dt      instantaneous change of variables; nats, (B,)

in equal steps of an explicit Runge–Kutta rule. The trace is exact, by D products e_i' (∂v_t/∂x) e_i; or estimated by
the mean of ε' (∂v_t/∂x) ε over K probes ε, uniform on {−1, 1}^D and fixed along a path.

v_t is the minimum for Gaussian data plus a network F of inputs and outputs of about unit size. If the data were
N(m, s² I), ψ_t(x_0) would have the variance ρ_t² = (1 − (1 − σ_min) t)² + t² s², and F = 0 would be optimal in

    v_t(x) = m + κ_t (x − t m) + s/ρ_t F((x − t m)/ρ_t, t)         κ_t = (t s² − (1 − σ_min)(1 − (1 − σ_min) t)) / ρ_t²

where s²/ρ_t² is the variance of the velocity given x. m and s are moments of the training split, s² the mean over the
D variances.

With conditional = true, everything depends on the class y of x_1. In training, y is replaced by ∅ with a probability,
so that F learns v_t(x|∅) = v_t(x), too, and samples can be guided (w = 0: p(x), w = 1: p(x|y)):

    v_t(x|∅) + w (v_t(x|y) − v_t(x|∅))

Lipman, Chen, Ben-Hamu, Nickel & Le (2023), Flow Matching for Generative Modeling, arXiv:2210.02747. Change of
variables: Chen, Rubanova, Bettencourt & Duvenaud (2018), arXiv:1806.07366; estimated trace: Grathwohl et al. (2019),
arXiv:1810.01367. Guidance: Ho & Salimans (2022), arXiv:2207.12598, whose weight is w − 1. Inputs and outputs of unit
size: Karras et al. (2022), arXiv:2206.00364, here for the paths above.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo
from zoo_flow_matching.networks import Perceptron, UNet, as_image

Solver = Literal["euler", "midpoint", "rk4"]
VectorField = Callable[[float, Tensor], Tensor]


class FlowMatchingConfig(zoo.Config):
    """The settings of a flow. The defaults were chosen on the validation splits of digits and MNIST."""

    network: Annotated[
        Literal["auto", "mlp", "unet"],
        Field(description="F: mlp, or unet for images; auto: unet for images of at least 8×8 pixels"),
    ] = "auto"
    hidden: Annotated[int, Field(gt=0, description="mlp: width of the hidden layers")] = 512
    layers: Annotated[int, Field(ge=0, description="mlp: number of hidden layers after the first")] = 2
    channels: Annotated[int, Field(gt=0, description="unet: channels, doubled at half of the resolution")] = 16
    bottleneck: Annotated[
        int, Field(gt=0, description="unet: width of the affine maps of the whole image, at half of the resolution")
    ] = 256
    sigma_min: Annotated[
        float, Field(gt=0, lt=1, description="σ_min, standard deviation of the noise that is left at t = 1")
    ] = 1e-2
    conditional: Annotated[bool, Field(description="model p(x|y), y the class of x, instead of p(x)")] = False
    label_dropout: Annotated[
        float, Field(ge=0, lt=1, description="conditional: probability that y is replaced by ∅ in training")
    ] = 0.1


class FlowMatching(nn.Module):
    """The field v_t(x) and its flow, for examples of `data.shape`, flattened to (D,).

    Methods take the classes y, int64, shape (B,), of a conditional model, with K for ∅; otherwise None.

    Raises:
        zoo.Unsupported: for `network` = unet and examples that are not images.
    """

    def __init__(self, config: FlowMatchingConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config = config
        self.shape, self.D, self.K = data.shape, data.size, data.n_classes
        self.real = data.support == "real"
        self.register_buffer("m", torch.zeros(self.D))
        self.register_buffer("s", torch.ones(()))
        image = as_image(data.shape)
        is_unet = config.network == "unet" or (config.network == "auto" and image is not None and min(image[1:]) >= 8)
        self.network: Perceptron | UNet
        if is_unet:
            if image is None:
                raise zoo.Unsupported(f"network=unet is for images whose sides are multiples of 4, not {data.shape}")
            self.network = UNet(image, config.channels, config.bottleneck, self.K)
        else:
            self.network = Perceptron(self.D, config.hidden, config.layers, self.K)

    def initialise(self, train: Tensor) -> None:
        """Set m and s to the moments of the training split (N, *shape)."""
        x_1 = self.to_line(train)
        self.get_buffer("m").copy_(x_1.mean(0))
        self.get_buffer("s").copy_(x_1.var(0, correction=0).mean().sqrt())

    def to_line(self, x: Tensor) -> Tensor:
        """x_1 of an example: (B, *shape) -> (B, D)."""
        return x.flatten(1) if self.real else 2 * x.flatten(1) - 1

    def from_line(self, x_1: Tensor) -> Tensor:
        """The example of x_1, clipped to [0, 1] unless it is real: (B, D) -> (B, *shape)."""
        x = x_1 if self.real else ((x_1 + 1) / 2).clamp(0, 1)
        return x.reshape(-1, *self.shape)

    def v(self, t: Tensor, x: Tensor, y: Tensor | None) -> Tensor:
        """v_t(x|y): t (B, 1) or (1, 1), x (B, D) -> (B, D)."""
        m, s, sigma = self.get_buffer("m"), self.get_buffer("s"), self.config.sigma_min
        left = 1 - (1 - sigma) * t  # share of x_0 in ψ_t(x_0)
        rho = (left.square() + (t * s).square()).sqrt()
        kappa = (t * s.square() - (1 - sigma) * left) / rho.square()
        centred = x - t * m
        F: Tensor = self.network(centred / rho, t, y)
        return m + kappa * centred + s / rho * F

    def loss(self, x: Tensor, y: Tensor | None, generator: Generator) -> Tensor:
        """‖v_t(ψ_t(x_0)) − (x_1 − (1 − σ_min) x_0)‖² of one draw of t and x_0 each: (B, *shape) -> (B,)."""
        x_1, sigma = self.to_line(x), self.config.sigma_min
        t = torch.rand(len(x_1), 1, generator=generator, dtype=x_1.dtype, device=x_1.device)
        x_0 = torch.randn(x_1.shape, generator=generator, dtype=x_1.dtype, device=x_1.device)
        if y is not None:
            dropped = torch.rand(y.shape, generator=generator, device=y.device) < self.config.label_dropout
            y = torch.where(dropped, self.K, y)
        psi = (1 - (1 - sigma) * t) * x_0 + t * x_1
        error = self.v(t, psi, y) - (x_1 - (1 - sigma) * x_0)
        return error.square().sum(1)

    def field(self, y: Tensor | None, w: float = 1.0) -> VectorField:
        """The guided field, v_t(x|∅) + w (v_t(x|y) − v_t(x|∅)); v_t(x) of a model without classes."""

        def guided(t: float, x: Tensor) -> Tensor:
            at = x.new_full((1, 1), t)
            if y is None or w == 1:
                return self.v(at, x, y)
            null = self.v(at, x, torch.full_like(y, self.K))
            return null if w == 0 else null + w * (self.v(at, x, y) - null)

        return guided

    def log_prob(
        self,
        x: Tensor,
        y: Tensor | None,
        probes: Tensor,
        log_prior: Callable[[Tensor], Tensor],
        solver: Solver,
        steps: int,
        w: float = 1.0,
    ) -> Tensor:
        """log p(x_0) − ∫_0^1 ε' (∂v_t/∂x) ε dt, estimates of log p(x_1) whose mean over the probes is taken: (K, B).

        Args:
            x: real-valued examples, shape (B, *shape).
            y: their classes, shape (B,).
            probes: K probes ε for each example, shape (K, B, D).
            log_prior: log p(x_0) of codes (B, D), shape (B,).
            solver: Runge–Kutta rule.
            steps: number of its steps.
            w: weight of the guidance; the density is that of samples with the same weight.
        """
        field = self.field(y, w)

        def augmented(t: float, state: Tensor) -> Tensor:
            v, products = quadratic_forms(partial(field, t), state[:, : self.D], probes)
            return torch.cat([v, products.T], dim=1)

        x_1 = self.to_line(x)
        start = torch.cat([x_1, x_1.new_zeros(len(x_1), len(probes))], dim=1)
        end = integrate(augmented, start, 1.0, 0.0, solver, steps)
        x_0, change = end[:, : self.D], end[:, self.D :].T  # from t = 1 to 0, so with the minus
        return log_prior(x_0).double() + change.double()

    def sample_codes(self, n: int, generator: Generator) -> Tensor:
        """x_0 ~ N(0, I), shape (n, D)."""
        m = self.get_buffer("m")
        return torch.randn(n, self.D, generator=generator, dtype=m.dtype, device=m.device)


def integrate(f: VectorField, x: Tensor, start: float, end: float, solver: Solver, steps: int) -> Tensor:
    """x(end) of dx/dt = f(t, x) with x(start) = x: (B, …) -> (B, …)."""
    (end_state,) = deque(trajectory(f, x, start, end, solver, steps), maxlen=1)
    return end_state


def trajectory(f: VectorField, x: Tensor, start: float, end: float, solver: Solver, steps: int) -> Iterator[Tensor]:
    """x(t) from t = start to end, in equal steps of an explicit Runge–Kutta rule: steps + 1 states (B, …)."""
    h = (end - start) / steps
    yield x
    for i in range(steps):
        x = x + h * _SLOPE[solver](f, start + i * h, x, h)
        yield x


def _euler(f: VectorField, t: float, x: Tensor, h: float) -> Tensor:
    return f(t, x)


def _midpoint(f: VectorField, t: float, x: Tensor, h: float) -> Tensor:
    return f(t + h / 2, x + h / 2 * f(t, x))


def _rk4(f: VectorField, t: float, x: Tensor, h: float) -> Tensor:
    k_1 = f(t, x)
    k_2 = f(t + h / 2, x + h / 2 * k_1)
    k_3 = f(t + h / 2, x + h / 2 * k_2)
    k_4 = f(t + h, x + h * k_3)
    return (k_1 + 2 * k_2 + 2 * k_3 + k_4) / 6


_SLOPE: dict[str, Callable[[VectorField, float, Tensor, float], Tensor]] = {
    "euler": _euler,
    "midpoint": _midpoint,
    "rk4": _rk4,
}


def quadratic_forms(f: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
    """f(x) and ε' (∂f/∂x) ε for each probe: x (B, D), probes (K, B, D) -> (B, D), (K, B)."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = f(x)
        products = [torch.autograd.grad((v * e).sum(), x, retain_graph=True)[0] for e in probes]
    return v.detach(), (torch.stack(products) * probes).sum(-1)


def basis(x: Tensor) -> Tensor:
    """√D e_1, …, √D e_D for each example, of which the mean of ε' A ε is tr A: (B, …) -> (D, B, D)."""
    D = x[0].numel()
    e = math.sqrt(D) * torch.eye(D, dtype=x.dtype, device=x.device)
    return e.unsqueeze(1).expand(D, len(x), D)


def signs(x: Tensor, k: int, generator: Generator) -> Tensor:
    """K draws of ε, uniform on {−1, 1}^D, for each example: (B, …) -> (K, B, D)."""
    size = (k, len(x), x[0].numel())
    return 2 * torch.randint(2, size, generator=generator, device=x.device).to(x.dtype) - 1


def log_standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I) in nats: (B, D) -> (B,)."""
    return -(z.square() / 2 + math.log(2 * math.pi) / 2).sum(1)
