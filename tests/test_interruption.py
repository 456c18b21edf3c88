"""Ctrl-C and SIGTERM in `zoo train`: the step is finished, the state saved, and the way on said."""

from __future__ import annotations

import json
import shlex
import signal
import threading
from pathlib import Path

import pytest

from zoo.files.tensor_file import read
from zoo.runtime.interruption import Interrupted, Interruption
from zoo.runtime.threads import ENVIRONMENT

# One process computes nothing and forks a command line for each case; it sends the signals.
CASES = """
import dataclasses, json, os, signal, sys, time
from pathlib import Path
import torch
import zoo
from zoo.cli.main import run
from zoo_vae.plugin import VAEPlugin

out = Path(sys.argv[1])

def asleep():
    (out / "asleep").touch()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.1)

class Sleeper(VAEPlugin):
    card = dataclasses.replace(VAEPlugin.card, name="sleeper")
    @zoo.hookimpl
    def loss(self, model, x, generator, step, y):
        if step.index == 3:
            asleep()
        return super().loss(model, x, generator, step, y)

class Fitter(VAEPlugin):
    card = dataclasses.replace(VAEPlugin.card, name="fitter", training=zoo.Training())
    loss = None
    @zoo.hookimpl
    def fit(self, model):
        asleep()

class Density:
    card = zoo.DensityCard(name="sleepy", summary="sleeps")
    @zoo.hookimpl
    def fit(self, codes):
        asleep()
    @zoo.hookimpl
    def sample(self, state, n):
        raise zoo.Unsupported("never")
    @zoo.hookimpl
    def log_prob(self, state, z):
        raise zoo.Unsupported("never")

zoo.register(Sleeper)
zoo.register(Fitter)
zoo.register(Density, "zoo.densities")

def awaited(found):
    end = time.monotonic() + 100
    while not found() and time.monotonic() < end:
        time.sleep(0.01)
    assert found()

def case(name, contestant, folder, ready, *signals):
    log = out / f"{name}.log"
    (out / "asleep").unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)
        settings = f"{contestant}:latent_dim=2,hidden=[8]"
        os._exit(run(["train", settings, "--epochs", "1" if "@" in contestant else "9999", "--out", str(out),
                      "--save-every", "0" if name == "twice" else "1000"]))
    awaited(lambda: ready(out / folder))
    for number in signals:
        time.sleep(0.3)
        began = time.monotonic()
        os.kill(child, number)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    facts = {"code": code, "seconds": time.monotonic() - began, "said": log.read_text(), "run": str(out / folder)}
    print(json.dumps({name: facts}), flush=True)

def logs(folder):
    return (folder / "metrics.jsonl").exists()

def sleeps(folder):
    return (out / "asleep").exists()

torch.set_num_threads(1)
case("interrupt", "vae", "vae-digits-1", logs, signal.SIGINT)
case("terminate", "vae", "vae-digits-2", logs, signal.SIGTERM)
case("twice", "sleeper", "sleeper-digits-1", sleeps, signal.SIGINT, signal.SIGTERM)
case("in a fit", "fitter", "fitter-digits-1", sleeps, signal.SIGTERM)
case("in a density", "vae@sleepy", "vae@sleepy-digits-1", sleeps, signal.SIGINT)
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory, executor):
    """Name of a case -> its exit code, what it said, how long it took to end, its run folder."""
    out = tmp_path_factory.mktemp("out")
    done = executor.script(CASES, out, **ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return {name: facts for line in done.stdout.splitlines() for name, facts in json.loads(line).items()}


def record(case):
    return json.loads((Path(case["run"]) / "run.json").read_text())


@pytest.mark.parametrize(
    ("name", "code", "ended"),
    [
        ("interrupt", 130, "interrupted"),
        ("terminate", 143, "interrupted"),
        ("in a fit", 143, "interrupted"),
        ("in a density", 130, "trained"),
    ],
)
def test_a_signal_ends_the_command_with_its_code_and_the_command_that_goes_on(cases, name, code, ended):
    case = cases[name]
    assert case["code"] == code
    assert case["said"].splitlines()[-1] == f"Interrupted. Resume with: zoo train --resume {shlex.quote(case['run'])}"
    assert "Traceback" not in case["said"]
    assert record(case)["status"] == ended


@pytest.mark.parametrize("name", ["interrupt", "terminate", "in a density"])
def test_what_was_trained_until_the_signal_is_saved(cases, name):
    case = cases[name]
    facts, _ = read(Path(case["run"]) / "state.safetensors")
    assert facts["step"] == facts["state"]["budget"]["steps"] == record(case)["steps"] > 0


def test_a_second_signal_ends_the_process_at_once_and_the_last_state_is_whole(cases):
    case = cases["twice"]
    assert case["code"] == -signal.SIGTERM  # 143 in a shell
    assert case["seconds"] < 2
    facts, _ = read(Path(case["run"]) / "state.safetensors")
    assert facts["step"] == 3
    assert record(case)["status"] == "training"


def test_a_signal_that_is_held_is_raised_at_the_end_of_the_block_and_handlers_are_put_back(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    reached = []

    def terminated():
        with Interruption("zoo train --resume run") as interruption:
            with interruption.held():
                signal.raise_signal(signal.SIGTERM)
                reached.append(interruption.pending)
            reached.append("after")

    with pytest.raises(Interrupted, match="Resume with: zoo train --resume run") as stopped:
        terminated()
    assert reached == [signal.SIGTERM]
    assert stopped.value.exit_code == 143
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_that_is_ignored_stays_ignored(tmp_path, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption("zoo train --resume run"):
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_without_a_folder_and_outside_the_main_thread_signals_are_left_alone(tmp_path):
    before, seen = signal.getsignal(signal.SIGINT), []
    with Interruption(None):
        seen.append(signal.getsignal(signal.SIGINT))

    def elsewhere():
        with Interruption("zoo train --resume run"):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before, before]
