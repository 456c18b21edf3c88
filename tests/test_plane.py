"""A plane through codes: exact projections, and points that come back."""

import pytest
import torch

import zoo
from zoo.models.plane import Plane, principal_axes


def codes(n=50, d=5):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * torch.arange(1, d + 1)


def test_codes_of_two_dimensions_are_shown_as_they_are():
    z = codes(d=2)
    plane = Plane.through(z)
    assert torch.equal(plane.of(z), z)
    assert plane.title == "code value"


def test_the_axes_are_the_eigenvectors_of_the_largest_variances():
    z = codes()
    variances, vectors = torch.linalg.eigh(torch.cov(z.T))
    plane = Plane.through(z)
    for k in (0, 1):
        assert abs(plane.axes[:, k] @ vectors[:, -1 - k]).item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(torch.cov(plane.of(z).T), variances.flip(0)[:2].diag())
    torch.testing.assert_close(principal_axes(z)[1], variances.flip(0).sqrt())


def test_a_point_of_the_plane_is_that_of_its_code_and_the_nearest_to_any_code():
    z = codes()
    plane = Plane.through(z)
    p = torch.tensor([[1.5, -2.0], [0.0, 0.0]])
    torch.testing.assert_close(plane.of(plane.at(p)), p.double())
    assert torch.equal(plane.at(p[1:])[0], z.mean(0))
    foot = plane.at(plane.of(z))
    torch.testing.assert_close((z - foot) @ plane.axes, torch.zeros(50, 2, dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize("shape", [(1, 3), (5, 1), (5,)])
def test_a_plane_needs_two_codes_and_two_dimensions(shape):
    with pytest.raises(zoo.Unsupported, match="two dimensions or more"):
        Plane.through(torch.ones(shape))
