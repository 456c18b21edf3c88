"""The catalogue is checked by hand, so every rule has a file that breaks it."""

from __future__ import annotations

import importlib
import inspect
import re
import tomllib
from typing import get_args

import pytest

from zoo.api import Registry
from zoo.conformance.claim import claims
from zoo.contestant import parse_contestant
from zoo.contract.data_spec import DataSpec, Support
from zoo.contract.hookspecs import GROUPS, MODELS, ModelHooks
from zoo.errors import ConfigError, Unsupported
from zoo.plugins.catalogue import SHIPPED, DefaultComparison, Release, read_catalogue

TREE = SHIPPED.resolve().parent
SOURCES = [str(each.parent.relative_to(TREE)) for each in sorted(TREE.glob("*/zoo-*/pyproject.toml"))]
COMPARE = '[compare]\ncontestants = ["made"]\ndata = "digits"\nseeds = 3\n'
MADE = """[[plugin]]
name = "made"
group = "zoo.models"
package = "zoo-made"
entry_point = "zoo_made.plugin:MADE"
summary = "masked autoencoder"
tier = "community"
requires_core = ">=0.1"
requires_python = ">=3.11"
licence = "MIT"
"""
NAME, QUOTED = 'name = "made"', 'name = "{}"'
DIGEST = "ab" * 32
PUBLISHED = "published = true\n"
FOLDER = """[[plugin.release]]
version = "1.0"
source = "plugins/zoo-made"
"""


def _read(tmp_path, text):
    path = tmp_path / "registry.toml"
    path.write_text(text, encoding="utf-8")
    return read_catalogue(path)


def test_a_catalogue_is_read_whole(tmp_path):
    catalogue = _read(tmp_path, f'schema = 1\n{COMPARE}{MADE}likelihood = true\npaper = "arXiv:1502.03509"\n')
    (made,) = catalogue.entries
    assert (made.name, made.package, made.entry_point) == ("made", "zoo-made", "zoo_made.plugin:MADE")
    assert (made.likelihood, made.paper, made.latent) == ("yes", "arXiv:1502.03509", "")
    assert catalogue.compare == DefaultComparison(["made"], "digits", 3)
    assert catalogue.find("made") is made
    assert catalogue.find("made", "zoo.densities") is None
    assert catalogue.find("zoo-made") is None


@pytest.mark.parametrize(("value", "read"), [("true", "yes"), ("false", "no"), ("'declared'", "declared"), ("", "no")])
def test_a_likelihood_may_depend_on_a_declared_noise(tmp_path, value, read):
    line = f"likelihood = {value}\n" if value else ""
    (made,) = _read(tmp_path, f"schema = 1\n{COMPARE}{MADE}{line}").entries
    assert made.likelihood == read


def test_the_likelihood_of_the_autoencoders_has_to_be_declared():
    entries = read_catalogue().entries
    assert [entry.name for entry in entries if entry.likelihood == "declared"] == ["ae", "wae", "rae"]
    registry = Registry()
    assert registry.info("ae")["likelihood"] == "declared"
    assert "ae" in {each.name for each in registry.list_models(likelihood=True)}
    assert "ae" not in {each.name for each in registry.list_models(likelihood=False)}


def test_a_catalogue_may_list_no_plugin(tmp_path):
    assert _read(tmp_path, f"schema = 1\n{COMPARE}").entries == ()


