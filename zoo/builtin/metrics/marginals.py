"""Marginals: how far the distribution of each column of the samples is from that of the test examples.

    categories:  TV = ½ Σ_c |p_c - q_c|                numbers:  KS = max_x |F(x) - G(x)|

p, F are of the samples, q, G of as many test examples; the figure is the mean over the columns. A missing value is a
category of its own, or a number below all others. Both distances are in [0, 1] and have the same meaning: the largest
difference in the probability of an event, of any event for TV, of a half-line for KS.

Reference: Patki, Wedge and Veeramachaneni (2016), The Synthetic Data Vault, 10.1109/DSAA.2016.49.
"""

from __future__ import annotations

from statistics import fmean

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.jackknife import both_shares
from zoo.builtin.metrics.records import Place, matched_records, places

_SHOWN = 3  # columns in the note


def total_variation(x: Tensor, y: Tensor) -> float:
    """TV between the shares of the values in x and in y, shapes (N,) and (M,)."""
    _, which = torch.cat([x, y]).unique(return_inverse=True)
    count = int(which.max()) + 1
    p, q = (torch.bincount(part, minlength=count).double() / len(part) for part in which.split([len(x), len(y)]))
    return 0.5 * float((p - q).abs().sum())


def kolmogorov_smirnov(x: Tensor, y: Tensor) -> float:
    """KS between the distribution functions of x and y, shapes (N,) and (M,)."""
    at = torch.cat([x, y])
    F, G = (torch.searchsorted(part.sort().values, at, right=True).double() / len(part) for part in (x, y))
    return float((F - G).abs().max())


def distances(columns: list[Place], real: Tensor, fake: Tensor) -> list[float]:
    """TV or KS of each column, of records of shape (N, D) and (M, D)."""
    return [
        (total_variation if column.is_category else kolmogorov_smirnov)(column.of(fake), column.of(real))
        for column in columns
    ]


class Marginals:
    """Whether each column of a table has the right distribution."""

    card = zoo.MetricCard(
        name="marginals",
        title="marginals",
        summary="mean distance of the columns of a table: total variation of categories, Kolmogorov-Smirnov of numbers",
        direction="lower",
        paper="doi:10.1109/DSAA.2016.49",
        limits=(
            "It is above 0 for real examples, more so for fewer of them; compare it with the row real.",
            "It sees each column alone: independent columns with the right distributions are perfect.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Mean distance, with the jackknife errors of samples and test examples; the note names the worst columns."""
        columns = places(evaluation.data)
        real, fake = matched_records(evaluation)

        found = distances(columns, real, fake)
        stderr, left_out = both_shares(lambda x, y: fmean(distances(columns, y, x)), fake, real)
        worst = sorted(zip(found, columns, strict=True), key=lambda each: -each[0])[:_SHOWN]
        return zoo.Measurement(
            fmean(found),
            stderr=stderr,
            left_out=left_out,
            note="largest: " + ", ".join(f"{column.name} {distance:.2f}" for distance, column in worst),
        )
