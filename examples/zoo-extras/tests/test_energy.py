import pytest
import torch
from zoo_extras.energy import energy_distance


def test_it_is_that_of_its_definition():
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0], [0.0]])
    between = (1 + 5 + 0 + 1 + 3 + 2) / 6
    assert energy_distance(x, y) == pytest.approx(2 * between - 2 - (4 + 1 + 5) / 3)


def test_between_two_normal_samples_of_one_distribution_it_is_0_in_the_mean():
    draws = torch.Generator().manual_seed(0)
    found = torch.tensor([energy_distance(*torch.randn(2, 30, 4, generator=draws)) for _ in range(300)])
    assert found.mean().abs() < 5 * found.std() / 300**0.5
    assert found.min() < 0


def test_blocks_of_rows_add_up(monkeypatch):
    x, y = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0))
    whole = energy_distance(x, y)
    monkeypatch.setattr("zoo_extras.energy._BLOCK", 7)
    assert energy_distance(x, y) == pytest.approx(whole, rel=1e-12)
