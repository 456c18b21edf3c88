"""The conformance kit: what is right passes, and each mutant is caught by the check that it is made for."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated

import pytest
import torch
from click.testing import CliRunner
from pydantic import Field

import zoo
from tests import mutants
from tests.mutants import GOOD, MUTANTS, CoinsPlugin
from zoo.api import Registry
from zoo.cli.check import command
from zoo.cli.main import run
from zoo.conformance.check import Outcome, checks, checks_of
from zoo.conformance.claim import Failure
from zoo.conformance.determinism import random_states
from zoo.conformance.learning import energy_distance
from zoo.conformance.subject import Subject
from zoo.conformance.verdict import Verdict, examine

COINS_ON_BITS = "bits of 2×4 (120 training examples, batches of 120"


def only(plugin, name, registry=None):
    """One check of a plugin."""
    return next(check for check in checks(plugin, registry) if check.name == name)


@pytest.fixture(scope="module")
def verdicts():
    return {plugin: examine(plugin) for plugin in GOOD}


@pytest.mark.parametrize("plugin", GOOD)
def test_a_right_plugin_passes_everything(verdicts, plugin):
    verdict = verdicts[plugin]
    assert verdict.passed, [(outcome.check, outcome.reason) for outcome in verdict.of("failed")]
    assert not verdict.refused
    for outcome in verdict.outcomes:
        assert outcome.reason or outcome.status == "passed"
        assert not outcome.traceback


def test_every_check_runs_on_one_of_the_right_plugins(verdicts):
    ran = {outcome.check for verdict in verdicts.values() for outcome in verdict.of("passed")}
    missing = {check.name for check in checks(CoinsPlugin)} - ran
    assert missing <= {
        "a-bracket-is-in-order",
        "the-distribution-names-the-core",
        "a-fresh-process-gives-the-same",
    }


@pytest.mark.parametrize(("mutant", "check"), MUTANTS, ids=[mutant.__name__ for mutant, _ in MUTANTS])
def test_a_mutant_is_caught(mutant, check):
    outcome = only(mutant, check).run()
    assert outcome.status == "failed"
    assert outcome.reason


def test_there_are_many_mutants_of_many_kinds():
    assert len(MUTANTS) >= 25
    groups = {check.group for check in checks(CoinsPlugin) if check.name in {name for _, name in MUTANTS}}
    assert groups == {check.group for check in checks(CoinsPlugin)}


def test_a_failure_that_is_declared_is_expected_and_keeps_its_reason():
    class Declared(mutants.Prints):
        card = dataclasses.replace(CoinsPlugin.card, expected_failures={"nothing-is-printed": "it likes to talk"})

    outcome = only(Declared, "nothing-is-printed").run()
    assert outcome.status == "expected"
    assert outcome.reason.startswith(f"it likes to talk (on {COINS_ON_BITS}; models of 0, 20 and 300 steps): ")


def test_a_declared_failure_that_passes_is_a_failure():
    outcome = only(mutants.AnExpectedFailureThatPasses, "nothing-is-printed").run()
    assert outcome.reason == "declared to fail (it prints), but it passes; remove it from expected_failures"


def test_a_verdict_counts_what_ran_and_lists_the_rest():
    statuses = ("passed", "passed", "failed", "expected", "skipped", "inapplicable")
    outcomes = [Outcome(str(place), "static", "", status) for place, status in enumerate(statuses)]
    verdict = Verdict("coins", "", [], outcomes)
    assert verdict.summary == "ran 4 of 5: 2 passed, 1 failed, 1 failed as expected; 1 skipped; 1 do not apply"
    assert not verdict.passed
    assert Verdict("coins", "", [], outcomes[:2]).summary == "ran 2 of 2: 2 passed"
    assert json.loads(json.dumps(verdict.as_dict()))["checks"][3]["status"] == "expected"


def test_a_mark_gives_a_test_one_check_each_under_its_name():
    mark = checks_of(CoinsPlugin)
    name, parameters = mark.mark.args
    assert name == "check"
    assert [parameter.id for parameter in parameters] == [check.name for check in checks(CoinsPlugin)]
    assert len({parameter.id for parameter in parameters}) == len(parameters)


class TemperatureOptions(zoo.Config):
    temperature: Annotated[float, Field(gt=0, description="of the samples")] = 1.0


def test_options_reach_every_sample_of_the_checks():
    seen = []

    class Observed(mutants.TinyVAEPlugin):
        card = dataclasses.replace(mutants.TinyVAEPlugin.card, options=TemperatureOptions)

        @zoo.hookimpl
        def sample(self, model, n, generator, options):
            seen.append(options.temperature)
            return super().sample(model, n, generator)

    names = {"samples-have-the-shape-of-the-data", "other-shapes-work", "a-loaded-model-gives-the-same"}
    for options, temperature in ((None, 1.0), ({"temperature": 2.0}, 2.0)):
        seen.clear()
        for check in checks(Observed, options=options):
            if check.name in names:
                assert check.run().status == "passed"
        assert set(seen) == {temperature}
    parameters = checks_of(Observed, options={"temperature": 2.0}).mark.args[1]
    case = parameters[0].values[0].subject.cases[0]
    assert case.untrained.options == case.trained.options == {"temperature": 2.0}


def test_wrong_options_of_the_checks_name_the_key():
    outcome = next(check for check in checks(CoinsPlugin, options={"speed": 1}) if check.group == "shapes").run()
    assert outcome.status == "failed"
    assert "no key 'speed'" in outcome.reason


def test_a_check_as_a_test_fails_skips_and_expects_as_pytest_does():
    with pytest.raises(Failure, match=r"Hooks do not print or warn: .*\n.*got 'fitting"):
        only(mutants.Prints, "nothing-is-printed").test()
    with pytest.raises(pytest.skip.Exception, match="it does not implement the hook 'loss'"):
        only(CoinsPlugin, "every-parameter-is-trained").test()

    class Declared(mutants.Prints):
        card = dataclasses.replace(CoinsPlugin.card, expected_failures={"nothing-is-printed": "it likes to talk"})

    with pytest.raises(pytest.xfail.Exception, match="it likes to talk"):
        only(Declared, "nothing-is-printed").test()
    only(CoinsPlugin, "nothing-is-printed").test()


def test_every_check_says_what_it_claims():
    for check in checks(CoinsPlugin):
        assert check.claim.text.endswith("."), check.name
        assert len(check.claim.text) > 30


def test_an_exception_of_a_plugin_is_a_failure_with_its_traceback():
    class Raises(CoinsPlugin):
        @zoo.hookimpl
        def sample(self):
            raise ZeroDivisionError("by zero")

    outcome = only(Raises, "samples-have-the-shape-of-the-data").run()
    assert outcome.status == "failed"
    assert outcome.reason == f"ZeroDivisionError: by zero (on {COINS_ON_BITS}; models of 300 steps))"
    assert "in sample" in outcome.traceback


@pytest.mark.parametrize(
    ("mutant", "circumstances"),
    [
        (
            mutants.CentresTheBatchInPlace,
            "on bits of 2×4 (120 training examples, batches of 40; models of 0 steps)",
        ),
        (mutants.SamplesInFloat64, f"on {COINS_ON_BITS}; models of 300 steps): sample must return float32"),
        (mutants.AFitThatLearnsNothing, f"after training on {COINS_ON_BITS}; models of 0 and 300 steps)"),
        (mutants.EightPixelsOnly, " (on 3 examples of type bits and shape (3, 2, 2); a model of 0 steps)"),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_every_failure_says_on_which_data_and_after_which_training(mutant, circumstances):
    check = next(check for cls, check in MUTANTS if cls is mutant)
    assert circumstances in only(mutant, check).run().reason


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is not emulated")
@pytest.mark.parametrize(
    ("mutant", "hook"),
    [
        (mutants.DrawsOnTheProcessor, "a draw of sample"),
        (mutants.FitsInNumpy, "fit"),
        (mutants.HoldsATensorThatIsNoBuffer, "decode"),
    ],
)
def test_a_failure_on_another_device_names_the_hook(mutant, hook):
    reason = only(mutant, "another-device-gives-the-same").run().reason
    assert f": {hook} must run on the device that the model was moved to: " in reason


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is not emulated")
@pytest.mark.parametrize("hook", ["loss", "log_prob"])
def test_a_hook_with_transforms_of_torch_func_is_skipped_where_the_device_is_emulated(hook):
    class Transforms(mutants.TinyVAEPlugin):
        @zoo.hookimpl
        def loss(self, model, x, generator):
            found = super().loss(model, x, generator)
            penalty = torch.func.vmap(lambda each: (each * model.decoder[0].bias.sum()).sum())(x).mean()
            return {"loss": found["loss"] + 0.01 * penalty} if hook == "loss" else found

        @zoo.hookimpl
        def log_prob(self, model, x, generator, prior):
            slope = torch.func.grad(lambda each: model.mean(each).sum())(torch.zeros(1, model.D, device=x.device))
            (bound,) = super().log_prob(model, x, generator, prior)
            return (dataclasses.replace(bound, nats=bound.nats + 0 * slope.sum()) if hook == "log_prob" else bound,)

    outcome = only(Transforms, "another-device-gives-the-same").run()
    assert outcome.status == "skipped"
    assert outcome.reason.startswith("its hooks use transforms of torch.func, which the emulated device does not")


@pytest.fixture
def tiny():
    registry = Registry(extensions=False)
    registry.register(mutants.TinyVAEPlugin)
    return registry


def test_settings_of_the_model_and_the_training_reach_every_model_of_the_checks(tiny):
    check = only("tiny:latent_dim=2,train.batch_size=7,train.learning_rate=0.5", "codes-have-one-shape", tiny)
    assert check.run().status == "passed"
    for case in check.subject.cases:
        assert case.trained.encode(case.data.train[:5]).shape == (5, 2)
        assert case.trained.protocol["training"]["batch_size"] == 7
        assert case.untrained.config.latent_dim == 2
        assert "batches of 7; models of 0 and 300 steps" in case.circumstances


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("tiny:latent=2", "Settings of tiny: no key 'latent'. Did you mean 'latent_dim'"),
        ("tiny:train.batch_size=0", "Settings of the training of tiny: batch_size must be greater than 0, got 0"),
        ("tiny:sample.steps=1", "Settings of the sampling of tiny: no key 'steps'"),
        ("tiny@gmm:latent_dim=2", "tiny@gmm:latent_dim=2: a latent density is not part of the plugin; check tiny"),
        ("tiny:", "'tiny:' is not a valid contestant"),
    ],
)
def test_wrong_settings_are_refused_before_any_check(tiny, text, match):
    seen = []
    with pytest.raises(zoo.ConfigError, match=match):
        examine(text, tiny, only=["codes-have-one-shape"], progress=lambda *each: seen.append(each))
    assert len(seen) <= 1


def test_an_expected_failure_that_passes_under_other_settings_is_no_failure(tiny):
    class Declared(CoinsPlugin):
        card = dataclasses.replace(CoinsPlugin.card, expected_failures={"nothing-is-printed": "it prints by default"})

    tiny.register(Declared)
    statuses = [only(text, "nothing-is-printed", tiny).run().status for text in ("coins", "coins:smoothing=2.0")]
    assert statuses == ["failed", "passed"]


def test_only_the_named_checks_run_in_their_order_and_each_is_announced(tiny):
    seen = []
    names = ["nothing-is-written", "codes-have-one-shape"]
    verdict = examine(
        "tiny:latent_dim=2", tiny, only=names, progress=lambda check, *numbers: seen.append((check.name, *numbers))
    )
    assert [outcome.check for outcome in verdict.outcomes] == names[::-1]
    assert seen == [("codes-have-one-shape", 0, 2), ("nothing-is-written", 1, 2)]
    assert (verdict.plugin, verdict.summary) == ("tiny:latent_dim=2", "ran 2 of 2: 2 passed")
    with pytest.raises(zoo.ConfigError, match=r"No check 'code-has-one-shape'\. Did you mean 'codes-have-one-shape'\?"):
        examine("tiny", tiny, only=["code-has-one-shape"])


def test_the_command_takes_settings_and_a_choice_of_checks(distribution, monkeypatch, capsys):
    distribution()
    monkeypatch.setattr("zoo.api.default._found", {})
    assert (
        run(["check", "coins:smoothing=2.0", *("--only", "codes-have-one-shape"), *("--only", "settings-survive-json")])
        == 0
    )
    assert capsys.readouterr().out.endswith(
        "zoo-coins/coins:smoothing=2.0 1.0: ran 1 of 1: 1 passed; 1 do not apply.\n"
    )
    assert run(["check", "coins:smoothing=0"]) == 2
    assert "Settings of coins: smoothing must be greater than 0, got 0" in capsys.readouterr().err
    assert run(["check", "coins", "--only", "nothing"]) == 2
    assert "No check 'nothing'." in capsys.readouterr().err


def test_an_exit_of_a_plugin_is_a_failure_of_that_check_alone():
    class Exits(CoinsPlugin):
        @zoo.hookimpl
        def sample(self):
            raise SystemExit(4)

    assert only(Exits, "samples-have-the-shape-of-the-data").run().reason.startswith("SystemExit: 4")
    assert only(Exits, "an-exact-likelihood-sums-to-one").run().status == "passed"


def test_reconstructions_that_are_exact_before_the_training_need_not_improve():
    class Identity(mutants.TinyVAEPlugin):
        @zoo.hookimpl
        def encode(self, x):
            return x.flatten(1).clone()

        @zoo.hookimpl
        def decode(self, model, z):
            return z.reshape(-1, *model.shape) * (1 - 1e-5)

    outcome = only(Identity, "training-improves-reconstructions").run()
    assert outcome.status == "inapplicable"
    assert outcome.reason == "its reconstructions are already exact before training"


def test_what_a_loss_keeps_in_a_buffer_is_gone_on_with():
    class Chains(mutants.TinyVAEPlugin):
        @zoo.hookimpl
        def build(self, config, data):
            model = mutants.TinyVAE(config, data)
            model.register_buffer("chains", None, persistent=False)
            return model

        @zoo.hookimpl
        def loss(self, model, x, generator):
            z = torch.randn(4, model.D, generator=generator) if model.chains is None else model.chains
            if model.training:
                model.chains = 0.9 * z + torch.randn(z.shape, generator=generator)
            return {"loss": super().loss(model, x, generator)["loss"] + model.mean(z).mean()}

    assert only(Chains, "a-stopped-training-goes-on").run().status == "passed"


def test_a_fit_of_its_own_is_not_gone_on_with():
    outcome = only(CoinsPlugin, "a-stopped-training-goes-on").run()
    assert outcome.status == "inapplicable"
    assert outcome.reason == "it has its own fit, which cannot be resumed"


def test_what_a_check_meets_is_put_back(monkeypatch):
    class Rude(CoinsPlugin):
        @zoo.hookimpl
        def build(self, data):
            torch.set_default_dtype(torch.float64)
            os.environ["RUDE"] = "1"
            return mutants.Coins(data)

    states, folder = random_states(), Path.cwd()
    outcome = only(Rude, "settings-of-the-process-are-kept").run()
    assert outcome.reason.endswith("changed torch's default dtype, the environment")
    assert torch.get_default_dtype() == torch.float32
    assert "RUDE" not in os.environ
    assert (random_states(), Path.cwd()) == (states, folder)


def test_the_energy_distance_is_that_of_its_definition():
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0], [0.0]])
    between = (1 + 5 + 0 + 1 + 3 + 2) / 6
    assert energy_distance(x, y) == pytest.approx(2 * between - 2 - (4 + 1 + 5) / 3)


def test_the_data_sets_are_what_their_docstrings_say():
    data = [case.data for case in Subject(CoinsPlugin, Registry(extensions=False)).cases]
    assert [(each.spec.shape, each.spec.support) for each in data] == [
        ((2, 4), "bits"),
        ((3, 3), "unit"),
        ((2,), "real"),
    ]
    assert all(len(each.train) == 120 for each in data)
    off = (data[0].train.flatten(1).mean(0) - torch.tensor([0.68, 0.5, 0.77, 0.32, 0.23, 0.23, 0.32, 0.77])).abs()
    assert off.max() < 4 * 0.5 / 120**0.5
    assert data[1].train.min() > 0
    assert data[1].train.max() < 1


STORE = """
class Forgetful(IndependentPixels):
    learned = {}

    @zoo.hookimpl
    def build(self, config, data):
        if data.support == "real":
            raise zoo.Unsupported("coins are for bits")
        return Pixels(config, data)

    @zoo.hookimpl
    def fit(self, model, train):
        self.learned[model.p.shape] = train.mean(0)

    @zoo.hookimpl
    def sample(self, model, n):
        p = self.learned.get(model.p.shape, model.p)
        return p.repeat(n, *(1 for _ in p.shape))
