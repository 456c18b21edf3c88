import pytest
import torch
from zoo_extras.rings import RADII, SIGMA, Rings

import zoo


def test_points_lie_near_the_circle_of_their_class_and_all_around():
    data = Rings().load("20000")
    x, circle = data.train, data.train_labels
    for number, radius in enumerate(RADII):
        points = x[circle == number]
        square = points.square().sum(1)  # of mean r² + 2σ² and variance 4r²σ² + 4σ⁴
        error = (4 * radius**2 * SIGMA**2 + 4 * SIGMA**4) ** 0.5 / len(points) ** 0.5
        assert abs(square.mean() - (radius**2 + 2 * SIGMA**2)) < 5 * error
        assert points.mean(0).norm() < 5 * radius / len(points) ** 0.5
    assert abs((circle == 0).float().mean() - 0.5) < 5 * 0.5 / len(circle) ** 0.5


def test_the_points_are_the_same_on_every_call_whatever_the_global_state():
    first = Rings().load("100").sha256
    torch.manual_seed(7)
    assert Rings().load("100").sha256 == first
    assert Rings().load("101").sha256 != first


def test_the_number_of_points_is_what_follows_the_colon():
    data = Rings().load("")
    assert (data.name, data.spec) == ("rings:4000", zoo.DataSpec((2,), "real"))
    assert sum(map(len, (data.train, data.valid, data.test))) == 4000


@pytest.mark.parametrize("argument", ["99", "0", "-500", "many", "1e3"])
def test_another_argument_is_refused(argument):
    with pytest.raises(zoo.ConfigError, match=f"needs N of 100 points or more, got '{argument}'"):
        Rings().load(argument)
