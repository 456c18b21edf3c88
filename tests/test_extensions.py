"""Extensions: wrappers around every model's hooks, recorded, and left out on demand."""

import pytest
import torch

import zoo
from zoo.api import Registry

SOURCE = """
import zoo

class Darker:
    card = zoo.ExtensionCard(name="darker", summary="halves what is sampled")

    @zoo.hookimpl(wrapper=True)
    def sample(self, n):
        x = yield
        return x / 2
"""


@pytest.fixture
def darker(distribution, monkeypatch):
    monkeypatch.delenv("ZOO_NO_EXTENSIONS", raising=False)
    distribution()

    def install(source=SOURCE):
        distribution("zoo-darker", source=source, entry="darker", target="Darker", group="zoo.extensions")

    return install


def trained(registry):
    data = zoo.Data.from_arrays(torch.rand(20, 3, generator=torch.Generator().manual_seed(0)))
    return registry.train("coins", data, steps=1)


def test_an_extension_wraps_every_model_and_is_recorded(darker):
    plain = trained(Registry())
    darker()
    wrapped = trained(Registry())
    assert torch.allclose(wrapped.sample(2, seed=0), plain.sample(2, seed=0) / 2)
    assert wrapped.protocol["extensions"] == ["zoo-darker/darker"]
    assert wrapped.protocol["versions"]["zoo-darker"] == "1.0"
    assert plain.protocol["extensions"] == []


def test_extensions_can_be_left_out(darker, monkeypatch):
    darker()
    for registry in (Registry(extensions=False), Registry()):
        monkeypatch.setenv("ZOO_NO_EXTENSIONS", "1")
        assert trained(registry).protocol["extensions"] == []


def test_what_only_an_extension_wraps_is_not_what_the_model_implements(darker):
    darker(SOURCE.replace("def sample(self, n)", "def log_prob(self, x)"))
    plugin = Registry().plugin("coins")
    assert plugin.extensions
    assert not plugin.implements("loss")
    assert plugin.names("log_prob", "x") == plugin.implements("log_prob")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("(wrapper=True)", ""), "would replace the hook of every model; make it a wrapper"),
        (("x = yield", "x = 1"), "must yield exactly once"),
        (("def sample(self, n)", "def smaple(self, n)"), "not a hook of zoo.extensions. Did you mean 'sample'"),
        (("def sample(self, n)", "def sample(self, number)"), "which the hook does not offer"),
        (("zoo.ExtensionCard", "dict"), "'card' must be a zoo.ExtensionCard"),
    ],
)
def test_a_wrong_extension_is_refused_and_hurts_no_model(darker, change, reason):
    darker(SOURCE.replace(*change))
    registry = Registry()
    assert trained(registry).protocol["extensions"] == []
    (candidate,) = registry.candidates("zoo.extensions")
    assert candidate.state == "broken"
    assert reason in candidate.reason


def test_an_extension_loaded_after_another_model_s_training_does_not_reach_back(darker):
    registry = Registry()
    before = trained(registry)
    expected = before.sample(2, seed=0)
    darker()
    after = trained(Registry())
    assert torch.equal(before.sample(2, seed=0), expected)
    assert torch.allclose(after.sample(2, seed=0), expected / 2)
