"""Principal components: φ(x) = Vᵀ (x - m), with m the mean of the training split and V its leading components."""

from __future__ import annotations

import torch
from torch import nn

import zoo

_MOST = 32


class Components:
    """A feature space without labels."""

    card = zoo.FeaturesCard(
        name="components", summary="at most 32 leading principal components of the training split; needs no labels"
    )

    @zoo.hookimpl
    def build(self, data: zoo.Data) -> nn.Module:
        """Return the affine map, without its weights."""
        return nn.Sequential(nn.Flatten(), nn.Linear(data.spec.size, _number(data)))

    @zoo.hookimpl
    def fit(self, network: nn.Module, data: zoo.Data) -> str:
        """Set V and m."""
        x, d = data.standardise(data.train).flatten(1), _number(data)
        V = torch.pca_lowrank(x, q=min(d + 10, *x.shape), niter=4)[2][:, :d]
        network.load_state_dict({"1.weight": V.T, "1.bias": -x.mean(0) @ V})
        return f"{d} leading principal components of the training split"


def _number(data: zoo.Data) -> int:
    return min(_MOST, data.spec.size, len(data.train))
