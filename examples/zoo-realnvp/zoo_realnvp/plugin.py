"""The hooks of RealNVP."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

import zoo
from zoo_realnvp.model import RealNVP, RealNVPConfig, log_standard_normal

_BLOCK = 2_000  # examples per block, and examples of a split in the diagnosis


class RealNVPPlugin:
    """max log N(f(x); 0, I) + log |det ∂f(x)/∂x|."""

    card = zoo.Card(
        name="realnvp",
        summary="RealNVP: an invertible map from data to Gaussian codes of the same size; exact density and inverse",
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
        """Return a `RealNVP` whose coupling layers are the identity."""
        return RealNVP(config, data)

    @zoo.hookimpl
    def initialise(self, model: RealNVP, train: Tensor) -> None:
        """Set the model to independent values with the moments of the training split."""
        model.initialise(train)

    @zoo.hookimpl
    def loss(self, model: RealNVP, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return the batch mean of −log p in nats, of real or dequantised values."""
        return {"loss": -model.log_prob(model.dequantise(x, generator)).mean()}

    @zoo.hookimpl
    def encode(self, model: RealNVP, x: Tensor, generator: Generator | None) -> Tensor:
        """Return z = f(x), shape (B, V); for data in [0, 1], x is the centre of its bin, or a draw from the bin."""
        z, _ = model.f(model.dequantise(x, generator))
        return z

    @zoo.hookimpl
    def decode(self, model: RealNVP, z: Tensor) -> Tensor:
        """Return the x of a code, shape (B, *data.shape), which the code determines without noise."""
        return model.decode(z)

    @zoo.hookimpl
    def sample(self, model: RealNVP, n: int, generator: Generator) -> Tensor:
        """Return n draws of p(x), shape (n, *data.shape): real values, or grayscale values in [0, 1]."""
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
        """Return the exact log p(x) of real data, under N(0, I) or the attached latent density.

        `method` has the mean of −log p(x) / (V log 2), the bits per dimension.
        """
        if not model.real:
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits, and RealNVP is a density of dequantised grayscale "
                "values, whose bits per dimension are in the report's diagnostics; use real-valued data"
            )
        log_prior = None if prior is None else prior.log_prob
        nats = torch.cat([model.log_prob(block.flatten(1), log_prior) for block in x.split(_BLOCK)])
        bits = bits_per_dimension(nats.mean().item(), len(model.m))
        method = f"change of variables; {bits:.3f} bits per dimension of the standardised values"
        return (zoo.LogProb(nats, "exact", method=method),)

    @zoo.hookimpl
    def diagnose(self, model: RealNVP, train: Tensor, valid: Tensor, generator: Generator) -> dict[str, float]:
        """Return the mean log-likelihood of at most 2,000 examples per split, and the mean square of the codes.

        For data in [0, 1] on a grid of n levels: the bits per dimension of the discrete values, with log₂ n for the
        width of a bin; an upper bound in expectation (Jensen). For a grayscale image, a dimension is a pixel. Under
        the true model, codes of unseen examples have a mean square of 1; a larger value indicates overfitting.
        """
        y = {"training": train[:_BLOCK], "validation": valid[:_BLOCK]}
        y = {split: model.dequantise(x, generator) for split, x in y.items()}
        log_p = {split: model.log_prob(values).mean().item() for split, values in y.items()}
        n, V = int(model.get_buffer("n")), len(model.m)
        name = f"bits per dimension of {n} levels" if n else "log p(x)"
        figures = {split: bits_per_dimension(nats, V, n) if n else nats for split, nats in log_p.items()}
        z, _ = model.f(y["validation"])
        return {f"{name} ({split})": figure for split, figure in figures.items()} | {
            "mean square of the codes (validation)": z.square().mean().item()
        }


def bits_per_dimension(nats: float, V: int, n: int = 1) -> float:
    """−log p(y) / (V log 2) + log₂ n for log p(y) in nats, y (V,) dequantised from n levels, 1 for real data."""
    return math.log2(n) - nats / (V * math.log(2))
