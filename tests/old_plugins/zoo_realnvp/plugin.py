"""RealNVP's hooks."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

import zoo
from zoo_realnvp.model import RealNVP, RealNVPConfig, log_standard_normal

_BLOCK = 2_000  # examples at once; of a split, those that the diagnosis looks at


class RealNVPPlugin:
    """max log N(f(x); 0, I) + log |det ∂f(x)/∂x|."""

    card = zoo.Card(
        name="realnvp",
        summary="RealNVP: an invertible map from data to normal codes of the same size; exact density, exact inverse",
        config=RealNVPConfig,
        trains_on="grey",
        latent="real",
        samples="means",
        training=zoo.Training(optimiser="adam", learning_rate=1e-3, batch_size=50, schedule="cosine", clip=50.0),
        sensitivity={"couplings": (2, 16)},
        paper="arXiv:1605.08803",
    )

    @zoo.hookimpl
    def build(self, config: RealNVPConfig, data: zoo.DataSpec) -> RealNVP:
        """Return a `RealNVP` whose couplings are the identity."""
        return RealNVP(config, data)

    @zoo.hookimpl
    def initialise(self, model: RealNVP, train: Tensor) -> None:
        """Start at independent values with the training split's moments."""
        model.initialise(train)

    @zoo.hookimpl
    def loss(self, model: RealNVP, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return −log p(x), or of dequantised values, in nats, mean over the batch."""
        return {"loss": -model.log_prob(model.dequantise(x, generator)).mean()}

    @zoo.hookimpl
    def encode(self, model: RealNVP, x: Tensor, generator: Generator | None) -> Tensor:
        """Return z = f(x), shape (B, V); of data in [0, 1] at the centre of x's bin, or with a generator inside it."""
        z, _ = model.f(model.dequantise(x, generator))
        return z

    @zoo.hookimpl
    def decode(self, model: RealNVP, z: Tensor) -> Tensor:
        """Return the x of a code, shape (B, *data.shape): there is no noise beside the code."""
        return model.decode(z)

    @zoo.hookimpl
    def sample(self, model: RealNVP, n: int, generator: Generator) -> Tensor:
        """Return n draws of p(x), shape (n, *data.shape): real values, or grey values in [0, 1]."""
        return model.decode(model.sample_codes(n, generator))

    @zoo.hookimpl
    def sample_codes(self, model: RealNVP, n: int, generator: Generator) -> Tensor:
        """Return z ~ N(0, I), shape (n, V)."""
        return model.sample_codes(n, generator)

    @zoo.hookimpl
    def log_prob_codes(self, z: Tensor) -> Tensor:
        """Return log N(z; 0, I) in nats, shape (B,)."""
        return log_standard_normal(z)

    @zoo.hookimpl
    def log_prob(self, model: RealNVP, x: Tensor, prior: zoo.LatentDensity | None) -> tuple[zoo.LogProb, ...]:
        """Return the exact log p(x) of real data, under N(0, I) or the attached latent density."""
        if not model.real:
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits, and RealNVP is a density of dequantised grey values"
            )
        log_prior = None if prior is None else prior.log_prob
        blocks = [model.log_prob(block.flatten(1), log_prior) for block in x.split(_BLOCK)]
        return (zoo.LogProb(torch.cat(blocks), "exact", method="change of variables"),)

    @zoo.hookimpl
    def diagnose(self, model: RealNVP, train: Tensor, valid: Tensor, generator: Generator) -> dict[str, float]:
        """Return the likelihood of at most 2,000 examples of each split, and how large the codes are.

        On the levels of data in [0, 1]: the bits per dimension of the discrete values, at most, by Jensen's inequality.
        Codes of unseen examples have a mean square of 1 under a right model; a larger one is overfitting.
        """
        y = {"training": train[:_BLOCK], "validation": valid[:_BLOCK]}
        y = {split: model.dequantise(x, generator) for split, x in y.items()}
        log_p = {split: model.log_prob(values).mean().item() for split, values in y.items()}
        n, V = int(model.get_buffer("n")), len(model.m)
        name = "bits per dimension" if n else "log p(x)"
        figures = {split: math.log2(n) - nats / (V * math.log(2)) if n else nats for split, nats in log_p.items()}
        z, _ = model.f(y["validation"])
        return {f"{name} ({split})": figure for split, figure in figures.items()} | {
            "mean square of the codes (validation)": z.square().mean().item()
        }
