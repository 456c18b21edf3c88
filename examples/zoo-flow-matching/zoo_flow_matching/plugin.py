"""The hooks of flow matching."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

import zoo
from zoo_flow_matching.model import (
    FlowMatching,
    FlowMatchingConfig,
    Solver,
    basis,
    integrate,
    log_standard_normal,
    signs,
    trajectory,
)

_BLOCK = 500  # examples in memory at a time
_EXACT_MAX = 32  # the most dimensions for which the trace is exact by default
_DIAGNOSED = 1_000  # examples of each split in the diagnosis


class FlowMatchingOptions(zoo.Config):
    """Settings of sampling and likelihood, used without retraining."""

    solver: Annotated[Solver, Field(description="Runge–Kutta rule: of 1, 2 and 4 evaluations of v in each step")] = (
        "midpoint"
    )
    steps: Annotated[int, Field(gt=0, description="equal steps from t = 0 to 1 in sampling")] = 4
    guidance: Annotated[
        float, Field(ge=0, description="conditional: w in v(x|∅) + w (v(x|y) − v(x|∅)); 0: p(x), 1: p(x|y)")
    ] = 1.0
    likelihood_steps: Annotated[int, Field(gt=0, description="equal steps from t = 1 to 0 in log p(x)")] = 100
    trace: Annotated[
        Literal["auto", "exact", "estimate"],
        Field(description="of ∂v/∂x in log p(x); auto: exact for at most 32 dimensions, otherwise estimated"),
    ] = "auto"
    probes: Annotated[int, Field(ge=2, description="K, random vectors in the estimate of the trace")] = 8


def _conditional(config: zoo.Config) -> Literal["class"] | None:
    """Return "class" for a model of p(x|y)."""
    assert isinstance(config, FlowMatchingConfig)
    return "class" if config.conditional else None


class FlowMatchingPlugin:
    """min E ‖v_t(ψ_t(x_0)) − (x_1 − (1 − σ_min) x_0)‖²."""

    card = zoo.Card(
        name="flow-matching",
        summary="Flow matching: a differential equation from noise to data, learned along straight paths",
        config=FlowMatchingConfig,
        options=FlowMatchingOptions,
        trains_on="grey",
        latent="real",
        samples="means",
        conditional=_conditional,
        training=zoo.Training(optimiser="adam", learning_rate=3e-3, batch_size=50, schedule="cosine"),
        sensitivity={"sample.steps": (2, 20), "sigma_min": (1e-3, 1e-1)},
        paper="arXiv:2210.02747",
    )

    @zoo.hookimpl
    def build(self, config: FlowMatchingConfig, data: zoo.DataSpec) -> FlowMatching:
        """Return the field that is optimal for standard normal data."""
        return FlowMatching(config, data)

    @zoo.hookimpl
    def initialise(self, model: FlowMatching, train: Tensor) -> None:
        """Set m and s: the field becomes that of Gaussian data with the moments of the training split."""
        model.initialise(train)

    @zoo.hookimpl
    def loss(self, model: FlowMatching, x: Tensor, generator: Generator, y: Tensor | None) -> dict[str, Tensor]:
        """Return the batch mean of the squared error of the velocity."""
        return {"loss": model.loss(x, y, generator).mean()}

    @zoo.hookimpl
    def encode(self, model: FlowMatching, x: Tensor, y: Tensor | None, options: FlowMatchingOptions) -> Tensor:
        """Return x_0 by solving the ODE back from x, shape (B, D); it is not random."""
        _check_guidance(model, options)
        return _solve(model, model.to_line(x), y, options, 1.0, 0.0)

    @zoo.hookimpl
    def decode(self, model: FlowMatching, z: Tensor, y: Tensor | None, options: FlowMatchingOptions) -> Tensor:
        """Return the example to which the ODE carries z, shape (B, *data.shape)."""
        _check_guidance(model, options)
        return model.from_line(_solve(model, z, y, options, 0.0, 1.0))

    @zoo.hookimpl
    def sample(
        self, model: FlowMatching, n: int, generator: Generator, options: FlowMatchingOptions, y: Tensor | None
    ) -> Tensor:
        """Return the examples to which the ODE carries n draws of N(0, I), shape (n, *data.shape)."""
        _check_guidance(model, options)
        z = model.sample_codes(n, generator)
        return model.from_line(_solve(model, z, y, options, 0.0, 1.0))

    @zoo.hookimpl
    def sample_path(
        self, model: FlowMatching, n: int, generator: Generator, options: FlowMatchingOptions, y: Tensor | None
    ) -> Tensor:
        """Return x_t of n solutions after each step from t = 0 to 1, shape (steps + 1, n, *data.shape)."""
        _check_guidance(model, options)
        solve = partial(trajectory, start=0.0, end=1.0, solver=options.solver, steps=options.steps)
        blocks = _blocks(model.sample_codes(n, generator), y)
        states = torch.cat([torch.stack(list(solve(model.field(of, options.guidance), x))) for x, of in blocks], dim=1)
        return model.from_line(states.flatten(0, 1)).unflatten(0, states.shape[:2])

    @zoo.hookimpl
    def sample_codes(self, model: FlowMatching, n: int, generator: Generator) -> Tensor:
        """Return x_0 ~ N(0, I), shape (n, D)."""
        return model.sample_codes(n, generator)

    @zoo.hookimpl
    def log_prob_codes(self, z: Tensor) -> Tensor:
        """Return log N(z; 0, I) in nats, shape (B,)."""
        return log_standard_normal(z)

    @zoo.hookimpl
    def log_prob(
        self,
        model: FlowMatching,
        x: Tensor,
        generator: Generator,
        options: FlowMatchingOptions,
        prior: zoo.LatentDensity | None,
        y: Tensor | None,
    ) -> tuple[zoo.LogProb, ...]:
        """Return log p(x) of real data up to the error of the solver, under N(0, I) or the attached latent density."""
        if not model.real:
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits, and a flow has a density of grayscale values; use "
                "real-valued data"
            )
        _check_guidance(model, options)
        is_exact = options.trace == "exact" or (options.trace == "auto" and model.D <= _EXACT_MAX)
        log_prior = log_standard_normal if prior is None else prior.log_prob
        parts = []
        for i in range(0, len(x), _BLOCK):
            block = x[i : i + _BLOCK]
            probes = basis(block) if is_exact else signs(block, options.probes, generator)
            of = None if y is None else y[i : i + _BLOCK]
            parts.append(
                model.log_prob(block, of, probes, log_prior, options.solver, options.likelihood_steps, options.guidance)
            )
        estimates = torch.cat(parts, dim=1)  # (K, N)
        method = f"change of variables, {options.likelihood_steps} {options.solver} steps, "
        if is_exact:
            return (zoo.LogProb(estimates.mean(0), "estimate", method=method + "exact trace"),)
        stderr = standard_error(estimates)
        method += f"trace by {options.probes} probes, standard error {stderr:.2g}"
        return (zoo.LogProb(estimates.mean(0), "estimate", method=method),)

    @zoo.hookimpl
    def diagnose(
        self,
        model: FlowMatching,
        train: Tensor,
        valid: Tensor,
        generator: Generator,
        y: Tensor | None,
        valid_y: Tensor | None,
    ) -> dict[str, float]:
        """Return the loss of at most 1,000 examples of each split, and the mean square of the codes.

        A lower loss on the training split is overfitting. Codes have a mean square of 1 under the true model.
        """
        found = {}
        for split, x, of in (("training", train, y), ("validation", valid, valid_y)):
            x, of = x[:_DIAGNOSED], None if of is None else of[:_DIAGNOSED]
            found[f"loss per dimension ({split})"] = model.loss(x, of, generator).mean().item() / model.D
        z = _solve(model, model.to_line(x), of, FlowMatchingOptions(), 1.0, 0.0)
        return found | {"mean square of the codes (validation)": z.square().mean().item()}


def standard_error(estimates: Tensor) -> float:
    """√(1/N² Σ_i s_i²/K), s_i² the variance of the K estimates of example i: of the mean of all, (K, N) -> scalar."""
    K, N = estimates.shape
    return math.sqrt((estimates.var(0) / K).sum().item()) / N


def _solve(
    model: FlowMatching, x: Tensor, y: Tensor | None, options: FlowMatchingOptions, start: float, end: float
) -> Tensor:
    """Return the solution of the ODE at time `end` of that which is x at time `start`: (N, D) -> (N, D)."""
    return torch.cat(
        [
            integrate(model.field(of, options.guidance), block, start, end, options.solver, options.steps)
            for block, of in _blocks(x, y)
        ]
    )


def _blocks(x: Tensor, y: Tensor | None) -> list[tuple[Tensor, Tensor | None]]:
    """Cut states (N, D) and their classes into blocks."""
    starts = range(0, len(x), _BLOCK)
    return [(x[i : i + _BLOCK], None if y is None else y[i : i + _BLOCK]) for i in starts]


def _check_guidance(model: FlowMatching, options: FlowMatchingOptions) -> None:
    """Raise `zoo.ConfigError` for a guidance that the model was not trained for."""
    if options.guidance == 1:
        return
    if not model.config.conditional:
        raise zoo.ConfigError(
            f"guidance must be 1 for a model without classes, got {options.guidance}; train it with conditional = true"
        )
    if model.config.label_dropout == 0:
        raise zoo.ConfigError(
            f"guidance must be 1 for a model trained with label_dropout = 0, which did not learn p(x), got "
            f"{options.guidance}; train it with label_dropout = 0.1"
        )
