"""What pluggy accepts and the zoo refuses, each from a distribution that is really installed."""

from __future__ import annotations

import re
import sys
from textwrap import dedent

import pytest
import torch

import zoo
from zoo.contract.hookspecs import GROUPS, ModelHooks
from zoo.plugins.plugin import Candidate, Plugin, discover


def _candidate(name="coins", group="zoo.models"):
    return next(each for each in discover()[group] if each.name == name)


def _refused(distribution, then="", match="", **settings) -> Candidate:
    """Install a broken copy of the plugin, load it, and see it refused with `match`."""
    distribution(then=dedent(then), **settings)
    candidate = _candidate(settings.get("entry", "coins"))
    with pytest.raises(zoo.PluginError, match=match) as caught:
        candidate.load()
    assert "zoo-coins 1.0" in str(caught.value)
    assert "'zoo doctor' shows the traceback" in str(caught.value)
    assert "pip uninstall zoo-coins" in str(caught.value)
    assert candidate.state == "broken"
    return candidate


# The good plugin, which every case below breaks in one place


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            "training=zoo.Training(batch_size=8, learning_rate=0.1, clip=1.0)",
            "sets training.learning_rate, training.clip",
        ),
        ("phases=(zoo.Phase('one'),)", "has phases, but its own 'fit' trains the model"),
    ],
)
def test_a_card_of_a_plugin_with_a_fit_says_nothing_of_an_optimiser(distribution, change, match):
    then = f"import dataclasses\nIndependentPixels.card = dataclasses.replace(IndependentPixels.card, {change})"
    _refused(distribution, then=then, match=match)


def test_a_card_of_a_plugin_with_a_fit_may_set_the_batch_size(distribution):
    then = "import dataclasses\ntraining = zoo.Training(batch_size=8)\n"
    then += "IndependentPixels.card = dataclasses.replace(IndependentPixels.card, training=training)"
    distribution(then=then)
    assert _candidate().load().card.training.batch_size == 8


def test_a_whole_plugin_loads_and_answers_through_its_hooks(distribution):
    distribution()
    plugin = _candidate().load()
    train = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    model = plugin.hooks.build(config=plugin.card.config(), data=zoo.DataSpec((2,), "bits"))
    plugin.hooks.fit(model=model, train=train, valid=train, generator=None, budget=None, y=None, valid_y=None)
    assert model.p.tolist() == [0.75, 0.5]
    (answer,) = plugin.hooks.log_prob(model=model, x=train, generator=None, options=None, prior=None, y=None)
    assert answer.nats.exp().tolist() == pytest.approx([0.375, 0.375])
    with pytest.raises(zoo.Unsupported, match="no code"):
        plugin.hooks.encode(model=model, x=train, generator=None, y=None)


def test_discovery_reads_name_version_and_summary_and_imports_nothing(distribution):
    module = distribution(then="raise SystemExit('imported')")
    found = _candidate()
    assert (found.name, found.distribution, found.version) == ("coins", "zoo-coins", "1.0")
    assert (found.value, found.summary) == (f"{module}:IndependentPixels", "zoo-coins for a test")
    assert (found.state, found.qualified) == ("discovered", "zoo-coins/coins")
    assert module not in sys.modules


def test_loading_twice_gives_the_same_plugin(distribution):
    distribution()
    candidate = _candidate()
    assert candidate.load() is candidate.load()
    assert candidate.state == "loaded"


def test_a_plugin_says_where_it_comes_from(distribution):
    distribution()
    installed = _candidate().load()
    assert (installed.source, installed.qualified) == ("'coins' (zoo-coins 1.0)", "zoo-coins/coins")
    registered = Plugin(installed.instance, "zoo.models")
    assert (registered.source, registered.qualified) == ("'coins' (registered in this process)", "coins")


def test_a_plugin_knows_its_hooks_and_the_arguments_that_each_asks_for(distribution):
    distribution()
    plugin = _candidate().load()
    implemented = [name for name in vars(ModelHooks) if not name.startswith("_") and name != "required"]
    assert [name for name in implemented if not plugin.implements(name)] == [
        "initialise",
        "loss",
        "sample_codes",
        "sample_path",
        "log_prob_codes",
        "diagnose",
    ]
    assert plugin.names("log_prob", "x")
    assert not plugin.names("log_prob", "prior")