def test_one_name_may_stand_in_two_groups(tmp_path):
    catalogue = _read(tmp_path, f"schema = 1\n{COMPARE}{MADE}{MADE.replace('zoo.models', 'zoo.densities')}")
    assert [entry.group for entry in catalogue.entries] == ["zoo.models", "zoo.densities"]
    assert catalogue.find("made", "zoo.densities") is catalogue.entries[1]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("schema = ", "must be TOML"),
        (COMPARE + MADE, r"must have schema = 1, got None"),
        (f"schema = 2\n{COMPARE}", r"must have schema = 1, got 2; update zoo"),
        (f"schema = 1\nplugins = []\n{COMPARE}", "has unknown keys: plugins"),
        (f"schema = 1\nplugin = 3\n{COMPARE}", r"must list its plugins as \[\[plugin\]\]"),
        (f"schema = 1\nplugin = [3]\n{COMPARE}", "plugin 1 of .* must be a table"),
        (f"schema = 1\n{COMPARE}{MADE}{MADE}", "lists twice: made"),
        (f"schema = 1\n{COMPARE}{MADE}{MADE.replace('made', 'nade')}licenze = ''", "plugin 2 .* unknown key 'licenze'"),
        (f"schema = 1\n{COMPARE}{MADE}licenze = ''", "unknown key 'licenze'. Did you mean 'licence'"),
        (f"schema = 1\n{COMPARE}{MADE}likelihood = 1", "likelihood in .* must be true, false or 'declared', got 1"),
        (f"schema = 1\n{COMPARE}{MADE}likelihood = 'yes'", "must be true, false or 'declared', got 'yes'"),
        (f"schema = 1\n{COMPARE}{MADE}published = 1", "published in plugin 1 .* must be a bool, got 1"),
        (f"schema = 1\n{COMPARE}{MADE}paper = 3", "paper in plugin 1 .* must be a str, got 3"),
        (f"schema = 1\n{COMPARE}[[plugin]]\nname = 'made'", "plugin 1 .* is incomplete: .*'group', 'package'"),
        ("schema = 1\n", r"\[compare\] of .* is incomplete: .*'contestants', 'data', and 'seeds'"),
        (f"schema = 1\n{COMPARE.replace('3', 'true')}", r"seeds in \[compare\] .* must be a int, got True"),
        (f"schema = 1\n{COMPARE.replace('3', '0')}", "must list contestants, and seeds must be at least 1"),
        ("schema = 1\n" + COMPARE.replace('["made"]', "[]"), "must list contestants"),
        (
            "schema = 1\n" + COMPARE.replace('["made"]', "[1]"),
            "contestants in .* must be printable text, got 1",
        ),
        (
            f'schema = 1\n{COMPARE}{MADE}paper = "\\u001b[2J"',
            r"paper in .* must be printable text, got '\\x1b",
        ),
        (
            f"schema = 1\n{COMPARE}{MADE.replace('zoo-made', '--pre')}",
            "package in .* must be lower-case .* got '--pre'",
        ),
        (
            f"schema = 1\n{COMPARE}{MADE.replace('zoo-made', 'zoo_Made')}",
            "package in .* must be lower-case .* got 'zoo_M",
        ),
        (
            f"schema = 1\n{COMPARE}{MADE.replace(NAME, QUOTED.format(''))}",
            "name in plugin 1 .* must be lower-case .*; got ''",
        ),
        (
            f"schema = 1\n{COMPARE}{MADE.replace(NAME, QUOTED.format('[b]made'))}",
            r"name in .* must be lower-case .*; got '\[b\]made'",
        ),
        (
            f"schema = 1\n{COMPARE}{MADE.replace(NAME, QUOTED.format('madé'))}",
            "name in .* must be lower-case .*; got 'madé",
        ),
        (
            f"schema = 1\n{COMPARE}{MADE.replace(NAME, QUOTED.format('-made'))}",
            "name in .* must be lower-case .*; got '-made'",
        ),
        (f"schema = 1\n{COMPARE}{MADE.replace('plugin:', 'plugin ')}", "entry_point in .* must be MODULE:NAME; got"),
        (f"schema = 1\n{COMPARE}{MADE.replace('>=0.1', '; a')}", "requires_core in .* must be versions, .*; got '; a'"),
        (f"schema = 1\n{COMPARE}{MADE}superseded_by = '-r x'", "superseded_by in .* must be the name .*; got '-r x'"),
        (f"schema = 1\n{COMPARE}{MADE.replace('zoo.models', 'zoo models')}", "group in .* must be a group of entry"),
        (f"schema = 1\n{COMPARE}# {'x' * 10**6}", "must have at most 1,000,000 bytes; remove old releases"),
        (f"schema = 1\nx = {'[' * 3000}", "must be TOML: maximum recursion depth exceeded"),
        (f"schema = 1\nx = {'1' * 5000}", "must be TOML: Exceeds the limit"),
    ],
)
def test_a_wrong_catalogue_is_refused_naming_the_place(tmp_path, text, match):
    with pytest.raises(ConfigError, match=match) as caught:
        _read(tmp_path, text)
    assert str(tmp_path / "registry.toml") in str(caught.value)


