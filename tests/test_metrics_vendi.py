"""The Vendi score, held to known answers."""

import math

import pytest
import torch

from zoo.builtin.metrics.vendi import Vendi, vendi, vendi_from_kernel


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_three_pairs_are_three_examples():
    a = torch.tensor([0.0, 0, 10, 10, 20, 20], dtype=torch.float64)
    K = torch.exp(-(a[:, None] - a).abs())
    λ = torch.linalg.eigvalsh(K / 6)
    λ = λ[λ > 1e-12]
    assert vendi_from_kernel(K) == pytest.approx(math.exp(float(-(λ * λ.log()).sum())), rel=1e-9)
    assert f"{vendi_from_kernel(K):.4f}" == "3.0000"
    assert vendi_from_kernel(K) < 3


def test_identical_examples_are_one_and_different_ones_are_as_many_as_there_are():
    assert vendi_from_kernel(torch.ones(50, 50)) == pytest.approx(1, abs=1e-9)
    assert vendi_from_kernel(torch.eye(50)) == pytest.approx(50, rel=1e-9)
    assert vendi(normal(1, 8, seed=1).repeat(50, 1)) == pytest.approx(1, abs=1e-9)
    assert vendi(torch.eye(8).repeat(5, 1) * 3) == pytest.approx(8, rel=1e-9)


def test_unequal_shares_have_the_entropy_of_the_shares():
    x = torch.eye(3)[[0, 0, 0, 0, 0, 0, 1, 1, 1, 2]]
    expected = math.exp(-sum(p * math.log(p) for p in (0.6, 0.3, 0.1)))
    assert vendi(x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shape", [(40, 5), (5, 40)])
def test_features_have_the_score_of_their_cosine_kernel(shape):
    x = 0.4 + normal(*shape, seed=3)
    unit = x / x.norm(dim=1, keepdim=True)
    assert vendi(x) == pytest.approx(vendi_from_kernel(unit @ unit.T), rel=1e-9)
    assert vendi(x.sign() * 1e-200 * x.abs()) == pytest.approx(vendi(x), rel=1e-9)


def test_rows_of_zeros_are_alike_and_unlike_others():
    x = torch.tensor([[0.0, 0], [0, 0], [0, 2], [0, 5]])
    assert vendi(x) == pytest.approx(2, rel=1e-9)
    assert vendi(x[:2]) == pytest.approx(1, abs=1e-9)


def test_mirrored_examples_count_as_one():
    """A stated limit of the cosine kernel: for VS, a similarity of -1 is as alike as one of 1."""
    x = normal(40, 8, seed=4)
    assert vendi(torch.cat([x[:1], -x[:1]])) == pytest.approx(1, abs=1e-9)
    assert vendi(torch.cat([x, -x])) == pytest.approx(vendi(x), rel=1e-9)
    assert any("score of x and -x is 1" in limit for limit in Vendi.card.limits)


@pytest.mark.parametrize(
    ("K", "message"),
    [
        (torch.ones(3, 2), r"shape \(n, n\)"),
        (2 * torch.eye(3), "ones on its diagonal"),
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (torch.full((2, 2), math.nan), "symmetric"),
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), "semi-definite, got the eigenvalue -1"),
    ],
)
def test_what_is_no_matrix_of_similarities_is_refused(K, message):
    with pytest.raises(ValueError, match=message):
        vendi_from_kernel(K)
