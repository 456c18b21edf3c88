"""Pictures of codes of every shape, and what a picture that fails costs: nothing."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import nn

import zoo
from zoo.api import Registry
from zoo.builtin.metrics.classes import discriminant
from zoo.comparison.measuring import Measuring
from zoo.comparison.pictures import _classes
from zoo.comparison.result import Comparison
from zoo.engine.executor import InlineExecutor
from zoo.evaluation.features import feature_space

SHAPES = ([], [1], [2], [3], [2, 2], [2, 2, 2])
DATA = zoo.Data.from_arrays(torch.rand(100, 4, 4, generator=torch.Generator().manual_seed(0)), name="noise")


class ShapedConfig(zoo.Config):
    latent: Annotated[tuple[int, ...], Field(description="shape of one code")] = ()
    fails_beyond: Annotated[float, Field(description="largest code that decode accepts")] = math.e * 10


class ShapedPlugin:
    """The code of an image is its first values, in a given shape; decoding leaves the other pixels 0."""

    card = zoo.Card(
        name="shaped",
        summary="codes of any shape",
        config=ShapedConfig,
        trains_on="grey",
        latent="real",
        samples="draws",
    )

    failure: type[BaseException] = RuntimeError

    @zoo.hookimpl
    def build(self, config):
        module = nn.Module()
        module.register_buffer("mean", torch.zeros(math.prod(config.latent)))
        module.latent, module.fails_beyond, module.failure = config.latent, config.fails_beyond, self.failure
        return module

    @zoo.hookimpl
    def fit(self, model, train):
        model.mean.copy_(train.flatten(1)[:, : len(model.mean)].mean(0))

    @zoo.hookimpl
    def encode(self, model, x):
        return x.flatten(1)[:, : len(model.mean)].clone().reshape(-1, *model.latent)

    @zoo.hookimpl
    def decode(self, model, z):
        if (z > model.fails_beyond).any():
            raise model.failure("beyond what was seen")
        flat = z.reshape(len(z), -1)
        return nn.functional.pad(flat, (0, 16 - flat.shape[1])).reshape(-1, 4, 4).clamp(0, 1)

    @zoo.hookimpl
    def sample(self, model, n, generator):
        return self.decode(model, self.sample_codes(model, n, generator).clamp(max=model.fails_beyond))

    @zoo.hookimpl
    def sample_codes(self, model, n, generator):
        return (
            model.mean.expand(n, -1)
            .add(torch.randn(n, len(model.mean), generator=generator))
            .reshape(-1, *model.latent)
        )

    @zoo.hookimpl
    def log_prob_codes(self, model, z):
        flat = z.reshape(len(z), -1) - model.mean
        return -(flat.square() + math.log(2 * math.pi)).sum(1) / 2


@pytest.fixture
def registry():
    found = Registry()
    found.register(ShapedPlugin)
    return found


def pictures(comparison, contestant):
    with np.load(comparison.path / comparison.results["pictures"][contestant]) as arrays:
        return dict(arrays)


def test_codes_of_any_shape_stand_in_the_table_the_report_and_a_resumed_comparison(registry, tmp_path):
    plain = [f"shaped:latent={shape}" for shape in SHAPES]
    names = [*plain, *(f"shaped@gaussian:latent={shape}" for shape in (SHAPES[0], SHAPES[-1]))]
    comparison = registry.compare(names, DATA, seeds=1, executor=InlineExecutor(), out=tmp_path)
    assert comparison.failed == []
    assert list(comparison) == [*names, "real"]
    for name, shape in zip(plain, SHAPES, strict=True):
        found = pictures(comparison, name)
        plane = {"codes", "codes_axes", "drawn_codes"} if math.prod(shape) > 1 else set()
        maps = {"map", "map_axes"} if math.prod(shape) > 1 else set()
        assert found.keys() == {
            *("samples", "nearest", "originals", "reconstructions", "interpolation", "traversal"),
            *plane,
            *maps,
        }
    (comparison.path / "report.html").unlink()
    Comparison.open(comparison.path).write()
    page = (comparison.path / "report.html").read_text()  # equal pictures are shown once, under the first one's name
    assert re.search(r"traversal of shaped(@gaussian)?:latent=\[1?\], 1 rows of 9", page)
    again = registry.compare(resume=comparison.path, data=DATA, executor=InlineExecutor())
    assert [row["summary"] for row in again.rows] == [row["summary"] for row in comparison.rows]


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_a_code_of_one_number_is_traversed_over_2_5_standard_deviations(registry, tmp_path, shape):
    name = f"shaped:latent={shape}"
    comparison = registry.compare(name, DATA, seeds=1, executor=InlineExecutor(), out=tmp_path)
    code = DATA.test[:, 0, 0].double()
    wanted = code.mean() + code.std() * torch.linspace(-2.5, 2.5, 9, dtype=torch.float64)
    found = torch.from_numpy(pictures(comparison, name)["traversal"])[0, :, 0, 0].double()
    ascending = found if found[0] < found[-1] else found.flip(0)
    assert torch.allclose(ascending, wanted.clamp(0, 1), atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_metrics_of_codes_take_any_shape(registry, tmp_path, shape):
    model = registry.train(f"shaped:latent={shape}", DATA, steps=1)
    measuring = Measuring(DATA, tmp_path, ["codes-test", "codes-likelihood"], None, registry)
    found = measuring.model("shaped", model, 0, pictures=False).metrics
    D = math.prod(shape)
    gaps = DATA.test.flatten(1)[:, :D] - DATA.train.flatten(1)[:, :D].mean(0)
    wanted = -(gaps.double().square() + math.log(2 * math.pi)).sum(1).mean().item() / 2
    assert found["codes-likelihood"].value == pytest.approx(wanted, abs=1e-5)
    assert 0.5 < found["codes-test"].value <= 1  # codes of unit variance against uniform ones of variance 1/12


@pytest.mark.parametrize("failure", [RuntimeError, SystemExit, BaseException])
def test_a_picture_that_fails_costs_itself_alone(registry, tmp_path, capsys, monkeypatch, failure):
    monkeypatch.setattr(ShapedPlugin, "failure", failure)
    model = registry.train("shaped:latent=[2],fails_beyond=1.0", DATA, steps=1)
    measuring = Measuring(DATA, tmp_path, ["frechet"], None, registry)
    found, bare = (measuring.model("shaped", model, 0, pictures=drawn) for drawn in (True, False))
    assert found.metrics == bare.metrics
    with np.load(tmp_path / "shaped.pictures.npz") as arrays:
        assert {"samples", "nearest", "reconstructions", "interpolation", "codes"} <= set(arrays)
        assert not {"traversal", "map"} & set(arrays)
    assert "beyond what was seen" in capsys.readouterr().err


def test_a_report_that_fails_costs_no_result(registry, tmp_path):
    events = []

    def on_event(job, event):
        events.append(event)
        (tmp_path / "compare-noise-1" / "report.html").mkdir(exist_ok=True)

    comparison = registry.compare(
        "shaped", DATA, seeds=1, executor=InlineExecutor(), out=tmp_path, on_event=on_event, progress=False
    )
    assert comparison.failed == []
    assert Comparison.open(comparison.path).results == json.loads(json.dumps(comparison.results))
    warning = events[-1]["warning"]
    assert "report.html" in warning
    assert f"Retry with: zoo report {comparison.path}" in warning


def test_predicted_classes_are_those_of_the_metric_and_rows_of_the_confusion_average_to_them(tmp_path):
    data = zoo.load_data("digits")
    space = feature_space(data, tmp_path, "components")
    labels = data.valid_labels
    evaluation = zoo.Evaluation(None, data, data.valid, space, labels=labels)
    found = _classes(evaluation)
    rule = discriminant(space(evaluation.train_bits), data.train_labels)
    assert found["class_names"].tolist() == list(range(10))
    torch.testing.assert_close(found["class_shares"], rule.shares(evaluation.sample_features), rtol=0, atol=1e-12)
    asked = torch.bincount(labels, minlength=10) / len(labels)
    torch.testing.assert_close(asked.double() @ found["confusion"], found["class_shares"])
    assert found["confusion"].diagonal().mean() > 0.7  # of real digits, as bits
    without = zoo.Evaluation(None, data, data.valid, space)
    assert set(_classes(without)) == {"class_names", "class_shares"}