def test_a_catalogue_of_other_bytes_or_of_none_is_refused(tmp_path):
    path = tmp_path / "registry.toml"
    with pytest.raises(ConfigError, match="Cannot read the catalogue .*: No such file"):
        read_catalogue(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="must be TOML: .*utf-8"):
        read_catalogue(path)


def test_the_shipped_catalogue_names_known_groups_and_its_comparison_is_made_of_its_models():
    catalogue = read_catalogue()
    assert {entry.group for entry in catalogue.entries} <= set(GROUPS)
    models = {entry.name for entry in catalogue.entries if entry.group == "zoo.models"}
    assert {parse_contestant(text).model for text in catalogue.compare.contestants} <= models
    controls = {entry.name for entry in catalogue.entries if entry.group == "zoo.controls"}
    assert {*catalogue.compare.controls, *catalogue.compare.table_controls} == controls


@pytest.mark.parametrize("folder", SOURCES)
def test_the_shipped_catalogue_says_of_each_plugin_in_the_tree_what_its_own_metadata_say(folder):
    project = tomllib.loads((TREE / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {(entry.group, entry.name): entry for entry in read_catalogue().entries if entry.package == project["name"]}
    groups = project["entry-points"]
    declared = {(group, name): groups[group][name] for group in groups for name in groups[group]}
    assert {key: entry.entry_point for key, entry in found.items()} == declared
    for entry in found.values():
        assert f"genzoo{entry.requires_core}" in project["dependencies"]
        assert (entry.requires_python, entry.licence) == (project["requires-python"], project["license"])
        assert entry.tier == {"plugins": "official", "examples": "example"}[folder.partition("/")[0]]
        (release,) = entry.releases
        assert (release.version, release.source) == (project["version"], folder)
        if entry.group != "zoo.models":
            assert release.conformance == ""
            continue
        kept = re.fullmatch(
            r"ran (\d+) of \1: (\d+) passed(?:, (\d+) failed as expected)?; (\d+) do not apply", release.conformance
        )
        assert kept, release.conformance
        ran, passed, expected, rest = (int(each or 0) for each in kept.groups())
        assert (ran, ran + rest) == (passed + expected, len(claims()))  # `.ci/run` compares them with new verdicts


def test_releases_are_read_in_their_order_with_what_is_known_of_them(tmp_path):
    index = f"[[plugin.release]]\nversion = '2.0'\nsource = 'index'\nsha256 = '{DIGEST}'\nyanked = 'it forgets'\n"
    catalogue = _read(tmp_path, f"schema = 1\n{COMPARE}{MADE}{PUBLISHED}{FOLDER}{index}{MADE.replace('made', 'nade')}")
    made, nade = catalogue.entries
    expected = (Release("1.0", "plugins/zoo-made"), Release("2.0", "index", DIGEST, "it forgets"))
    assert (made.releases, made.published) == (expected, True)
    assert (nade.releases, nade.published) == ((), False)
    assert catalogue.folder == tmp_path


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("release = 3", r"plugin 1 of .* must list its releases as \[\[plugin.release\]\]"),
        ("release = [3]", "release 1 of plugin 1 of .* must be a table"),
        (FOLDER.replace("source", "sauce"), "release 1 of plugin 1 .* unknown key 'sauce'. Did you mean 'source'"),
        ("[[plugin.release]]\nversion = '1.0'", "release 1 of plugin 1 .* is incomplete: .*'source'"),
        (FOLDER + "sha256 = 'ABCD'", "Release '1.0' in plugin 1 .* has the sha256 'ABCD'; it must be 64 lower"),
        (FOLDER.replace("plugins/zoo-made", "index"), "has the source 'index', which requires published = true"),
        (FOLDER.replace("plugins/zoo-made", "https://example.org/a.whl"), "has an address as source, which requires"),
        (FOLDER.replace("plugins/zoo-made", "http://example.org/a.whl"), "it must be 'index', an https address, or"),
        (FOLDER.replace("plugins/zoo-made", "file:///tmp"), "it must be 'index', an https address, or a folder"),
        (FOLDER.replace("plugins/zoo-made", "/tmp"), "has the source '/tmp'; a folder must be relative, inside"),
        (FOLDER.replace("plugins/zoo-made", "plugins/../.."), "a folder must be relative, inside"),
        (FOLDER.replace("plugins/zoo-made", "plugins\\\\.."), "a folder must be relative, inside"),
        (FOLDER.replace("plugins/zoo-made", "plugins/%2e%2e/x"), "a folder must be relative, inside .* and ASCII"),
        (FOLDER.replace("plugins/zoo-made", "~/zoo-made"), "a folder must be relative, inside .* and ASCII"),
        (FOLDER.replace("plugins/zoo-made", "https://h/a/%2e%2e/b.whl"), "an address must not contain '..'"),
        (FOLDER.replace("1.0", "1.0 --pre"), "version in release 1 .* must be a version, such as 1.0; got '1.0 --pre'"),
        (FOLDER.replace("plugins/zoo-made", ""), "a folder must be relative, inside"),
    ],
)
def test_a_release_that_cannot_be_had_safely_is_refused_naming_the_place(tmp_path, text, match):
    with pytest.raises(ConfigError, match=match):
        _read(tmp_path, f"schema = 1\n{COMPARE}{MADE}{text}")