def test_no_plugin_answers_for_another(distribution):
    distribution()
    distribution(
        "zoo-silent",
        entry="silent",
        target="Silent",
        then=dedent("""
            import dataclasses
            class Silent(IndependentPixels):
                card = dataclasses.replace(IndependentPixels.card, name="silent")
            del IndependentPixels.log_prob
        """),
    )
    silent, coins = _candidate("silent").load(), _candidate().load()
    assert coins.implements("log_prob")
    assert not silent.implements("log_prob")
    assert silent.hooks.log_prob(model=None, x=None, generator=None, options=None, prior=None, y=None) is None


# Import


@pytest.mark.parametrize(
    ("then", "match"),
    [
        ("import no_such_module", r"ModuleNotFoundError: No module named 'no_such_module'\."),
        ("def (", "SyntaxError: "),
        ("raise ValueError", r"is broken: ValueError\. "),
        ("raise BaseException('no luck')", r"is broken: BaseException: no luck\. "),
        ("raise GeneratorExit", r"is broken: GeneratorExit\. "),
        ("import sys; sys.exit(3)", r"it called sys\.exit\(3\) while it was imported"),
        ("class IndependentPixels:\n    def __init__(self): exit('no')", r"it called sys\.exit\('no'\)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_broken_and_keeps_its_traceback(distribution, then, match):
    candidate = _refused(distribution, then, match)
    assert "throw_away_1.py" in candidate.traceback


def test_an_interrupt_during_the_import_is_the_users_and_breaks_nothing(distribution):
    distribution(then="raise KeyboardInterrupt")
    candidate = _candidate()
    with pytest.raises(KeyboardInterrupt):
        candidate.load()
    assert candidate.state == "discovered"


def test_a_broken_plugin_gives_the_same_answer_again(distribution):
    candidate = _refused(distribution, "raise ValueError('once')", "once")
    with pytest.raises(zoo.PluginError, match="is broken: ValueError: once. "):
        candidate.load()


# What the entry point names


@pytest.mark.parametrize("target", ["IndependentPixels", "plugin", "Home.plugin", "plugin [extra]"])
def test_an_entry_point_may_name_a_class_or_an_instance(distribution, target):
    then = "plugin = IndependentPixels()\nclass Home:\n    plugin = plugin"
    module = distribution(target=target, then=then)
    instance = _candidate().load().instance
    assert type(instance) is sys.modules[module].IndependentPixels
    assert (instance is sys.modules[module].plugin) == (target != "IndependentPixels")


@pytest.mark.parametrize(
    ("target", "match"),
    [
        ("IndependentPixel", "names 'IndependentPixel', which throw_away_1 does not have"),
        ("IndependentPixels.plugin", "names 'plugin', which throw_away_1.IndependentPixels does not have"),
        ("plugin.model", r"names 'model', which throw_away_1\.plugin does not have"),
        ("torch", "'card' must be a zoo.Card, got None"),
    ],
)
def test_an_entry_point_that_names_nothing_of_use_is_refused(distribution, target, match):
    _refused(distribution, "plugin = IndependentPixels()", match, target=target)


def test_an_entry_point_without_an_attribute_is_refused(distribution, site):
    module = distribution()
    (site / "zoo_coins-1.0.dist-info" / "entry_points.txt").write_text(f"[zoo.models]\ncoins = {module}\n")
    with pytest.raises(
        zoo.PluginError, match=f"entry point '{module}' does not name an attribute; write '{module}:NAME'"
    ):
        _candidate().load()


@pytest.mark.parametrize(
    ("constructor", "match"),
    [
        ("def __init__(self, size): ...", "class Broken requires constructor arguments"),
        ("def __init__(self, *, size): ...", "class Broken requires constructor arguments"),
        ("def __init__(self): raise OSError('no licence file')", "OSError: no licence file"),
        ("def __init__(self): raise TypeError('one inside')", "TypeError: one inside"),
    ],
)
def test_a_class_that_cannot_be_made_without_arguments_is_refused(distribution, constructor, match):
    _refused(distribution, f"class Broken(IndependentPixels):\n    {constructor}", match, target="Broken")


def test_a_constructor_with_defaults_is_taken(distribution):
    then = "class Sized(IndependentPixels):\n    def __init__(self, size=3): self.size = size"
    distribution(then=then, target="Sized")
    assert _candidate().load().instance.size == 3


# Hooks

BROKEN_HOOKS = {
    "misspelt": ("@zoo.hookimpl\ndef log_probs(self, model, x): ...", "'log_probs', which is not a hook.*'log_prob'"),
    "misspelt, private": (
        "@zoo.hookimpl\ndef _initialise(self): ...",
        "'_initialise', which is not a hook.*'initialise'",
    ),
    "hook of another group": ("@zoo.hookimpl\ndef measure(self, evaluation): ...", "'measure', which is not a hook of"),
    "unknown argument": (
        "@zoo.hookimpl\ndef sample(self, model, count): ...",
        "'sample' asks for 'count', which the hook does not offer.*Offered: model, n, generator, options, y",
    ),
    "misspelt argument": (
        "@zoo.hookimpl\ndef sample(self, model, n, generater): ...",
        "asks for 'generater', .* Did you mean 'generator'",
    ),
    "default": (
        "@zoo.hookimpl\ndef encode(self, model, x, generator=None): ...",
        "'encode' gives 'generator' a default, but named arguments are always passed",
    ),
    "keyword-only": (
        "@zoo.hookimpl\ndef encode(self, model, *, x): ...",
        "'encode' has the keyword-only argument 'x'",
    ),
    "*args": ("@zoo.hookimpl\ndef encode(self, *args): ...", r"'encode' takes \*args; name the arguments: model, x"),
    "**kwargs": ("@zoo.hookimpl\ndef encode(self, model, **kwargs): ...", r"'encode' takes \*\*kwargs; name the"),
    "specname": (
        "@zoo.hookimpl(specname='initialise')\ndef start(self, model, train): ...",
        "'start' uses specname; name the method after the hook",
    ),
    "generator function": ("@zoo.hookimpl\ndef sample(self, n):\n    yield n", "'sample' is a generator or coroutine"),
    "coroutine": ("@zoo.hookimpl\nasync def sample(self, n): ...", "'sample' is a generator or coroutine function"),
    "asynchronous generator": (
        "@zoo.hookimpl\nasync def sample(self, n):\n    yield n",
        "'sample' is a generator or coroutine function",
    ),
    "wrapper": ("@zoo.hookimpl(wrapper=True)\ndef sample(self): return (yield)", "'sample' is a wrapper"),
    "old wrapper": ("@zoo.hookimpl(hookwrapper=True)\ndef sample(self): yield", "'sample' is an old-style hookwrapper"),
    "override without the decorator": (
        "def log_prob(self, model, x): ...",
        "'log_prob' lacks the decorator @zoo.hookimpl, so it would never be called",
    ),
    "never decorated": ("def initialise(self, model): ...", "'initialise' lacks the decorator @zoo.hookimpl"),
    "decorator around staticmethod": (
        "@zoo.hookimpl\n@staticmethod\ndef sample(model, n): ...",
        "'sample' lacks the decorator @zoo.hookimpl",
    ),
    "a value in the place of a hook": ("log_prob = 0.0", "'log_prob' lacks the decorator @zoo.hookimpl"),
    "both loss and fit": ("@zoo.hookimpl\ndef loss(self, model, x): ...", "both 'loss' and 'fit'"),
}


@pytest.mark.parametrize(("body", "match"), BROKEN_HOOKS.values(), ids=BROKEN_HOOKS)
def test_a_hook_that_would_not_be_called_as_its_author_believes_is_refused(distribution, body, match):
    indented = body.replace("\n", "\n    ")
    candidate = _refused(distribution, f"class Broken(IndependentPixels):\n    {indented}", match, target="Broken")
    assert candidate.traceback == ""


@pytest.mark.parametrize("hook", ModelHooks.required)
def test_a_model_without_a_required_hook_is_refused(distribution, hook):
    _refused(distribution, f"del IndependentPixels.{hook}", f"is broken: it lacks the hook '{hook}'. ")


def test_all_missing_hooks_are_named_at_once(distribution):
    then = "del IndependentPixels.encode, IndependentPixels.fit, IndependentPixels.sample"
    _refused(distribution, then, "it lacks the hook 'encode' and 'sample' and 'loss' or 'fit'")


def test_a_model_with_loss_instead_of_fit_is_taken(distribution):
    distribution(
        target="Gradual",
        then=dedent("""
            class Gradual(IndependentPixels):
                @zoo.hookimpl
                def loss(self, model, x): ...
            del IndependentPixels.fit
        """),
    )
    plugin = _candidate().load()
    assert plugin.implements("loss")
    assert not plugin.implements("fit")


@pytest.mark.parametrize(
    "hook",
    [
        "@staticmethod\n@zoo.hookimpl\ndef encode(model, x): return x + 1",
        "@classmethod\n@zoo.hookimpl\ndef encode(cls, model, x): return x + 1",
        "@zoo.hookimpl\n@torch.no_grad()\ndef encode(self, model, x): return x + 1",
        "@torch.no_grad()\n@zoo.hookimpl\ndef encode(self, model, x): return x + 1",
        "@zoo.hookimpl\ndef encode(self, x, /): return x + 1",
        "def __init__(self): self.encode = zoo.hookimpl(lambda x: x + 1)",
    ],
)
def test_every_ordinary_way_to_write_a_method_is_called_with_what_it_names(distribution, hook):
    indented = hook.replace("\n", "\n    ")
    distribution(then=f"class Other(IndependentPixels):\n    {indented}", target="Other")
    assert _candidate().load().hooks.encode(model=None, x=1, generator=None, y=None) == 2


def test_none_takes_an_inherited_hook_away(distribution):
    distribution(then="class Silent(IndependentPixels):\n    log_prob = None", target="Silent")
    plugin = _candidate().load()
    assert plugin.implements("sample")
    assert not plugin.implements("log_prob")


def test_no_property_of_a_plugin_is_executed(distribution):
    distribution(
        target="Careful",
        then=dedent("""
            import functools
            class Careful(IndependentPixels):
                @property
                def weights(self): raise RuntimeError("the property was executed")
                @functools.cached_property
                def table(self): raise RuntimeError("the cached property was executed")
        """),
    )
    assert _candidate().load().implements("sample")


# Cards


@pytest.mark.parametrize(
    ("card", "match"),
    [
        ("del IndependentPixels.card", "its 'card' must be a zoo.Card, got None"),
        ("IndependentPixels.card = {'name': 'coins'}", "its 'card' must be a zoo.Card, got {'name': 'coins'}"),
        ("IndependentPixels.card = property(lambda self: 1 / 0)", "must be a zoo.Card, got <property object"),
        (
            "IndependentPixels.card = zoo.DensityCard(name='coins', summary='')",
            "its 'card' must be a zoo.Card, got DensityCard",
        ),
        (
            "import dataclasses\nIndependentPixels.card = dataclasses.replace(IndependentPixels.card, name='coin')",
            "its entry point is named 'coins', but its card 'coin'; make them equal",
        ),
        (
            "import dataclasses\nIndependentPixels.card = dataclasses.replace(IndependentPixels.card, latent='reals')",
            "ValueError: latent must be one of 'real', 'bits', 'index', None, got 'reals'",
        ),
    ],
)
def test_a_plugin_without_the_right_card_is_refused(distribution, card, match):
    _refused(distribution, card, match)


@pytest.mark.parametrize(
    ("group", "card", "hooks"),
    [
        ("zoo.densities", "DensityCard(name='coins', summary='')", ("fit", "sample", "log_prob")),
        ("zoo.datasets", "DatasetCard(name='coins', summary='')", ("load",)),
        ("zoo.metrics", "MetricCard(name='coins', title='', summary='', direction='none')", ("measure",)),
    ],
)
def test_every_group_has_its_own_card_and_required_hooks(distribution, group, card, hooks):
    lines = ["import zoo", "class Thing:", f"    card = zoo.{card}"]
    for hook in hooks:
        lines += ["    @zoo.hookimpl", f"    def {hook}(self): return {hook!r}"]
    distribution(source="\n".join(lines), target="Thing", group=group)
    plugin = _candidate(group=group).load()
    assert [name for name in GROUPS[group].required if not plugin.implements(name)] == []

    distribution("zoo-empty", source="\n".join(lines[:3]), target="Thing", group=group, entry="empty")
    missing = " and ".join(f"'{hook}'" for hook in hooks)
    with pytest.raises(zoo.PluginError, match=f"it lacks the hook {missing}"):
        _candidate("empty", group).load()

    distribution("zoo-model", group=group, entry="model")
    with pytest.raises(zoo.PluginError, match=f"'card' must be a zoo.{card.partition('(')[0]}, got Card"):
        _candidate("model", group).load()


# Requirements


@pytest.mark.parametrize(
    "requirement",
    ["genzoo>=99", "genzoo <0.1", "genzoo[models]>=99", "genzoo (>=99)", "genzoo==0.1.1", "GenZoo>=99"],
)
def test_a_plugin_for_another_core_is_incompatible_and_never_imported(distribution, requirement):
    module = distribution(requires=("torch>=2", requirement), then="raise RuntimeError('imported')")
    candidate = _candidate()
    assert candidate.state == "incompatible"
    with pytest.raises(zoo.PluginError, match=rf"is incompatible: it needs genzoo.*this is genzoo {zoo.__version__}"):
        candidate.load()
    assert module not in sys.modules
    assert candidate.state == "incompatible"


@pytest.mark.parametrize(
    "requirement",
    [
        "genzoo",
        f"genzoo=={zoo.__version__}",
        "genzoo[models]>=0.1,<0.2",
        "genzoo>=0.1.0.dev1",
        "genzoo>=99; extra == 'test'",
        "genzoo>=99; python_version < '3'",
        "genzoo-tools>=99",
        "genzoo.tools>=99",
        "genzoo2>=99",
        "torch",
    ],
)
def test_a_requirement_that_does_not_concern_this_core_leaves_the_plugin_usable(distribution, requirement):
    distribution(requires=(requirement,))
    assert _candidate().load().card.name == "coins"


def test_a_core_under_development_meets_the_range_that_it_lies_in(distribution, monkeypatch):
    monkeypatch.setattr("zoo.version.__version__", "0.2.0.dev1")
    distribution(requires=("genzoo>=0.1,<0.3",))
    assert _candidate().load().card.name == "coins"


def test_a_marker_that_applies_counts(distribution):
    distribution(requires=("genzoo>=99; python_version > '3'",))
    assert _candidate().state == "incompatible"


def test_a_requirement_that_cannot_be_read_is_said(distribution):
    distribution(requires=("genzoo>>1",))
    assert _candidate().reason == "its requirement 'genzoo>>1' is invalid"


# Several distributions


def test_one_broken_plugin_leaves_the_others_usable(distribution):
    distribution()
    distribution("zoo-bad", entry="bad", then="raise SystemExit")
    distribution("zoo-old", entry="old", requires=("genzoo<0.0.1",))
    registry = zoo.Registry()
    with pytest.raises(zoo.PluginError, match=r"'bad' of zoo-bad 1\.0 is broken: it called sys\.exit"):
        registry.plugin("bad")
    with pytest.raises(zoo.PluginError, match=r"'old' of zoo-old 1\.0 is incompatible: .* Install a version"):
        registry.plugin("old")
    assert registry.plugin("coins").card.name == "coins"
    assert {"bad", "old", "coins"} <= set(registry.names())
    states = {listing.name: listing.status for listing in registry.list_models()}
    assert (states["bad"], states["old"], states["coins"]) == ("broken", "incompatible", "installed")


def test_a_name_of_two_distributions_is_refused_naming_both_and_each_is_had_by_its_full_name(distribution):
    distribution()
    distribution("zoo-rival")
    registry = zoo.Registry()
    both = re.escape("say which: zoo-coins/coins or zoo-rival/coins.")
    with pytest.raises(zoo.PluginError, match=f"Two distributions have a model named 'coins'; {both}"):
        registry.plugin("coins")
    first, second = registry.plugin("zoo-coins/coins"), registry.plugin("zoo-rival/coins")
    assert (first.distribution, second.distribution) == ("zoo-coins", "zoo-rival")
    assert type(first.instance) is not type(second.instance)
    statuses = [(each.status, each.reason) for each in registry.list_models() if each.name == "coins"]
    assert statuses == [("ambiguous", "use zoo-coins/coins"), ("ambiguous", "use zoo-rival/coins")]


@pytest.mark.parametrize(
    ("line", "met"),
    [
        ("genzoo", True),
        ("genzoo>=0.1,<0.2", True),
        ("genzoo (>=0.1)", True),
        ("genzoo>=0.1.0.0", True),
        ("genzoo<0.1", False),
        ("genzoo<0.1.1", True),
        ("genzoo>=0.1.1", False),
        ("genzoo>=0.1rc1", False),
        ("genzoo==0.1", False),
        ("genzoo>=0.1; python_version < '3'", False),
        ("genzoo[models]>=0.1", False),
    ],
)
def test_the_short_way_to_a_met_requirement_agrees_with_packaging_and_says_no_when_in_doubt(line, met):
    from packaging.requirements import Requirement

    from zoo.plugins.plugin import _plainly_met

    assert _plainly_met(line) is met
    if met:
        assert Requirement(line).specifier.contains(zoo.__version__, prereleases=True)
