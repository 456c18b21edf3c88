"""Distance to the closest record: whether samples are nearer to training records than to records held out.

    share = 1/M Σⱼ (1[d(fⱼ, train) < d(fⱼ, held out)] + ½ 1[equal])

d is the Euclidean distance to the nearest of n training or n held-out records, n the smaller number of the two, in
values of variance 1 (a one-hot block in all). 1/2 for a model that has learned the distribution, whatever the distances
are, since it cannot know which records were held out; 1 for copies of the training split.

Reference: Platzer and Reutterer (2021), Holdout-Based Empirical Assessment of Mixed-Type Synthetic Data,
10.3389/fdata.2021.679939.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.distances import TIE, nearest
from zoo.builtin.metrics.records import matched_records, places, scaled


def share_nearer(train: Tensor, held_out: Tensor, fake: Tensor) -> float:
    """Share of the rows of fake, shape (M, D), that are nearer to a row of train than to one of held_out, (n, D)."""
    near, far = nearest(fake, train)[0], nearest(fake, held_out)[0]
    less, more = TIE * near < far, TIE * far < near
    return float((less.double() + 0.5 * (~less & ~more).double()).mean())


class ClosestRecord:
    """Whether samples of a table are nearer to training records than to other real ones."""

    card = zoo.MetricCard(
        name="closest-record",
        title="closest record",
        summary="share of samples nearer to a training record than to a held-out one: 0.5 for new ones, 1 for copies",
        direction="none",
        paper="doi:10.3389/fdata.2021.679939",
        ideal=0.5,
        limits=(
            "A few copies are not found: 2 % of copies move the share by 0.01.",
            "Equal records count half: a table of few different records tells little.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """The share, with its binomial standard error; the note has the median distances to training records."""
        data = evaluation.data
        places(data)
        matched_records(evaluation)
        n = min(len(data.train), len(evaluation.reference))
        train, held_out, fake = scaled(data, data.train[:n], evaluation.reference[:n], evaluation.samples)
        p = share_nearer(train, held_out, fake)
        medians = [float(torch.median(nearest(x, train)[0])) for x in (fake, held_out)]
        return zoo.Measurement(
            p,
            stderr=math.sqrt(p * (1 - p) / len(fake)),
            note=f"median distance to a training record {medians[0]:.2f}, of held-out records {medians[1]:.2f}",
        )
