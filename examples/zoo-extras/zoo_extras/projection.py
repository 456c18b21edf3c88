"""The feature space `projection`: φ(x) = A x, with independent A_ij ~ N(0, 1/d), an untrained network.

Distances are kept in expectation, E‖φ(x) − φ(y)‖² = ‖x − y‖², so an order of models that holds here does not depend on
what a classifier learned.

Johnson & Lindenstrauss (1984), Extensions of Lipschitz mappings into a Hilbert space, doi:10.1090/conm/026/737400.
"""

from __future__ import annotations

from torch import nn

import zoo

DIMENSION = 32  # d


class Projection:
    """The feature space `projection`."""

    card = zoo.FeaturesCard(
        name="projection",
        summary="random projection of the values onto 32 dimensions: --features projection",
        paper="doi:10.1090/conm/026/737400",
    )

    @zoo.hookimpl
    def build(self, data: zoo.Data) -> nn.Module:
        """Return φ without its weights."""
        return nn.Sequential(nn.Flatten(), nn.Linear(data.spec.size, DIMENSION, bias=False))

    @zoo.hookimpl
    def fit(self, network: nn.Module) -> str:
        """Draw A."""
        nn.init.normal_(network[1].weight, std=DIMENSION**-0.5)
        return f"random projection on {DIMENSION} dimensions"
