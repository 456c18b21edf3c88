"""How a name becomes a plugin, and what is said when it does not."""

from __future__ import annotations

import importlib
import sys
from typing import get_args

import pytest

import zoo
from zoo.contestant import Contestant
from zoo.contract.card import Latent, TrainsOn
from zoo.plugins.plugin import Candidate
from zoo.plugins.registry import FILTERS
from zoo.training.train import create

CATALOGUE = """
schema = 1
[compare]
contestants = ["coins"]
data = "digits"
seeds = 1
[[plugin]]
name = "coins"
group = "zoo.models"
package = "zoo-coins"
entry_point = "throw_away_1:IndependentPixels"
summary = "coins, says the catalogue"
tier = "official"
requires_core = ">=0.1"
requires_python = ">=3.11"
licence = "MIT"
paper = "folklore"
"""


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "registry.toml"
    path.write_text(CATALOGUE, encoding="utf-8")
    return path


@pytest.fixture
def coins(distribution):
    """The class of a plugin that is not installed under its name."""
    module = distribution(entry="elsewhere")
    return importlib.import_module(module).IndependentPixels


def _listing(registry, name):
    return next(each for each in registry.list_models() if each.name == name)


# Registered in this process


def test_a_registered_class_or_instance_is_found_in_its_registry_only(coins):
    for plugin in (coins, coins()):
        registry, other = zoo.Registry(), zoo.Registry()
        loaded = registry.register(plugin)
        assert registry.plugin("coins") is registry.find("coins") is loaded
        assert registry.registered() == [loaded]
        assert "coins" in registry.names()
        with pytest.raises(zoo.ConfigError, match="No model named 'coins'"):
            other.plugin("coins")


def test_registering_a_name_again_replaces_it(coins):
    registry = zoo.Registry()
    registry.register(coins)
    second = registry.register(coins)
    assert registry.registered() == [second]


def test_an_installed_name_cannot_be_registered(distribution):
    module = distribution()
    plugin = importlib.import_module(module).IndependentPixels
    with pytest.raises(
        zoo.PluginError, match=r"A model named 'coins' is installed \(zoo-coins/coins\); choose another"
    ):
        zoo.Registry().register(plugin)
    assert zoo.Registry(entry_points=False).register(plugin).card.name == "coins"


def test_what_breaks_the_contract_cannot_be_registered(coins):
    class Half(coins):
        def sample(self, n): ...

    class Sized(coins):
        def __init__(self, size): ...

    registry = zoo.Registry()
    for plugin, reason in (
        (Half, "Cannot register Half: its 'sample' lacks the decorator @zoo.hookimpl, .*; add it.$"),
        (Half(), "Cannot register Half: its 'sample' lacks"),
        (Sized, "Cannot register Sized: its class Sized requires constructor arguments"),
        (object(), "Cannot register object: its 'card' must be a zoo.Card, got None"),
    ):
        with pytest.raises(zoo.PluginError, match=reason):
            registry.register(plugin)
    assert registry.registered() == []


def test_an_unknown_group_is_refused_with_the_nearest(coins):
    registry = zoo.Registry()
    match = "No plugin group 'zoo.models.model'. Did you mean 'zoo.models'. Groups: zoo.models, zoo.densities"
    for act in (lambda: registry.register(coins, "zoo.models.model"), lambda: registry.candidates("zoo.models.model")):
        with pytest.raises(zoo.ConfigError, match=match):
            act()


# Installed


def test_finding_imports_nothing_and_loading_does(distribution):
    module = distribution()
    registry = zoo.Registry()
    found = registry.find("coins")
    assert isinstance(found, Candidate)
    assert registry.find("zoo-coins/coins") is found
    assert module not in sys.modules
    assert registry.plugin("coins") is found.load()
    assert module in sys.modules


def test_candidates_are_sorted_and_names_are_of_installed_and_registered_plugins(distribution, coins):
    distribution("zoo-b", entry="zebra")
    distribution("zoo-a", entry="zebra")
    distribution("zoo-c", entry="aardvark")
    registry = zoo.Registry()
    registry.register(coins)
    mine = {"aardvark", "elsewhere", "coins", "zebra"}
    candidates = [each.qualified for each in registry.candidates() if each.name in mine]
    assert candidates == ["zoo-c/aardvark", "zoo-coins/elsewhere", "zoo-a/zebra", "zoo-b/zebra"]
    assert [name for name in registry.names() if name in mine] == sorted(mine)


def test_a_registry_without_entry_points_sees_nothing_installed(distribution, catalogue):
    distribution()
    registry = zoo.Registry(catalogue=catalogue, entry_points=False)
    assert registry.names() == registry.names("zoo.datasets") == []
    assert _listing(registry, "coins").status == "available"


def test_an_install_in_this_process_shows_after_refresh(distribution):
    registry = zoo.Registry()
    assert "coins" not in registry.names()
    distribution()
    assert "coins" not in registry.names()
    registry.refresh()
    assert "coins" in registry.names()


