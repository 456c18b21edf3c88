"""A Gaussian copula: every value or category with its own distribution, and the dependence of a Gaussian.

    z ~ N(0, R),    x_j = F_j⁻¹(Φ(z_j))

F_j is the distribution of column j in the training split: of a value, or of the categories of a one-hot block of a
mixed table in the order of their frequency, the most frequent one first. R is the correlation of the normal scores

    z_ij = Φ⁻¹((r_ij - ½)/N),    r_ij the rank of x_ij in its column, the mean rank among equal values.

F_j⁻¹ is stored at Q = 1000 levels, (q + ½)/Q, so that a value of a share below 1/2Q may be absent. The normal scores of
columns of few values understate their dependence.

Reference: Patki, Wedge & Veeramachaneni (2016), The Synthetic Data Vault, 10.1109/DSAA.2016.49.
"""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Generator, Tensor, nn

import zoo

LEVELS = 1000  # Q


class CopulaConfig(zoo.Config):
    """No settings."""


class Copula(nn.Module):
    """L (K, K) with R = L Lᵀ, the quantiles (Q, K) of K columns, and how blocks encode their categories in V values."""

    order: Tensor  # (V,), places of the categories of each block, the most frequent one first

    def __init__(self, data: zoo.DataSpec) -> None:
        super().__init__()
        self.shape = data.shape
        self.widths = data.blocks or (1,) * data.size
        K, V = len(self.widths), data.size
        starts = torch.tensor([0, *self.widths]).cumsum(0)[:-1].tolist()
        self.blocks = [(k, start, width) for k, (start, width) in enumerate(zip(starts, self.widths, strict=True))]
        self.L = nn.Parameter(torch.eye(K), requires_grad=False)
        self.quantiles = nn.Parameter(torch.zeros(LEVELS, K), requires_grad=False)
        self.low = nn.Parameter(torch.zeros(V), requires_grad=False)  # what stands for the 0 of a one-hot value
        self.high = nn.Parameter(torch.ones(V), requires_grad=False)  # and for its 1
        self.register_buffer("order", torch.arange(V))

    def fit(self, train: Tensor) -> None:
        """Set the quantiles and the correlation from the training split (N, *data.shape)."""
        x = train.flatten(1).cpu().double()
        N = len(x)
        self.low.copy_(x.amin(0))
        self.high.copy_(x.amax(0))
        columns = torch.stack([self._ranked(x, start, width) for _, start, width in self.blocks], 1)  # (N, K)
        levels = ((torch.arange(LEVELS) + 0.5) / LEVELS * N).long()
        self.quantiles.copy_(columns.sort(0).values[levels])
        values, vectors = torch.linalg.eigh(score_correlation(columns))
        self.L.copy_(vectors * values.clamp(min=0).sqrt())

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw n examples, shape (n, *data.shape)."""
        noise = torch.randn(n, len(self.L), generator=generator, device=generator.device)
        levels = (torch.special.ndtr(noise @ self.L.T) * LEVELS).long().clamp(0, LEVELS - 1)
        columns = self.quantiles.gather(0, levels)  # (n, K)
        x = self.low.expand(n, -1).clone()
        numbers = [(k, start) for k, start, width in self.blocks if width == 1]
        for k, start, width in self.blocks:
            if width > 1:
                place = self.order[start + columns[:, k].long()][:, None]
                x.scatter_(1, place, self.high[place])
        if numbers:
            ks, starts = map(list, zip(*numbers, strict=True))
            x[:, starts] = columns[:, ks]
        return x.reshape(n, *self.shape)

    def _ranked(self, x: Tensor, start: int, width: int) -> Tensor:
        """Return a column of x, (N, V): its values, or the place of its category by frequency; set `order`."""
        if width == 1:
            return x[:, start]
        category = x[:, start : start + width].argmax(1)
        order = torch.bincount(category, minlength=width).argsort(descending=True, stable=True)
        self.order[start : start + width] = (start + order).to(self.order.device)
        return order.argsort()[category].double()


def score_correlation(columns: Tensor) -> Tensor:
    """Return the correlation of the normal scores of columns (N, K), shape (K, K); a constant is independent."""
    from scipy.stats import rankdata

    z = torch.special.ndtri((torch.from_numpy(rankdata(columns.numpy(), axis=0)) - 0.5) / len(columns))
    z = z - z.mean(0)
    sd = z.square().mean(0).sqrt()
    z = torch.where(sd > 1e-9, z / sd, 0.0)
    return (z.T @ z / len(z)).fill_diagonal_(1.0)


class CopulaPlugin:
    """x_j = F_j⁻¹(Φ(z_j)), z ~ N(0, R)."""

    card = zoo.Card(
        name="copula",
        summary="control: a Gaussian copula, every value with its own distribution and the dependence of a Gaussian",
        config=CopulaConfig,
        trains_on="grey",
        latent=None,
        samples="means",
        paper="doi:10.1109/DSAA.2016.49",
    )

    @zoo.hookimpl
    def build(self, data: zoo.DataSpec) -> Copula:
        """Return a copula of independent constants."""
        return Copula(data)

    @zoo.hookimpl
    def fit(self, model: Copula, train: Tensor) -> None:
        """Set the quantiles and the correlation."""
        model.fit(train)

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a copula has no code: equal values have many normal scores")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        """Raise `zoo.Unsupported`."""
        raise zoo.Unsupported("a copula has no code: equal values have many normal scores")

    @zoo.hookimpl
    def sample(self, model: Copula, n: int, generator: Generator) -> Tensor:
        """Return n draws, shape (n, *data.shape)."""
        return model.sample(n, generator)
