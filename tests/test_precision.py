"""`train.precision=bf16`: the loss under autocast, weights and optimiser in single precision."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import zoo
from zoo.api import Registry
from zoo.files.tensor_file import read


class LinePlugin:
    """Least squares of one affine map; it notes the precision in which its products are computed."""

    card = zoo.Card(
        name="line",
        summary="an affine map to zero",
        config=zoo.Config,
        trains_on="grey",
        latent=None,
        samples="means",
        training=zoo.Training(batch_size=4, learning_rate=0.1),
    )

    @zoo.hookimpl
    def build(self, data):
        model = nn.Linear(data.size, 3)
        model.shape, model.seen = data.shape, []
        return model

    @zoo.hookimpl
    def loss(self, model, x):
        y = model(x)
        model.seen.append((model.training, y.dtype, x.dtype))
        return {"loss": y.square().mean(), "y": y.mean()}

    @zoo.hookimpl
    def encode(self):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def decode(self):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def sample(self, model, n):
        return torch.full((n, *model.shape), 0.5)


@pytest.fixture
def registry():
    registry = Registry(entry_points=False)
    registry.register(LinePlugin)
    return registry


@pytest.fixture(scope="module")
def data():
    return zoo.Data.from_arrays(torch.linspace(0.1, 0.9, 80).reshape(40, 2), name="ramp")


def test_the_loss_is_computed_in_bfloat16_and_weights_and_moments_stay_in_single_precision(registry, data, tmp_path):
    full, half = (
        registry.train(
            f"line:train.precision={precision},train.patience=9", data, steps=15, folder=tmp_path / precision
        )
        for precision in ("float32", "bf16")
    )
    assert set(full.module.seen) == {(training, torch.float32, torch.float32) for training in (True, False)}
    assert set(half.module.seen) == {(training, torch.bfloat16, torch.float32) for training in (True, False)}
    tensors = read(tmp_path / "bf16" / "state.safetensors")[1]
    assert {str(t.dtype) for name, t in tensors.items() if name.startswith(("module", "optimiser"))} == {
        "torch.float32"
    }
    assert half.module.weight.dtype == torch.float32
    assert not torch.equal(half.module.weight, full.module.weight)
    torch.testing.assert_close(half.module.weight, full.module.weight, atol=0.05, rtol=0)  # 15 steps of 0.1, 8 bits


def test_means_of_losses_in_bfloat16_are_not_rounded_to_it(registry, data, tmp_path):
    """Sums of values with 8 bits would lose them: 1 + 2⁻⁸ is 1 in bfloat16."""
    registry.train("line:train.precision=bf16", data, epochs=3, folder=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    means = torch.tensor([line["loss"] for line in lines])
    assert not torch.equal(means, means.bfloat16().float())


def test_a_training_in_bfloat16_resumes_bit_for_bit(registry, data, tmp_path):
    whole = registry.train("line:train.precision=bf16", data, steps=9, folder=tmp_path, save_every=0, keep=9)
    again = registry.resume(tmp_path / "state-4.safetensors", data=data)
    assert torch.equal(again.module.weight, whole.module.weight)


def test_the_precision_is_recorded_unless_it_is_single(registry, data):
    assert "precision" not in registry.train("line", data, steps=1).protocol["training"]
    half = registry.train("line:train.precision=bf16", data, steps=1).protocol["training"]
    assert half["precision"] == "bf16"


def test_precision_is_one_of_two(registry, data):
    with pytest.raises(zoo.ConfigError, match="precision must be 'float32' or 'bf16', got 'fp16'"):
        registry.train("line:train.precision=fp16", data)


@pytest.mark.parametrize("model", ["ae:hidden=[16],latent_dim=2", "vae:network=conv,channels=[4],latent_dim=2"])
def test_autoencoders_train_in_bfloat16_nearly_as_well(model):
    """Of the errors that training removes, it removes as much within a tenth."""
    digits = zoo.load_data("digits")

    def error(model):
        return (model.reconstruct(digits.valid) - digits.valid).square().sum((1, 2)).mean().item()

    before = error(zoo.create(model, digits))
    full, half = (error(zoo.train(f"{model},train.precision={p}", digits, steps=200)) for p in ("float32", "bf16"))
    assert abs(half - full) < 0.1 * (before - full)


def test_a_loss_that_mixes_precisions_is_refused_with_the_setting(registry, data):
    class Mixing(LinePlugin):
        @zoo.hookimpl
        def loss(self, model, x):
            y = model(x)
            return {"loss": y.lerp(torch.zeros_like(x[:, :1]), 0.5).mean()}

    registry = Registry(entry_points=False)
    registry.register(Mixing)
    with pytest.raises(
        zoo.ConfigError, match="loss of 'line' .* cannot be computed with train.precision=bf16 .*float32"
    ):
        registry.train("line:train.precision=bf16", data, steps=1)
