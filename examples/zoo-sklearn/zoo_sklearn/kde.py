"""`sklearn-kde`: scikit-learn's KernelDensity with a Gaussian on each training example.

    p(x) = 1/N Σᵢ N(x; xᵢ, h² I)

All values have one bandwidth h. By default it is the one of 21 values from 0.02 to 2, equally spaced in log h, that
gives the highest `score` to the first 200 examples of the validation split. (scikit-learn's rules `scott` and
`silverman` do not depend on the scale of the data.) At most `room` random training examples are kept. Likelihoods are
`score_samples`, in nats.

For data in [0, 1], it is a density of grayscale values: draws are clipped to [0, 1], and there is no likelihood,
because likelihoods of such data are those of bits, and a kernel density is not a distribution of bits.
"""

from __future__ import annotations

from typing import Annotated, NoReturn

import numpy as np
import torch
from pydantic import Field
from sklearn.neighbors import KernelDensity
from torch import Generator, Tensor, nn

import zoo
from zoo_sklearn.arrays import examples, fixed, rows, seed

_BANDWIDTHS = np.geomspace(0.02, 2, 21)
_JUDGES = 200


class SklearnKDEConfig(zoo.Config):
    """The settings of KernelDensity."""

    bandwidth: Annotated[
        float, Field(ge=0, description="h, in the units of standardised or grayscale values; 0: by held-out likelihood")
    ] = 0.0
    room: Annotated[int, Field(gt=0, description="most training examples kept")] = 10_000


class SklearnKDE(nn.Module):
    """Training examples, their number N and the bandwidth h."""

    x: Tensor  # (room, V), of which the first N are used
    N: Tensor  # ()

    def __init__(self, config: SklearnKDEConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.shape, self.real, self.bandwidth = data.shape, data.support == "real", config.bandwidth
        self.register_buffer("x", torch.zeros(config.room, data.size))
        self.register_buffer("N", torch.tensor(1))
        self.h = fixed(fill=1.0)

    def fit(self, train: Tensor, valid: Tensor, generator: Generator) -> None:
        """Keep examples of the training split (N, *shape), and select h."""
        order = torch.randperm(len(train), generator=generator, device=generator.device)
        kept = train if len(train) <= len(self.x) else train[order[: len(self.x)]]
        self.x[: len(kept)] = kept.flatten(1)
        self.N.fill_(len(kept))
        judges = rows(valid[:_JUDGES])
        scores = {} if self.bandwidth else {float(h): self.fitted(float(h)).score(judges) for h in _BANDWIDTHS}
        with torch.no_grad():
            self.h.fill_(max(scores, key=scores.__getitem__) if scores else self.bandwidth)

    def fitted(self, h: float | None = None) -> KernelDensity:
        """Return the estimator, fitted to the kept examples."""
        bandwidth = float(self.h) if h is None else h
        return KernelDensity(bandwidth=bandwidth).fit(rows(self.x[: int(self.N)]))


class SklearnKDEPlugin:
    """KernelDensity."""

    card = zoo.Card(
        name="sklearn-kde",
        summary="scikit-learn's KernelDensity: a Gaussian on each training example, its width by held-out likelihood",
        config=SklearnKDEConfig,
        trains_on="grey",
        latent=None,
        samples="means",
        sensitivity={"bandwidth": (0.05, 0.1, 0.2, 0.4)},
        paper="doi:10.1214/aoms/1177704472",
    )

    @zoo.hookimpl
    def build(self, config: SklearnKDEConfig, data: zoo.DataSpec) -> SklearnKDE:
        """Return N(0, I): one example, 0."""
        return SklearnKDE(config, data)

    @zoo.hookimpl
    def fit(self, model: SklearnKDE, train: Tensor, valid: Tensor, generator: Generator) -> None:
        """Keep the training split, and select the bandwidth."""
        model.fit(train, valid, generator)

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a kernel density estimate has no codes")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a kernel density estimate has no codes")

    @zoo.hookimpl
    def sample(self, model: SklearnKDE, n: int, generator: Generator) -> Tensor:
        """Return n draws, xᵢ + h ε with random i, shape (n, *data.shape): grayscale (clipped to [0, 1]) or real."""
        x = model.fitted().sample(n, random_state=seed(generator))
        return examples(x, model.x, model.shape, model.real)

    @zoo.hookimpl
    def log_prob(self, model: SklearnKDE, x: Tensor) -> tuple[zoo.LogProb, ...]:
        """Return `score_samples` of real data, the exact log p(x)."""
        if not model.real:
            raise zoo.Unsupported(
                "likelihoods of data in [0, 1] are those of bits; a kernel density is one of grayscale values"
            )
        nats = torch.from_numpy(model.fitted().score_samples(rows(x))).to(x.device)
        return (zoo.LogProb(nats, "exact", method=f"score_samples of scikit-learn, h = {float(model.h):.3g}"),)
