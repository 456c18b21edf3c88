"""Trackers: what they are told, and that one which fails or hangs costs a warning and nothing else."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import zoo
from zoo.cli.main import _format_warning
from zoo.cli.main import run as run_command
from zoo.errors import TrackerWarning
from zoo.plugins.plugin import Plugin
from zoo.tracking.relay import Trackers

AE = "ae@gaussian:hidden=[8],latent_dim=2"
TOLD = []  # by every `Recorder`: (number of the run, hook, arguments)


class Recorder:
    card = zoo.TrackerCard(name="recorder", summary="Keeps all that it is told")

    def __init__(self):
        self.told = []
        TOLD.append(self.told)

    @zoo.hookimpl
    def begin(self, run):
        self.told.append(("begin", run))

    @zoo.hookimpl
    def log(self, step, values):
        self.told.append(("log", step, values))

    @zoo.hookimpl
    def image(self, name, pixels):
        self.told.append(("image", name, pixels))

    @zoo.hookimpl
    def end(self, summary, failure):
        self.told.append(("end", summary, failure))


class Fewest:
    card = zoo.TrackerCard(name="fewest", summary="Has only the hook that it must have")
    last = None

    @zoo.hookimpl
    def log(self, step):
        Fewest.last = step


def raising(hook):
    def fail(self):
        raise ConnectionError("no route\nto host")

    members = {"card": zoo.TrackerCard(name="raising", summary="Fails"), "log": zoo.hookimpl(lambda self: None)}
    return type("Raising", (), members | {hook: zoo.hookimpl(fail)})


class Hanging:
    card = zoo.TrackerCard(name="hanging", summary="Never returns")
    freed = threading.Event()

    @zoo.hookimpl
    def log(self):
        self.freed.wait()


@pytest.fixture
def registry():
    found = zoo.Registry()
    Hanging.freed.clear()
    for tracker in (Recorder, Fewest, Hanging):
        found.register(tracker, "zoo.trackers")
    yield found
    Hanging.freed.set()


@pytest.fixture
def told():
    TOLD.clear()
    return TOLD


def train(registry, **given):
    return registry.train(AE, "digits", seed=3, progress=False, **{"epochs": 2} | given)


def test_a_training_tells_its_settings_every_report_its_samples_and_its_last_losses(registry, told, tmp_path):
    model = train(registry, track="recorder", folder=tmp_path / "run")
    ((_, run), *logs, (_, title, pixels), end) = told[-1]
    assert (run.name, run.folder) == ("run", tmp_path / "run")
    expected = {"contestants": AE, "data": "digits", "seed": 3, "budget": "2 epochs", "device": "cpu"}
    assert run.settings == expected | {"hidden": "[8]", "latent_dim": 2}
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [step for _, step, _ in logs][-1] == lines[-1]["step"] == 36
    by_step = {step: values for _, step, values in logs}
    for line in lines:
        assert by_step[line["step"]] == {"loss": line["loss"], "learning_rate": line["learning_rate"]}
    assert (title, pixels.dtype) == ("samples", np.uint8)
    first = np.asarray(model.sample(64, seed=0))[0]
    (side,) = {pixels.shape[k] // 8 // 8 for k in (0, 1)}  # 8 x 8 images of 8 x 8 pixels, enlarged
    assert np.abs(pixels[4 : 4 + 8 * side : side, 4 : 4 + 8 * side : side, 0] / 255 - first).max() <= 0.5 / 255 + 1e-6
    assert end == ("end", {"loss": lines[-1]["loss"]}, "")


@pytest.mark.parametrize("hook", ["begin", "log", "image", "end"])
def test_a_tracker_that_fails_is_named_once_and_changes_nothing(registry, told, hook):
    registry.register(raising(hook), "zoo.trackers")
    plain = train(registry)
    with pytest.warns(TrackerWarning) as warned:
        tracked = train(registry, track=["raising", "recorder", "raising"])
    (sentence,) = [str(each.message) for each in warned]
    assert sentence == (
        f"The tracker 'raising' (registered in this process) failed in its hook {hook!r} and is no longer used: "
        "ConnectionError: no route to host. Results are not affected."
    )
    assert [each[0] for each in told[-1]][-2:] == ["image", "end"]  # the other tracker is told everything
    for name, value in plain.module.state_dict().items():
        assert (tracked.module.state_dict()[name] == value).all()


def test_a_tracker_needs_no_hook_but_log(registry):
    train(registry, track="fewest", epochs=1)
    assert Fewest.last == 18


def test_a_tracker_that_hangs_is_left_behind_and_delays_no_other(registry, told):
    plugins = [registry.plugin(name, "zoo.trackers") for name in ("hanging", "recorder")]
    sentences = []
    with Trackers(plugins, sentences.append, wait=0.2) as trackers:
        trackers.begin(zoo.TrackedRun("a", None, {}))
        trackers.log("a", 1, {"loss": 2.0})
        trackers.end("a", {"loss": 2.0})
    assert sentences == [
        "The tracker 'hanging' (registered in this process) did not finish within 0.2 s. Results are not affected."
    ]
    assert [each[0] for each in told[-1]] == ["begin", "log", "end"]


def test_what_is_interrupted_ends_with_the_reason(registry, told):
    plugins = [registry.plugin("recorder", "zoo.trackers")]

    def interrupted():
        with Trackers(plugins, pytest.fail) as trackers:
            trackers.begin(zoo.TrackedRun("a", None, {}))
            trackers.begin(zoo.TrackedRun("a", None, {"again": True}))  # a second attempt is the same run
            raise KeyboardInterrupt("at step 3")

    with pytest.raises(KeyboardInterrupt, match="at step 3"):
        interrupted()
    assert told[-1] == [("begin", zoo.TrackedRun("a", None, {})), ("end", {}, "KeyboardInterrupt: at step 3")]


def test_runs_at_the_same_time_have_objects_of_their_own(registry, told):
    plugin = registry.plugin("recorder", "zoo.trackers")
    with Trackers([plugin], pytest.fail) as trackers:
        for name in "ab":
            trackers.begin(zoo.TrackedRun(name, None, {}))
        for step, name in enumerate("abba"):
            trackers.log(name, step, {})
        for name in "ba":
            trackers.end(name, {})
    steps = {run[0][1].name: [each[1] for each in run if each[0] == "log"] for run in told[-2:]}
    assert steps == {"a": [0, 3], "b": [1, 2]}
    assert plugin.instance.told == []


def test_a_comparison_tells_the_figures_and_samples_of_each_cell(registry, told, compare, tmp_path):
    contestants = [AE, AE.replace("gaussian", "normal")]
    found = compare(registry, contestants, "digits", seeds=2, epochs=1, out=tmp_path, track="recorder")
    (path,) = tmp_path.iterdir()
    runs = {run[0][1].name: run for run in told if run}
    folder = path.name
    assert set(runs) == {f"{folder}/real/seed-0", f"{folder}/ae/seed-0", f"{folder}/ae/seed-1"}
    for seed in (0, 1):
        (_, run), *rest, (_, summary, failure) = runs[f"{folder}/ae/seed-{seed}"]
        assert failure == ""
        assert run.folder == path / "ae" / f"seed-{seed}"
        assert (run.settings["seed"], run.settings["budget"], run.settings["hidden"]) == (seed, "1 epoch", "[8]")
        for row in found.typed.rows[:2]:
            cell = next(each for each in row.cells if each.seed == seed)
            figures = {name: each.value for name, each in cell.metrics.items() if each.value is not None}
            assert figures
            its = {
                key.partition("/")[2]: value for key, value in summary.items() if key.startswith(f"{row.contestant}/")
            }
            assert its == figures
        assert any(each[0] == "log" and each[1] == 18 for each in rest)
        titles = [each[1] for each in rest if each[0] == "image"]
        assert titles == ([f"{row.contestant}/samples" for row in found.typed.rows[:2]] if seed == 0 else [])


def test_a_cell_that_fails_says_why(registry, told, compare, tmp_path):
    compare(
        registry, ["ae:train.learning_rate=1e30", AE], "digits", seeds=1, steps=3, out=tmp_path, track=("recorder",)
    )
    failures = {run[0][1].settings["contestants"]: run[-1][2] for run in told if run}
    assert failures.pop("ae:train.learning_rate=1e30").startswith("The training diverged")
    assert set(failures.values()) == {""}


def test_an_unknown_tracker_is_refused_before_anything_is_written(tmp_path, capsys):
    for command in (["train", "ae", "--out", str(tmp_path / "out")], ["compare", "ae", "--out", str(tmp_path / "out")]):
        assert run_command([*command, "--track", "wandb"]) == 2
        assert "No tracker named 'wandb' is installed" in capsys.readouterr().err
    with pytest.raises(zoo.ConfigError, match="No tracker named 'wandb' is installed"):
        zoo.evaluate("samples:none.npy", "digits", track="wandb", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_line_shows_the_failure_of_a_tracker_as_one_line():
    assert _format_warning(TrackerWarning("It failed."), TrackerWarning, "file.py", 3) == "Warning: It failed.\n"
    assert "file.py:3: UserWarning: other" in _format_warning(UserWarning("other"), UserWarning, "file.py", 3)


def test_a_tracker_without_log_is_refused():
    class Silent:
        card = zoo.TrackerCard(name="silent", summary="Logs nothing")

    with pytest.raises(zoo.PluginError, match="log"):
        Plugin(Silent(), "zoo.trackers")
