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


@pytest.mark.parametrize("name", ["critic", "layer_1", "a"])
def test_lower_case_words_joined_by_underscores_name_phases_and_players(name):
    assert zoo.Phase(name).players == (zoo.Player(name),)
    assert zoo.Player(name).modules == (name,)


@pytest.mark.parametrize("name", ["", "Critic", "1a", "a-b", "a.b", "a b", 3])
@pytest.mark.parametrize("kind", ["phase", "player"])
def test_no_phase_or_player_takes_another_name(kind, name):
    with pytest.raises(ValueError, match=f"the name of a {kind} must be lower-case words"):
        {"phase": zoo.Phase, "player": zoo.Player}[kind](name)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: zoo.Player("clip"), ValueError, "must not be that of a setting of zoo.Training, got 'clip'"),
        (lambda: zoo.Player("a", ["b"]), TypeError, r"modules of player 'a' must be a tuple of names, got \['b'\]"),
        (lambda: zoo.Player("a", "bc"), TypeError, "modules of player 'a' must be a tuple of names, got 'bc'"),
        (lambda: zoo.Player("a", training={"clip": 1}), TypeError, "training of player 'a' must be a zoo.Training"),
        (
            lambda: zoo.Player("a", steps=0),
            ValueError,
            "steps of player 'a' must be a whole number of at least 1, got 0",
        ),
        (lambda: zoo.Player("a", steps=1.0), ValueError, "steps of player 'a' must be a whole number"),
        (lambda: zoo.Phase("a", "b"), TypeError, r"players of phase 'a' must be zoo.Player, got \('b',\)"),
        (lambda: zoo.Phase("a", share=0), ValueError, "share of phase 'a' must be a finite number above 0, got 0"),
        (lambda: zoo.Phase("a", share=float("inf")), ValueError, "share of phase 'a' must be a finite number"),
    ],
)
def test_a_phase_or_player_refuses_what_cannot_be(make, error, match):
    with pytest.raises(error, match=match):
        make()


GAME = zoo.Phase("game", zoo.Player("critic"), zoo.Player("maker"))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"phases": [GAME]}, TypeError, "phases .* must be a tuple of zoo.Phase, got "),
        ({"phases": (zoo.Player("a"),)}, TypeError, "phases .* must be a tuple of zoo.Phase"),
        ({"phases": lambda config: ()}, TypeError, r"what the function of the config returns.* got \(\)"),
        ({"phases": (GAME, GAME)}, ValueError, "the names of a card's phases must be unique, got 'game' twice"),
        ({"phases": (GAME, zoo.Phase("maker"))}, ValueError, "a card's players must be unique, got 'maker' twice"),
        (
            {"phases": (zoo.Phase("a", zoo.Player("a", training=zoo.Training(batch_size=128))),)},
            zoo.ConfigError,
            "batch_size is the same for all players, got 128 for 'a'",
        ),
        (
            {"phases": (GAME,), "training": zoo.Training(patience=3)},
            zoo.ConfigError,
            "patience must be 0 for 'critic', which takes turns with other players: .* Got 3",
        ),
        ({"phases": (GAME,), "sensitivity": {"train.critc.clip": (1.0,)}}, TypeError, "sensitivity must map settings"),
        ({"phases": (GAME,), "sensitivity": {"train.critic.clip": (-1.0,)}}, zoo.ConfigError, "clip must be greater"),
    ],
)
def test_the_phases_of_a_card_are_checked_when_it_is_created(change, error, match):
    with pytest.raises(error, match=match):
        dataclasses.replace(CARD, **change)


def test_a_card_without_phases_has_one_player_that_trains_the_whole_model():
    assert CARD.phases_with(zoo.Config()) == (zoo.Phase("training", zoo.Player("model", ("",))),)
    assert CARD.players(zoo.Config()) == []
    card = dataclasses.replace(CARD, phases=(GAME,), sensitivity={"train.critic.clip": (1.0,)})
    assert card.players(zoo.Config()) == ["critic", "maker"]
