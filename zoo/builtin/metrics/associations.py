"""Associations: how far the pairwise dependence of the columns of samples is from that of test examples.

    a(A, B)² = tr(C_AA⁺ C_AB C_BB⁺ C_BA) / min(rank C_AA, rank C_BB)

with the covariances C of the encoded values of columns A and B: the mean squared canonical correlation. It is Pearson's
r² of two numbers, the correlation ratio η² of a category and a number, and Cramér's V² of two categories; a number with
missing values counts as itself and its flag. Where both columns have one degree of freedom (numbers, two categories),
a has the sign of the covariance. The figure is the mean of |a_samples - a_test| over the pairs of columns that are not
constant in the test examples, of as many samples.

References: Cramér (1946), Mathematical Methods of Statistics, section 21.9; Patki, Wedge and Veeramachaneni (2016).
"""

from __future__ import annotations

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.jackknife import both_shares
from zoo.builtin.metrics.records import Place, matched_records, places

_RANK = 1e-10  # eigenvalues below this share of the largest are 0
_SHOWN = 2  # pairs in the note


def associations(columns: list[Place], x: Tensor) -> Tensor:
    """Return a(A, B) of all pairs of columns of records x, shape (N, D): (K, K), nan for constant columns."""
    x = x - x.mean(0)
    parts, ranks = [], []
    for column in columns:
        part = x[:, column.values]
        values, vectors = torch.linalg.eigh(part.T @ part / len(x))  # eigenvalues ascend
        kept = values > max(_RANK * float(values[-1]), 1e-24)
        vectors = vectors * torch.where(vectors[-1] < 0, -1.0, 1.0)  # a sign that does not depend on the data
        parts.append(part @ vectors[:, kept] / (values[kept] * len(x)).sqrt())
        ranks.append(int(kept.sum()))
    R = torch.cat(parts, 1)
    rank = torch.tensor(ranks)
    of_column = torch.arange(len(columns)).repeat_interleave(rank)
    onto = torch.nn.functional.one_hot(of_column, len(columns)).double()  # (sum of ranks, K)
    correlations = R.T @ R
    least = torch.minimum(rank[:, None], rank)
    a = (onto.T @ correlations.square() @ onto / least).sqrt()  # 0/0 for constant columns
    single = torch.tensor([column.values.stop - column.values.start == 1 + column.is_category for column in columns])
    signs = torch.where(onto.T @ correlations @ onto < 0, -1.0, 1.0)
    return torch.where(single[:, None] & single & (least == 1), signs * a, a)


def differences(columns: list[Place], real: Tensor, fake: Tensor) -> Tensor:
    """Return |a_fake - a_real| of the pairs A < B, in their order; nan for columns that are constant in `real`."""
    a, b = associations(columns, fake).nan_to_num(0.0), associations(columns, real)  # a constant depends on nothing
    i, j = torch.triu_indices(len(columns), len(columns), 1)
    return (a - b).abs()[i, j]


class Associations:
    """Whether pairs of columns of a table depend on one another as they should."""

    card = zoo.MetricCard(
        name="associations",
        title="associations",
        summary="mean difference of the pairwise correlations of columns (Pearson, correlation ratio, Cramér's V)",
        direction="lower",
        paper="doi:10.1109/DSAA.2016.49",
        limits=(
            "It is above 0 for real examples, more so for fewer of them; compare it with the row real.",
            "It sees pairs, and of two numbers their linear dependence only.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Mean difference, with the jackknife errors of samples and test examples; the note names the worst pairs."""
        columns = places(evaluation.data)
        real, fake = matched_records(evaluation, least=3)
        found = differences(columns, real, fake)
        if not found.isfinite().any():
            raise zoo.Unsupported("needs two columns that vary")

        stderr, left_out = both_shares(lambda x, y: float(differences(columns, y, x).nanmean()), fake, real)
        i, j = torch.triu_indices(len(columns), len(columns), 1).tolist()
        order = found.nan_to_num(-1.0).argsort(descending=True)[:_SHOWN].tolist()
        worst = ", ".join(f"{columns[i[k]].name} with {columns[j[k]].name} {float(found[k]):.2f}" for k in order)
        return zoo.Measurement(
            float(found.nanmean()),
            stderr=stderr,
            left_out=left_out,
            note=f"largest: {worst}",
        )
