"""A plane through the codes of a model: where a code lies in it, and the code at a point of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from zoo.errors import Unsupported


@dataclass(frozen=True)
class Plane:
    """The plane z = centre + p axesᵀ, p ∈ R², in the space of flat codes; float64.

    Attributes:
        centre: shape (D,).
        axes: two orthonormal columns, shape (D, 2).
        title: what a coordinate is.
    """

    centre: Tensor
    axes: Tensor
    title: str

    @classmethod
    def through(cls, z: Tensor) -> Self:
        """Return the plane of codes of two dimensions, or else that of the two directions of largest variance.

        Args:
            z: codes, shape (B, *latent).

        Raises:
            Unsupported: if there are fewer than two codes or dimensions.
        """
        flat = flattened(z)
        if min(flat.shape) < 2:
            raise Unsupported("a plane needs codes of two dimensions or more")
        if flat.shape[1] == 2:
            return cls(torch.zeros(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64), "code value")
        return cls(flat.mean(0), principal_axes(flat)[0][:, :2], "principal component of the codes")

    def of(self, z: Tensor) -> Tensor:
        """p = (z - centre) axes, shape (B, 2), for codes z of shape (B, *latent)."""
        return (flattened(z) - self.centre) @ self.axes

    def at(self, p: Tensor) -> Tensor:
        """z = centre + p axesᵀ, shape (B, D), for points p of shape (B, 2)."""
        return self.centre + p.double() @ self.axes.T


def flattened(z: Tensor) -> Tensor:
    """Codes of any shape (B, *latent) as vectors (B, D), float64; D is 1 for codes that are single numbers."""
    return z.reshape(len(z), -1).double()


def principal_axes(z: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors of decreasing variance as columns (D, K), and the standard deviations along them (K,)."""
    _, S, Vh = torch.linalg.svd(z - z.mean(0), full_matrices=False)
    return Vh.T, S / max(1, len(z) - 1) ** 0.5