# Unknown names


def test_an_unknown_name_is_answered_with_the_nearest_the_installed_and_the_catalogue(catalogue, coins):
    registry = zoo.Registry(catalogue=catalogue, entry_points=False)
    with pytest.raises(zoo.ConfigError) as caught:
        registry.plugin("coin")
    assert str(caught.value) == (
        "No model named 'coin' is installed. Did you mean 'coins'? In the catalogue: coins (zoo install NAME)."
    )
    with pytest.raises(zoo.ConfigError) as caught:
        registry.plugin("coins")
    assert str(caught.value) == ("No model named 'coins' is installed. It is in the catalogue: zoo install coins.")
    registry.register(coins)
    with pytest.raises(zoo.ConfigError) as caught:
        registry.plugin("q")
    assert str(caught.value) == "No model named 'q' is installed. Installed: coins."


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("zoo.models", "model"),
        ("zoo.densities", "latent density"),
        ("zoo.datasets", "data set"),
        ("zoo.metrics", "metric"),
        ("zoo.extensions", "extension"),
        ("zoo.controls", "control"),
    ],
)
def test_what_is_missing_is_called_by_its_kind(group, kind):
    with pytest.raises(zoo.ConfigError, match=f"^No {kind} named 'q' is installed"):
        zoo.Registry(entry_points=False).plugin("q", group)


# Controls


def test_a_control_is_found_in_its_own_group_only():
    registry = zoo.Registry()
    names = registry.names("zoo.controls")
    assert {"mean", "noise", "pixels", "mixture", "ppca", "memoriser"} <= set(names)
    assert not set(names) & (set(registry.names()) | {listing.name for listing in registry.list_models()})
    assert registry.plugin("ppca", "zoo.controls") is registry.plugin("genzoo/ppca", "zoo.controls")


@pytest.mark.parametrize("name", ["ppca", "genzoo/ppca"])
def test_a_control_in_the_place_of_a_model_is_called_one(name):
    for act in (zoo.Registry().find, zoo.Registry().plugin):
        with pytest.raises(zoo.ConfigError) as caught:
            act(name)
        assert str(caught.value) == (f"{name!r} is a control, not a model; it is a row of 'zoo compare --full'.")


def test_a_model_may_have_the_name_of_a_control_and_each_loads_its_own_files(distribution, tmp_path):
    then = "import dataclasses\nIndependentPixels.card = dataclasses.replace(IndependentPixels.card, name='ppca')"
    distribution("zoo-noise", entry="ppca", then=then)
    registry = zoo.Registry()
    assert registry.plugin("ppca").qualified == "zoo-noise/ppca"
    assert registry.plugin("ppca", "zoo.controls").qualified == "genzoo/ppca"
    assert [(each.distribution, each.status) for each in registry.list_models("ppca")] == [("zoo-noise", "installed")]
    assert registry.info("ppca")["tier"] == "third party"
    registry.train("ppca", steps=1, folder=tmp_path / "model")
    controls = Contestant("control:ppca", "ppca", group="zoo.controls")
    control = create(registry, controls, zoo.DataSpec((8, 8), "unit"), 0)
    control.save(tmp_path / "control.safetensors")
    assert registry.load(tmp_path / "model").plugin is registry.plugin("ppca")
    assert registry.load(tmp_path / "control.safetensors").plugin is registry.plugin("ppca", "zoo.controls")


def test_extensions_wrap_controls_too(distribution, monkeypatch):
    monkeypatch.delenv("ZOO_NO_EXTENSIONS", raising=False)
    source = """
import zoo
class Idle:
    card = zoo.ExtensionCard(name="idle", summary="changes nothing")
    @zoo.hookimpl(wrapper=True)
    def sample(self): return (yield)
"""
    distribution("zoo-idle", source=source, entry="idle", target="Idle", group="zoo.extensions")
    (extension,) = zoo.Registry().plugin("ppca", "zoo.controls").extensions
    assert extension.qualified == "zoo-idle/idle"


# Listings


def test_a_listing_takes_the_catalogues_summary_for_its_own_package_only(distribution, catalogue):
    distribution()
    listing = _listing(zoo.Registry(catalogue=catalogue), "coins")
    assert (listing.status, listing.distribution, listing.version) == ("installed", "zoo-coins", "1.0")
    assert listing.summary == "coins, says the catalogue"


def test_a_stranger_with_a_catalogued_name_is_listed_with_its_own_summary(distribution, catalogue):
    distribution("zoo-stranger")
    registry = zoo.Registry(catalogue=catalogue)
    assert _listing(registry, "coins").summary == "zoo-stranger for a test"
    assert registry.info("coins")["tier"] == "third party"