def test_no_plugin_of_the_shipped_catalogue_claims_to_be_published():
    assert not any(entry.published for entry in read_catalogue().entries)


#: package of the catalogue -> a module that it needs and the suite does without; CI runs this file with all of them
TOOLS = {"zoo-tensorboard": "tensorboardX", "zoo-mlflow": "mlflow", "zoo-zuko": "zuko"}


@pytest.mark.parametrize("entry", read_catalogue().entries, ids=lambda entry: f"{entry.group}-{entry.name}")
def test_the_shipped_catalogue_says_of_each_plugin_what_its_card_and_its_hooks_say(entry, monkeypatch):
    if tool := TOOLS.get(entry.package):
        pytest.importorskip(tool)
    for release in entry.releases:
        monkeypatch.syspath_prepend(TREE / release.source)
    module, _, name = entry.entry_point.partition(":")
    registry = Registry(entry_points=False)
    plugin = registry.register(getattr(importlib.import_module(module), name), entry.group)
    assert (entry.name, entry.paper) == (plugin.card.name, getattr(plugin.card, "paper", ""))
    if entry.group in MODELS:
        card, required = plugin.card, {*ModelHooks.required, "loss", "fit"}
        hooks = [name for name, hook in vars(ModelHooks).items() if inspect.isfunction(hook)]
        assert (entry.latent, entry.trains_on) == (card.latent or "none", card.trains_on_with(card.config()))
        assert entry.capabilities == [hook for hook in hooks if hook not in required and plugin.implements(hook)]
        assert (entry.likelihood != "no") == plugin.implements("log_prob")
        assert entry.supports == [kind for kind in get_args(Support) if _can_be_built(plugin, kind)]


def _can_be_built(plugin, support):
    try:
        plugin.hooks.build(config=plugin.card.config(), data=DataSpec((4,), support))
    except Unsupported:
        return False
    return True
