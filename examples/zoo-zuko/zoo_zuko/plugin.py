"""The hooks of the flows of zuko, as a model of data."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

import zoo
from zoo_zuko.model import Zuko, ZukoConfig, log_standard_normal

_BLOCK = 500  # examples per block, which bounds the memory: a spline has 3 K − 1 parameters per value
_DIAGNOSED = 2_000  # examples of a split in the diagnosis


class ZukoPlugin:
    """max log N(f(x); 0, I) + log |det ∂f(x)/∂x|."""

    card = zoo.Card(
        name="zuko",
        summary="The normalising flows of zuko (splines, affine, neural, continuous, …): exact density and codes",
        config=ZukoConfig,
        trains_on="grey",
        latent="real",
        samples="means",
        training=zoo.Training(optimiser="adam", learning_rate=1e-3, batch_size=50, schedule="cosine", clip=50.0),
        sensitivity={"transforms": (3, 12), "passes": (2, 32)},
        paper="arXiv:1912.02762",
    )

    @zoo.hookimpl
    def build(self, config: ZukoConfig, data: zoo.DataSpec) -> Zuko:
        """Return a `Zuko` whose flow is close to the identity."""
        return Zuko(config, data)

    @zoo.hookimpl
    def initialise(self, model: Zuko, train: Tensor, generator: Generator) -> None:
        """Set the levels and the scale of the data."""
        model.initialise(train, generator)

    @zoo.hookimpl
    def loss(self, model: Zuko, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return the batch mean of −log p in nats, of real or dequantised values."""
        return {"loss": -model.log_prob(model.dequantise(x, generator)).mean()}

    @zoo.hookimpl
    def encode(self, model: Zuko, x: Tensor, generator: Generator | None) -> Tensor:
        """Return z = f(x), shape (B, V); for data in [0, 1], x is the centre of its bin, or a draw from the bin."""
        z, _ = model.f(model.dequantise(x, generator))
        return z.detach()  # zuko differentiates some flows whatever the gradient mode

    @zoo.hookimpl
    def decode(self, model: Zuko, z: Tensor) -> Tensor:
        """Return the x of a code, shape (B, *data.shape), which the code determines without noise."""
        return model.decode(z)

    @zoo.hookimpl
    def sample(self, model: Zuko, n: int, generator: Generator) -> Tensor:
        """Return n draws of p(x), shape (n, *data.shape): real values, or grayscale values in [0, 1]."""
        return model.decode(model.sample_codes(n, generator))

    @zoo.hookimpl
    def sample_codes(self, model: Zuko, n: int, generator: Generator) -> Tensor:
        """Return z ~ N(0, I), shape (n, V)."""
        return model.sample_codes(n, generator)

    @zoo.hookimpl
    def log_prob_codes(self, z: Tensor) -> Tensor:
        """Return log N(z; 0, I) in nats, shape (B,)."""
        return log_standard_normal(z)

    @zoo.hookimpl
    def log_prob(self, model: Zuko, x: Tensor, prior: zoo.LatentDensity | None) -> tuple[zoo.LogProb, ...]:
        """Return the exact log p(x) of real data, under N(0, I) or the attached latent density.

        `method` has the mean of −log p(x) / (V log 2), the bits per dimension.
        """
        if not model.real:
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits, and a flow is a density of dequantised grayscale "
                "values, whose bits per dimension are in the report's diagnostics; use real-valued data"
            )
        log_prior = None if prior is None else prior.log_prob
        nats = torch.cat([model.log_prob(block.flatten(1), log_prior).detach() for block in x.split(_BLOCK)])
        bits = bits_per_dimension(nats.mean().item(), len(model.m))
        method = f"change of variables; {bits:.3f} bits per dimension of the standardised values"
        return (zoo.LogProb(nats, "exact", method=method),)

    @zoo.hookimpl
    def diagnose(self, model: Zuko, train: Tensor, valid: Tensor, generator: Generator) -> dict[str, float]:
        """Return the mean log-likelihood of at most 2,000 examples per split, and the mean square of the codes.

        For data in [0, 1] on a grid of n levels: the bits per dimension of the discrete values, with log₂ n for the
        width of a bin; an upper bound in expectation (Jensen). For a grayscale image, a dimension is a pixel. Under
        the true model, codes of unseen examples have a mean square of 1; a larger value indicates overfitting.
        """
        n, V = int(model.n), len(model.m)
        name = f"bits per dimension of {n} levels" if n else "log p(x)"
        found = {}
        for split, x in (("training", train), ("validation", valid)):
            parts = [model.f(y) for y in model.dequantise(x[:_DIAGNOSED], generator).split(_BLOCK)]
            z, log_det = (torch.cat(part).detach() for part in zip(*parts, strict=True))
            nats = (log_standard_normal(z) + log_det).mean().item()
            found[f"{name} ({split})"] = bits_per_dimension(nats, V, n) if n else nats
        return found | {"mean square of the codes (validation)": z.square().mean().item()}


def bits_per_dimension(nats: float, V: int, n: int = 1) -> float:
    """−log p(y) / (V log 2) + log₂ n for log p(y) in nats, y (V,) dequantised from n levels, 1 for real data."""
    return math.log2(n) - nats / (V * math.log(2))
