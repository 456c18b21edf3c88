"""NumPy's scalars are numbers wherever numbers are taken: the same files, byte for byte."""

from __future__ import annotations

import json
from typing import Annotated

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import nn

import zoo
from zoo.api import Registry
from zoo.comparison.measuring import Measuring
from zoo.engine.executor import InlineExecutor
from zoo.scalars import plain

DATA = zoo.Data.from_arrays(np.random.default_rng(0).random((40, 3)), name="noise", epochs=np.int16(2))
INTEGERS = (np.int64, np.int32, np.uint8)
FLOATS = (np.float64, np.float32, np.float16)


class MeansConfig(zoo.Config):
    size: Annotated[int, Field(gt=0, description="of nothing")] = 1
    sizes: tuple[int, ...] = ()
    share: float = 1.0
    real: bool = False


class MeansOptions(zoo.Config):
    steps: int = 1


class Means:
    """Means of the pixels, and diagnostics that are NumPy's."""

    card = zoo.Card(
        name="means",
        summary="means of the pixels",
        config=MeansConfig,
        options=MeansOptions,
        trains_on="grey",
        latent=None,
        samples="means",
        training=zoo.Training(batch_size=np.int64(8), learning_rate=np.float32(0.125)),
    )

    @zoo.hookimpl
    def build(self, data):
        module = nn.Module()
        module.logits = nn.Parameter(torch.zeros(data.shape))
        return module

    @zoo.hookimpl
    def loss(self, model, x):
        return {"loss": (model.logits - x).square().mean()}

    @zoo.hookimpl
    def encode(self):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def decode(self):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def sample(self, model, n, generator):
        return (model.logits + 0.1 * torch.rand(n, 3, generator=generator)).clamp(0, 1).detach()

    @zoo.hookimpl
    def diagnose(self):
        return {"share": np.float32(0.5), "sizes": [np.int64(3)]}


class Half:
    """A metric whose figure is NumPy's."""

    card = zoo.MetricCard(name="half", title="Half", summary="one half", direction="none", level="headline")

    @zoo.hookimpl
    def measure(self):
        return zoo.Measurement(np.float32(0.5), stderr=np.float16(0.25), left_out=(np.float32(1),))


@pytest.fixture
def registry():
    found = Registry(extensions=False)
    found.register(Means)
    found.register(Half, "zoo.metrics")
    return found


def test_scalars_become_pythons_numbers_and_nothing_else_changes():
    array = np.arange(3)
    found = plain({"a": [np.int64(1), (np.float32(0.5), np.bool_(True))], "b": array, "c": "x", "d": None})
    assert repr(found) == "{'a': [1, (0.5, True)], 'b': array([0, 1, 2]), 'c': 'x', 'd': None}"
    assert found["b"] is array


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_are_those_of_numpy_as_well(registry, tmp_path, kind):
    for name, number in (("numpy", kind), ("python", int)):
        config = {"size": number(3), "sizes": (number(4), number(5))}
        registry.train(
            "means", DATA, seed=number(7), steps=number(9), keep=number(1), save_every=number(0),
            folder=tmp_path / name, **config,
        )  # fmt: skip
        model = registry.resume(tmp_path / name, data=DATA, steps=number(11), allow_changes=True)
        model.with_options({"steps": number(2)}).save(tmp_path / name / "options.safetensors")
    for file in ("model.safetensors", "options.safetensors"):
        assert (tmp_path / "numpy" / file).read_bytes() == (tmp_path / "python" / file).read_bytes()
    assert model.config == MeansConfig(size=3, sizes=(4, 5))
    assert torch.equal(model.sample(kind(9), seed=kind(5), steps=kind(1)), model.sample(9, seed=5))
    assert zoo.DataSpec((kind(2), kind(3)), "unit") == zoo.DataSpec((2, 3), "unit")
    assert registry.create("means", zoo.DataSpec((kind(3),), "unit"), seed=kind(1)).spec.shape == (3,)


@pytest.mark.parametrize("kind", FLOATS)
def test_floats_are_those_of_numpy_as_well(registry, tmp_path, kind):
    for name, number in (("numpy", kind), ("python", float)):
        registry.train("means", DATA, epochs=number(1.5), share=number(0.5), folder=tmp_path / name)
    assert (tmp_path / "numpy" / "model.safetensors").read_bytes() == (
        tmp_path / "python" / "model.safetensors"
    ).read_bytes()
    registry.train("means", DATA, seconds=kind(0.05), save_every=kind(1), folder=tmp_path / "seconds")
    assert json.loads((tmp_path / "seconds" / "run.json").read_text())["status"] == "trained"


def test_a_boolean_is_that_of_numpy_as_well_and_a_wrong_number_is_named_as_python_writes_it(registry):
    assert registry.create("means", DATA, real=np.bool_(True)).config.real is True
    with pytest.raises(zoo.ConfigError, match="size must be greater than 0, got -3"):
        registry.create("means", DATA, size=np.int64(-3))
    with pytest.raises(zoo.ConfigError, match=r"size must be a valid integer, got 3\.0"):
        registry.create("means", DATA, size=np.float64(3))


def test_a_comparison_takes_numpys_numbers_from_users_and_models(registry, tmp_path):
    seeds = {"of an array": np.arange(1, 3), "in a list": [np.int64(1), np.uint8(2)]}
    for given in seeds.values():
        comparison = registry.compare(
            "means", DATA, seeds=given, steps=np.int32(2), jobs=np.int64(1), timeout=np.float32(99),
            save_every=np.float32(5), executor=InlineExecutor(), out=tmp_path,
        )  # fmt: skip
        protocol = json.loads((comparison.path / "results.json").read_text())["protocol"]
        assert protocol["seeds"] == [1, 2]
        assert protocol["budget"] == {"value": 2.0, "unit": "steps"}
    (cell, _) = comparison["means"].cells
    assert cell.diagnostics == {"share": 0.5, "sizes": [3]}
    assert registry.compare("means", DATA, seeds=np.int64(2), steps=1, executor=InlineExecutor(), out=tmp_path)["means"]


def test_a_figure_of_a_metric_may_be_numpys(registry, tmp_path):
    measuring = Measuring(DATA, tmp_path, ["half"], None, registry)
    figure = measuring.samples("mine", torch.zeros(9, 3), 0, pictures=False).metrics["half"]
    assert figure.model_dump(exclude_unset=True) == {"value": 0.5, "stderr": 0.25, "left_out": (1.0,)}
