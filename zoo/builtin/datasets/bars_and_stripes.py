"""`bars-and-stripes:n`: n×n images of full columns or full rows, few enough for exact results.

Reference: MacKay (2003), Information Theory, Inference, and Learning Algorithms, section 43.1.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

import zoo


class BarsAndStripes:
    """The data set plugin `bars-and-stripes:n`."""

    card = zoo.DatasetCard(
        name="bars-and-stripes",
        summary="n x n images of full rows or full columns, every pattern once in every split: exact results",
        argument="the side n, 2 to 4 (default 3)",
    )

    @zoo.hookimpl
    def load(self, argument: str) -> zoo.Data:
        """Return all 2^(n+1) - 2 patterns as the training, validation and test split alike."""
        if argument not in ("", "2", "3", "4"):
            raise zoo.ConfigError(f"bars-and-stripes:n needs a side n from 2 to 4, got {argument!r}.")
        side = int(argument or 3)
        x = patterns(side)
        spec = zoo.DataSpec((side, side), "bits")
        return zoo.Data(f"bars-and-stripes:{side}", spec, x, x, x, epochs=4000, enumerated=True)


def patterns(side: int) -> Tensor:
    """Return each image of full columns or full rows once, shape (2^(side+1) - 2, side, side), in {0, 1}."""
    columns = torch.tensor(list(product((0.0, 1.0), repeat=side))).unsqueeze(1).expand(-1, side, -1)
    return torch.cat([columns, columns[1:-1].transpose(1, 2)])  # the empty and the full image are in both sets