"""


def test_what_a_plugin_keeps_outside_the_module_is_missed_in_a_fresh_process(distribution):
    distribution(then=STORE, target="Forgetful")
    assert only("coins", "a-loaded-model-gives-the-same").run().status == "passed"
    outcome = only("coins", "a-fresh-process-gives-the-same").run()
    assert outcome.status == "failed"
    assert "must give the same sample; everything that it learned must be in parameters and buffers" in outcome.reason


def test_a_distribution_must_name_the_core_with_an_upper_end(distribution):
    distribution()
    outcome = only("coins", "the-distribution-names-the-core").run()
    assert (outcome.status, outcome.reason) == ("failed", "the metadata of zoo-coins lacks Requires-Python")


def test_a_plugin_that_cannot_be_loaded_fails_one_check_and_skips_the_others(distribution, monkeypatch, capsys):
    distribution(then="1 / 0")
    monkeypatch.setattr("zoo.api.default._found", {})
    verdict = examine("coins")
    assert [outcome.check for outcome in verdict.of("failed")] == ["the-plugin-keeps-the-contract"]
    assert len(verdict.of("skipped")) == len(verdict.outcomes) - 1
    result = CliRunner().invoke(command, ["coins"], standalone_mode=False)
    assert result.return_value == 3
    assert "ZeroDivisionError: division by zero" in result.output


def test_a_name_that_nobody_has_is_wrong_use():
    with pytest.raises(zoo.ConfigError, match="No model named 'no-such' is installed"):
        examine("no-such")


def test_the_guide_lists_every_check_with_its_claim():
    lines = Path(__file__).parents[1].joinpath("docs/plugins.md").read_text(encoding="utf-8").splitlines()
    rows = [f"| {check.group} | `{check.name}` | {check.claim.text} |" for check in checks(CoinsPlugin)]
    start = lines.index(rows[0])
    assert lines[start : start + len(rows)] == rows
    assert lines[start + len(rows)] == ""
