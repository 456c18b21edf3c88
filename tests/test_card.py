"""A card that says what cannot be is refused where it is written."""

from __future__ import annotations

import dataclasses

import pytest

import zoo
from zoo.contract.card import NoOptions

CARD = zoo.Card(name="m", summary="a model", config=zoo.Config, trains_on="bits", latent="real", samples="means")


def test_a_card_needs_no_options_and_no_training():
    assert CARD.options is NoOptions
    assert CARD.training == zoo.Training()
    with pytest.raises(dataclasses.FrozenInstanceError):
        CARD.name = "other"


@pytest.mark.parametrize("name", ["a", "vae", "vq-vae", "vae2", "a1-2b"])
def test_lower_case_words_joined_by_hyphens_are_names(name):
    assert dataclasses.replace(CARD, name=name).name == name


@pytest.mark.parametrize(
    "name", ["", "VAE", "2vae", "vae_2", "-vae", "vae-", "vq--vae", "vaé", "vae\n", "a b", "a/b", 3]
)
@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("model", lambda name: dataclasses.replace(CARD, name=name)),
        ("latent density", lambda name: zoo.DensityCard(name=name, summary="")),
        ("data set", lambda name: zoo.DatasetCard(name=name, summary="")),
        ("metric", lambda name: zoo.MetricCard(name=name, title="", summary="", direction="lower")),
    ],
)
def test_no_card_takes_another_name(kind, make, name):
    with pytest.raises(ValueError, match=f"the name of a {kind} must be lower-case words"):
        make(name)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"latent": "reals"}, ValueError, "latent must be one of 'real', 'bits', 'index', None, got 'reals'"),
        ({"samples": "mean"}, ValueError, "samples must be one of 'means', 'draws', got 'mean'"),
        ({"samples": None}, ValueError, "samples must be one of"),
        ({"trains_on": "gray"}, ValueError, r"trains_on .* must be one of 'grey', 'bits', 'real', got 'gray'"),
        ({"config": zoo.Config()}, TypeError, "config must be a subclass of zoo.Config, got Config"),
        ({"config": dict}, TypeError, "config must be a subclass of zoo.Config, got <class 'dict'>"),
        ({"options": None}, TypeError, "options must be a subclass of zoo.Config, got None"),
        ({"training": {"clip": 1.0}}, TypeError, "training must be a zoo.Training, got {'clip': 1.0}"),
        ({"expected_failures": ["a"]}, TypeError, r"expected_failures must map names of checks to reasons, got \['a'"),
        ({"expected_failures": {"a": " "}}, ValueError, "expected_failures must give a reason for 'a', got ' '"),
        ({"expected_failures": {"a": None}}, ValueError, "expected_failures must give a reason for 'a', got None"),
    ],
)
def test_a_card_refuses_what_is_no_choice(change, error, match):
    with pytest.raises(error, match=match):
        dataclasses.replace(CARD, **change)


def test_a_model_without_a_code_says_none():
    assert dataclasses.replace(CARD, latent=None).latent is None


def test_the_config_may_decide_what_a_model_trains_on():
    assert CARD.trains_on_with(zoo.Config()) == "bits"
    asked = []
    card = dataclasses.replace(CARD, trains_on=lambda config: asked.append(config) or "grey")
    assert asked == []
    config = zoo.Config()
    assert card.trains_on_with(config) == "grey"
    assert asked == [config]


def test_what_the_function_of_the_config_returns_is_checked_too():
    card = dataclasses.replace(CARD, trains_on=lambda config: "bit")
    with pytest.raises(ValueError, match="what the function of the config returns.* got 'bit'"):
        card.trains_on_with(zoo.Config())


@pytest.mark.parametrize("accepts", [(), ("reals",), "real", ("real", None)])
def test_a_density_accepts_kinds_of_code(accepts):
    with pytest.raises(ValueError, match="accepts must list some of real, bits, index"):
        zoo.DensityCard(name="d", summary="", accepts=accepts)


def test_a_metric_has_a_direction():
    assert zoo.MetricCard(name="d", title="D", summary="", direction="none").direction == "none"
    with pytest.raises(ValueError, match="direction must be one of lower, higher, none, got 'down'"):
        zoo.MetricCard(name="d", title="D", summary="", direction="down")


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.0},
        {"batch_size": 0},
        {"warmup": 1.0},
        {"momentum": 1.0},
        {"epsilon": 0.0},
        {"weight_decay": -1.0},
        {"clip": -1.0},
        {"average": 1.0},
        {"patience": -1},
        {"optimiser": "lion"},
        {"schedule": "step"},
    ],
)
def test_training_settings_have_bounds(change):
    ((key, value),) = change.items()
    with pytest.raises(zoo.ConfigError, match=f"Settings of m: {key} must be .*, got {value!r}"):
        zoo.Training.parse(change, "m")


@pytest.mark.parametrize(
    ("betas", "message"),
    [
        ([0.9, 1.0], "betas.1 must be less than 1, got 1.0"),
        ([-0.1, 0.9], "betas.0 must be greater than or equal to 0, got -0.1"),
        ([0.9], "betas.1 Field required"),
        ([0.9, 0.99, 0.999], "betas .*2 items.*3"),
        (0.9, "betas must be a valid tuple, got 0.9"),
    ],
)
def test_betas_are_two_numbers_below_1(betas, message):
    with pytest.raises(zoo.ConfigError, match=f"Settings of m: {message}"):
        zoo.Training.parse({"betas": betas}, "m")
