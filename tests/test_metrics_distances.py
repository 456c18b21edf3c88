"""Distances, held to differences taken one by one; exact zeros and ties, where rows repeat."""

import math

import pytest
import torch

from zoo.builtin.metrics import distances as module
from zoo.builtin.metrics.distances import TIE, nearest, neighbour_distances, reach, root, squares


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def whole(x, y):
    return torch.cat([root(block.values, block.x2) for block in squares(x, y)])


def by_differences(x, y):
    return (x[:, None].double() - y[None].double()).square().sum(-1).sqrt()


@pytest.fixture(params=[1, 50, 2**20])
def block(request, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", request.param)


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_distances_equal_those_by_differences_in_blocks_of_every_size(block, offset):
    x = offset + torch.randn(23, 7, generator=seeded(1), dtype=torch.float64)
    y = offset + torch.randn(31, 7, generator=seeded(2), dtype=torch.float64)
    torch.testing.assert_close(whole(x, y), by_differences(x, y), rtol=1e-9, atol=0)


@pytest.mark.parametrize("kind", ["float", "bits", "far from 0"])
def test_identical_rows_are_at_distance_exactly_0_and_others_are_not(block, kind):
    x = torch.randn(40, 33, generator=seeded(3), dtype=torch.float64)
    x = {"float": x, "bits": (x > 0).double(), "far from 0": 0.01 * x + 300.3}[kind]
    found = whole(x, x.flip(0))
    same = torch.eye(40, dtype=torch.bool).flip(1)
    assert (found[same] == 0).all()
    assert (found[~same] > 0).all()


def test_a_square_is_within_reach_of_a_radius_if_its_root_is_at_most_the_radius(block):
    x = torch.randn(40, 33, generator=seeded(3), dtype=torch.float64)
    x = torch.cat([x, x[:10], x[:5] + 1e-3])
    for radii in (torch.zeros(1), torch.tensor([1e-2]), by_differences(x, x)[0].double() * TIE):
        for _, squared, x2, y2 in squares(x, x):
            for bound, length2 in ((radii, y2), (radii[:1, None], x2)):
                assert torch.equal(squared <= reach(bound, length2), root(squared, length2) <= bound)


def test_neighbours_are_those_of_the_sorted_distances(block):
    x = torch.randn(40, 3, generator=seeded(5), dtype=torch.float64)
    expected = by_differences(x, x).sort().values
    for k in (1, 2, 39):
        torch.testing.assert_close(neighbour_distances(x, k), expected[:, k], rtol=1e-9, atol=0)
    y = torch.randn(11, 3, generator=seeded(6), dtype=torch.float64)
    found, which = nearest(x, y)
    torch.testing.assert_close(found, by_differences(x, y).min(1).values, rtol=1e-9, atol=0)
    assert torch.equal(which, by_differences(x, y).argmin(1))


def test_a_row_that_is_there_k_times_more_has_the_radius_0():
    x = torch.randn(20, 9, generator=seeded(7)).repeat(3, 1)
    assert (neighbour_distances(x, 2) == 0).all()
    assert (neighbour_distances(x, 3) > 0.1).all()


def test_equal_distances_that_are_rounded_apart_are_within_a_tie():
    x = torch.randn(200, 32, generator=seeded(8), dtype=torch.float64)
    Q = torch.linalg.qr(torch.randn(32, 32, generator=seeded(9), dtype=torch.float64))[0]
    ratio = whole(x @ Q, -x @ Q)[~torch.eye(200, dtype=torch.bool)] / whole(x, -x)[~torch.eye(200, dtype=torch.bool)]
    assert (ratio <= TIE).all()
    assert (ratio >= 1 / TIE).all()
    assert not (ratio == 1).all()


@pytest.mark.parametrize("k", [0, 5, -1])
def test_there_are_fewer_neighbours_than_rows(k):
    with pytest.raises(ValueError, match=f"less than the number of rows, 5, got {k}"):
        neighbour_distances(torch.zeros(5, 2), k)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(5), r"x must have shapes \(N, d\).*got \(5,\); x.flatten"),
        (torch.zeros(0, 2), r"N at least 1, got \(0, 2\)"),
        (torch.zeros(5, 0), r"got \(5, 0\)"),
        (torch.tensor([[math.nan], [0.0]]), "finite"),
    ],
)
def test_what_is_no_set_of_rows_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        neighbour_distances(x)
