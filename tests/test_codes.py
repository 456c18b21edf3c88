"""Where the codes come from: the hooks that say it, and the two figures of it, against laws that are known."""

import math

import pytest
import torch
from torch import nn

import zoo
from zoo.builtin.densities.normal import StandardNormal
from zoo.builtin.metrics.codes import CodesLikelihood, CodesTest
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import FeatureSpace
from zoo.models.density import FittedDensity
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin

DATA = zoo.Data.from_arrays(torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)), name="normal")
PIXELS = FeatureSpace(nn.Flatten(), "the values themselves")


class ShiftConfig(zoo.Config):
    shift: float = 0.0


class ShiftPlugin:
    """The code of x is x; generating decodes draws of N(shift, I)."""

    card = zoo.Card(
        name="shift", summary="identity", config=ShiftConfig, trains_on="real", latent="real", samples="draws"
    )

    @zoo.hookimpl
    def build(self, config):
        module = nn.Identity()
        module.shift = config.shift
        return module

    @zoo.hookimpl
    def fit(self):
        raise NotImplementedError

    @zoo.hookimpl
    def encode(self, x):
        return x.clone()

    @zoo.hookimpl
    def decode(self, z):
        return z.clone()

    @zoo.hookimpl
    def sample(self, model, n, generator):
        return model.shift + torch.randn(n, 3, generator=generator)

    @zoo.hookimpl
    def sample_codes(self, model, n, generator):
        return model.shift + torch.randn(n, 3, generator=generator)

    @zoo.hookimpl
    def log_prob_codes(self, model, z):
        return -0.5 * (z - model.shift).square().sum(1) - 1.5 * math.log(2 * math.pi)

    @zoo.hookimpl
    def diagnose(self, model, train, valid):
        return {"shift": model.shift, "sizes": [float(len(train)), float(len(valid))]}


class SilentPlugin(ShiftPlugin):
    """It says nothing of its codes."""

    sample_codes = log_prob_codes = diagnose = None


def model(shift=0.0, plugin=ShiftPlugin, density=None):
    config = ShiftConfig(shift=shift)
    loaded = Plugin(plugin(), "zoo.models")
    return Model(loaded, loaded.hooks.build(config=config, data=DATA.spec), config, DATA.spec, density=density)


def evaluation(model):
    return Evaluation(model, DATA, torch.zeros(1, 3), PIXELS)


def test_codes_from_the_law_of_the_real_ones_are_not_told_apart():
    found = CodesTest().measure(evaluation(model()))
    assert found.value == pytest.approx(0.5, abs=4 * found.stderr)


def test_shifted_codes_are_told_apart_as_often_as_the_best_classifier_can():
    shift = 1.0  # in each of three dimensions: δ = √3
    found = CodesTest().measure(evaluation(model(shift)))
    best = 0.5 * (1 + math.erf(math.sqrt(3) / 2 / math.sqrt(2)))  # Φ(δ/2)
    assert found.value == pytest.approx(best, abs=4 * found.stderr + 0.02)


def test_the_log_density_of_real_codes_is_their_mean_under_what_is_sampled():
    found = CodesLikelihood().measure(evaluation(model(0.5)))
    normal = torch.distributions.Normal(0.5, 1.0)
    assert found == pytest.approx(normal.log_prob(DATA.test.double()).sum(1).mean().item(), rel=1e-6)


def test_an_attached_density_answers_for_the_model():
    density = FittedDensity(Plugin(StandardNormal(), "zoo.densities"), {"dimension": torch.tensor(3)}, (3,))
    shifted = model(5.0, density=density)
    assert abs(shifted.sample_codes(4000, seed=0).mean().item()) < 4 / math.sqrt(3 * 4000)
    z = torch.tensor([[1.0, 2.0, 2.0]])
    assert shifted.log_prob_codes(z).item() == pytest.approx(-4.5 - 1.5 * math.log(2 * math.pi))


def test_a_model_that_says_nothing_of_its_codes_has_neither_figure():
    for metric in (CodesTest, CodesLikelihood):
        with pytest.raises(zoo.Unsupported, match="its plugin does not implement"):
            metric().measure(evaluation(model(plugin=SilentPlugin)))
        with pytest.raises(zoo.Unsupported, match="bare samples"):
            metric().measure(Evaluation(None, DATA, torch.zeros(1, 3), PIXELS))


def test_diagnostics_are_the_plugin_s_and_none_is_none():
    assert model(2.0).diagnose(DATA.train, DATA.valid) == {"shift": 2.0, "sizes": [1000.0, 200.0]}
    assert model(plugin=SilentPlugin).diagnose(DATA.train, DATA.valid) == {}


def test_a_diagnosis_of_another_kind_is_refused():
    class Wrong(ShiftPlugin):
        @zoo.hookimpl
        def diagnose(self):
            return {"tensor": torch.zeros(1)}

    with pytest.raises(zoo.PluginError, match="must return a dictionary of numbers"):
        model(plugin=Wrong).diagnose(DATA.train, DATA.valid)
