import torch
from zoo_extras.projection import DIMENSION, Projection

import zoo


def test_squared_distances_are_kept_in_the_mean():
    data = zoo.load_data("digits")
    x, y = data.test[:40], data.test[40:80]
    true = (x - y).flatten(1).square().sum(1)
    torch.manual_seed(0)
    found = []
    for _ in range(300):
        network = Projection().build(data)
        Projection().fit(network)
        found.append((network(x) - network(y)).square().sum(1) / true)
    ratio = torch.stack(found).mean().item()
    assert abs(ratio - 1) < 5 * (2 / DIMENSION / 300) ** 0.5
