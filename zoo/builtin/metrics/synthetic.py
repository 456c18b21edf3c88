"""Train on synthetic, test on real: what a predictor loses if it is fitted to samples instead of training examples.

    loss = 1/K Σ_j [max(R²_j(real), 0) - max(R²_j(samples), 0)]
    R²_j = 1 - Σᵢ |z_ij - ẑ_ij|² / Σᵢ |z_ij - z̄_j|²

over the K columns that vary in the test examples. ẑ_j predicts the column z_j, a number or a one-hot block, from all
other columns by ridge regression,

    ẑ_j = m_j + W_jᵀ (z_o - m_o),        W_j = (C_oo + λ I)⁻¹ C_oj,

fitted to training examples or to as many samples, whose mean and covariance are m and C. Of a block, R² is the skill
of the Brier score. Every column is a target once, so that none has to be chosen.

Reference: Esteban, Hyland and Rätsch (2017), Real-valued (Medical) Time Series Generation with Recurrent Conditional
GANs, arXiv:1706.02633, section 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.jackknife import GROUPS, groups
from zoo.builtin.metrics.records import Place, places, scaled

_RIDGE = 1e-3  # λ, for columns of variance 1
_CONSTANT = 1e-12  # variance of a column that does not vary


def squared_errors(columns: list[Place], train: Tensor, test: Tensor) -> Tensor:
    """Return |z_ij - ẑ_ij|² of test records under predictors fitted to training records, (M, D) and (N, D): (M, K).

    With P = (C + λ I)⁻¹, W_j = -P_oj P_jj⁻¹, so one inverse serves all columns.
    """
    m = train.mean(0)
    P = torch.linalg.inv(torch.cov(train.T, correction=0) + _RIDGE * torch.eye(train.shape[1], dtype=train.dtype))
    projected = (test - m) @ P  # of column j: (z_o - m_o) P_oj + (z_j - m_j) P_jj = (z_j - ẑ_j) P_jj
    errors = [torch.linalg.solve(P[c.values, c.values], projected[:, c.values].T).square().sum(0) for c in columns]
    return torch.stack(errors, 1)


def mean_skill(columns: list[Place], errors: Tensor, test: Tensor, kept: Tensor) -> float:
    """Return the mean of max(R²_j, 0) over the columns that vary in the kept test records, a mask of shape (M,)."""
    z = test[kept]
    total = torch.stack([(z[:, c.values] - z[:, c.values].mean(0)).square().sum() for c in columns])
    varied = total > _CONSTANT * len(z)
    return float((1 - errors[kept].sum(0)[varied] / total[varied]).clamp(min=0).mean())


class TrainOnSynthetic:
    """How well samples of a table replace training examples for prediction."""

    card = zoo.MetricCard(
        name="train-on-synthetic",
        title="train on synthetic",
        summary="R² of each column predicted from the others, lost by fitting to samples, not training examples",
        direction="lower",
        paper="arXiv:1706.02633",
        ideal=0.0,
        limits=("The predictor is linear; what only a non-linear one could use is not seen.",),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Mean loss of R², with the jackknife error of the test examples; the note has both means."""
        columns, data = places(evaluation.data), evaluation.data
        if len(columns) < 2:
            raise zoo.Unsupported("needs two columns")
        n = min(len(data.train), len(evaluation.samples))
        test, *sets = scaled(data, evaluation.reference, data.train[:n], evaluation.samples[:n])
        real, fake = (squared_errors(columns, each, test) for each in sets)
        everything = torch.ones(len(test), dtype=torch.bool)
        on_real, on_fake = (mean_skill(columns, errors, test, everything) for errors in (real, fake))
        of = groups(len(test))
        left_out = [
            mean_skill(columns, real, test, of != g) - mean_skill(columns, fake, test, of != g) for g in range(GROUPS)
        ]
        return zoo.Measurement(
            on_real - on_fake,
            left_out=tuple(left_out) if len(test) >= 2 * GROUPS else (),
            note=f"R² {on_fake:.3f} fitted to samples, {on_real:.3f} to training examples",
        )
