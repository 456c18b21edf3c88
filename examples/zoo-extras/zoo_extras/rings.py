"""The data set `rings`: points near two circles in the plane, a density that no Gaussian can match.

x = r (cos φ, sin φ) + σ ε        r = 1 or 2, each with probability ½;  φ ~ U(0, 2π);  ε ~ N(0, I);  σ = 0.1
"""

from __future__ import annotations

import math

import torch

import zoo

RADII = (1.0, 2.0)
SIGMA = 0.1
_SEED = 0  # of the points, which are independent of the training seed


class Rings:
    """The data set `rings`, or `rings:N`."""

    card = zoo.DatasetCard(
        name="rings",
        summary="points near two circles in the plane, a density that no Gaussian can match",
        argument="N, number of points, 100 or more (default 4000)",
        licence="made by a formula",
    )

    @zoo.hookimpl
    def load(self, argument: str) -> zoo.Data:
        """Return N real-valued points of shape (2,), with the index of their circle as the class.

        Raises:
            zoo.ConfigError: if N is not an integer of 100 or more.
        """
        n = int(argument) if argument.isdecimal() else 0 if argument else 4000
        if n < 100:
            raise zoo.ConfigError(f"rings:N needs N of 100 points or more, got {argument!r}; leave it out for 4000.")
        draws = torch.Generator().manual_seed(_SEED)
        circle = torch.randint(len(RADII), (n,), generator=draws)
        angle = 2 * math.pi * torch.rand(n, generator=draws)
        centre = torch.tensor(RADII)[circle].unsqueeze(1) * torch.stack([angle.cos(), angle.sin()], dim=1)
        x = centre + SIGMA * torch.randn(n, 2, generator=draws)
        return zoo.Data.from_arrays(x, circle, name=f"rings:{n}", support="real", epochs=100, columns=("x", "y"))
