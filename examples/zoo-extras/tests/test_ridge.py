import json

import pytest
import torch
from torch import nn
from zoo_extras.ridge import STRENGTH, Ridge

import zoo


class LineConfig(zoo.Config):
    """It has no settings."""


class LinePlugin:
    """Two parameters, θ and one that is frozen; the loss is Σ (θ − 1)²."""

    card = zoo.Card(name="line", summary="a line", config=LineConfig, trains_on="grey", latent=None, samples="means")

    @zoo.hookimpl
    def build(self, data):
        model = nn.Module()
        model.theta = nn.Parameter(torch.full(data.shape, 2.0))
        model.frozen = nn.Parameter(torch.full(data.shape, 100.0), requires_grad=False)
        return model

    @zoo.hookimpl
    def loss(self, model):
        return {"loss": (model.theta - 1).square().sum(), "theta": model.theta.mean()}

    @zoo.hookimpl
    def encode(self):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def decode(self):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def sample(self, model, n):
        return model.theta.detach().clamp(0, 1).repeat(n, 1)


@pytest.fixture
def registry():
    registry = zoo.Registry(entry_points=False, extensions=True)
    registry.register(LinePlugin)
    return registry


def train(registry, folder=None, steps=2000):
    x = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    data = zoo.Data.from_arrays(x)
    return registry.train("line:train.learning_rate=0.01", data, steps=steps, folder=folder)


def test_the_trained_weights_are_those_of_the_penalised_loss(registry, monkeypatch):
    monkeypatch.setattr("zoo_extras.ridge.STRENGTH", 0.25)
    registry.register(Ridge, "zoo.extensions")
    theta = train(registry).module.theta  # min (θ − 1)² + λ θ²
    torch.testing.assert_close(theta.detach(), torch.full((3,), 1 / 1.25), rtol=0, atol=1e-3)


def test_the_penalty_is_logged_beside_what_the_model_logs(registry, tmp_path):
    registry.register(Ridge, "zoo.extensions")
    train(registry, tmp_path, steps=1)
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    losses = json.loads(line)
    assert losses["ridge"] == pytest.approx(STRENGTH * 3 * 2.0**2)
    assert losses["loss"] == pytest.approx(3 + losses["ridge"])
    assert losses["theta"] == 2


def test_a_run_records_that_it_was_active_and_leaves_it_out_on_demand(registry, monkeypatch):
    registry.register(Ridge, "zoo.extensions")
    assert train(registry, steps=1).protocol["extensions"] == ["ridge"]
    bare = zoo.Registry(entry_points=False, extensions=False)
    bare.register(LinePlugin)
    bare.register(Ridge, "zoo.extensions")
    assert train(bare, steps=1).protocol["extensions"] == []