def test_every_status_of_a_listing(distribution, catalogue, coins):
    registry = zoo.Registry(catalogue=catalogue)
    assert _listing(registry, "coins").status == "available"
    registry.register(coins)
    distribution("zoo-old", entry="old", requires=("genzoo>99",))
    distribution("zoo-bad", entry="bad", then="1 / 0")
    distribution("zoo-a", entry="twice")
    distribution("zoo-b", entry="twice", requires=("genzoo>99",))
    registry.refresh()
    with pytest.raises(zoo.PluginError, match="ZeroDivisionError"):
        registry.plugin("bad")
    names = ("coins", "elsewhere", "old", "bad", "twice")
    listed = [(each.name, each.status) for each in registry.list_models() if each.name in names]
    assert set(listed) == {
        ("bad", "broken"),
        ("elsewhere", "installed"),
        ("old", "incompatible"),
        ("coins", "available"),
        ("coins", "registered"),
        ("twice", "ambiguous"),
        ("twice", "incompatible"),
    }
    assert _listing(registry, "bad").reason == "ZeroDivisionError: division by zero"


# Info


def test_info_of_a_catalogued_model_says_how_to_install_it(catalogue):
    facts = zoo.Registry(catalogue=catalogue, entry_points=False).info("coins")
    assert (facts["status"], facts["install"]) == ("available", "zoo install coins")
    assert (facts["summary"], facts["paper"]) == ("coins, says the catalogue", "folklore")


@pytest.mark.parametrize("name", ["coins", "zoo-coins/coins"])
def test_info_of_an_installed_model_is_its_card_with_every_setting(distribution, catalogue, name):
    distribution()
    facts = zoo.Registry(catalogue=catalogue).info(name)
    training = facts.pop("training")
    assert facts == {
        "name": "coins",
        "summary": "every pixel a coin of its own",
        "status": "installed",
        "distribution": "zoo-coins",
        "version": "1.0",
        "tier": "official",
        "paper": "",
        "trains_on": "bits",
        "latent": None,
        "samples": "means",
        "likelihood": "yes",
        "config": [
            {
                "name": "smoothing",
                "type": "float",
                "default": 1.0,
                "bounds": "> 0, <= 10",
                "description": "pseudo-count of each value",
            }
        ],
        "options": [],
        "search": {"smoothing": "0.1 to 10, log"},
    }
    assert [row["name"] for row in training] == ["batch_size"]  # all that a fit of its own is told


def test_info_shows_every_training_setting_of_a_model_that_heeds_it():
    training = zoo.Registry().info("vae")["training"]
    rows = {row["name"]: (row["type"], row["default"], row["bounds"]) for row in training}
    assert rows["optimiser"] == ("adam | adamw | sgd", "adam", "")
    assert rows["average"] == ("float", 0.0, ">= 0, < 1")


def test_info_of_a_registered_model(coins):
    registry = zoo.Registry(entry_points=False)
    registry.register(coins)
    assert registry.info("coins")["status"] == "registered"


def test_info_of_two_models_with_one_name_is_refused(distribution):
    distribution()
    distribution("zoo-rival")
    with pytest.raises(zoo.PluginError, match="Two distributions have a model named 'coins'; say which: zoo-coins/"):
        zoo.Registry().info("coins")


def test_filters_leave_out_what_is_known_to_differ_and_keep_what_is_not_known(distribution):
    distribution()
    registry = zoo.Registry()

    def names(*pattern, **filters):
        return {each.name for each in registry.list_models(*pattern, **filters)}

    assert names("v*") == {"vae", "vqvae"}
    assert names(latent="index") == {"vqvae", "coins"}  # nothing is known of coins before it is loaded
    assert names(likelihood=False) == {"gan", "sklearn-rbm", "coins"}
    assert {each.latent for each in registry.list_models("coins")} == {"?"}
    registry.plugin("coins")
    assert {each.latent for each in registry.list_models("coins")} == {"none"}
    assert names(latent="index") == {"vqvae"}
    assert names(trains_on="bits") == {"rbm", "sklearn-rbm", "vae", "made", "vqvae", "dbn", "coins"}


@pytest.mark.parametrize(
    ("filters", "match"),
    [
        (
            {"latent": "foo"},
            "latent must be one of 'real', 'bits', 'index', 'none', or None .* got 'foo'",
        ),
        ({"trains_on": "gray"}, "trains_on must be one of 'grey', 'bits', 'real', or None .* got 'gray'"),
        ({"likelihood": "yes"}, "likelihood must be one of True, False, or None .* got 'yes'"),
    ],
)
def test_a_filter_that_no_model_could_meet_is_refused(filters, match):
    with pytest.raises(zoo.ConfigError, match=match):
        zoo.list_models(**filters)


def test_the_filters_are_the_kinds_that_cards_have():
    assert FILTERS["trains_on"] == get_args(TrainsOn)
    assert FILTERS["latent"] == (*get_args(Latent), "none")
