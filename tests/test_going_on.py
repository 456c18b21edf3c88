"""A comparison loses nothing: what dies is tried again from its state, and what was interrupted goes on."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch

import zoo
from zoo.api import Registry
from zoo.comparison.cells import CellResult, EvaluateReal, Shared, TrainCell
from zoo.comparison.journal import FILE as JOURNAL
from zoo.comparison.journal import Journal
from zoo.comparison.measurements import Measurements
from zoo.comparison.plan import FILE as PLAN
from zoo.comparison.schedule import Outcome, ScheduledJob
from zoo.files.folder_lock import locked
from zoo.results.schema import Measured

LIGHT = ("zoo.comparison.measuring", "zoo.training.train")  # imports of a server that is there sooner
SETTINGS = {"data": "bars-and-stripes:3", "seeds": 2, "steps": 8}
CONTESTANTS = ["rbm:hidden=8,sample.steps=5", "vae@gmm:latent_dim=2,hidden=[8],sample.k=5"]

#: an AE whose third step kills its process as often as the file beside it says, and which keeps a state in a buffer
MORTAL = """
import dataclasses, os, signal
from pathlib import Path
import torch, zoo
from zoo_ae.plugin import AEPlugin

class Mortal(AEPlugin):
    card = dataclasses.replace(AEPlugin.card, name="mortal", summary="dies at its third step")

    @zoo.hookimpl
    def loss(self, model, x, generator, step):
        lives = Path(__file__).with_name("lives")
        if step.index == 3 and (left := int(lives.read_text())):
            lives.write_text(str(left - 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(model, x, generator)
"""

#: a density whose fit raises
BROKEN = """
import zoo
class Broken:
    card = zoo.DensityCard(name="broken", summary="a density that cannot be fitted")
    @zoo.hookimpl
    def fit(self, codes):
        return 1 / 0
    @zoo.hookimpl
    def sample(self, state, n):
        raise zoo.Unsupported("never")
    @zoo.hookimpl
    def log_prob(self, state, z):
        raise zoo.Unsupported("never")
"""


def weights(comparison):
    return {file.relative_to(comparison.path): file.read_bytes() for file in comparison.path.rglob("*.safetensors")}


def figures(comparison):
    return [(cell["seed"], cell["metrics"]) for row in comparison.rows for cell in row["cells"]]


def started(seen):
    return sorted(job.name for job, event in seen if "started" in event and "seed" in job.name)


def test_a_comparison_that_is_interrupted_goes_on_to_the_same_result_and_finds_nothing_twice(
    tmp_path, compare, monkeypatch
):
    monkeypatch.setattr("zoo.comparison.run.PRELOAD", LIGHT)
    whole = compare(zoo, CONTESTANTS, out=tmp_path / "whole", **SETTINGS)
    seen = []

    def interrupt(job, event):
        seen.append((job, event))
        if "ended" in event and isinstance(job.job, TrainCell):
            signal.raise_signal(signal.SIGINT)

    folder = tmp_path / "cut" / "compare-bars-and-stripes_3-1"
    said = f"Interrupted. Resume with: zoo compare --resume {shlex.quote(str(folder))}"
    with pytest.raises(KeyboardInterrupt, match=re.escape(said)) as interrupted:
        zoo.compare(CONTESTANTS, out=tmp_path / "cut", jobs=1, on_event=interrupt, **SETTINGS)
    assert interrupted.value.exit_code == 130
    first = started(seen)
    assert not (folder / "results.json").exists()
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"job": "cut off by a ki')
    seen.clear()
    resumed = compare(zoo, resume=folder, on_event=lambda *event: seen.append(event))
    assert len(first) == 1
    assert len(started(seen)) == 3
    assert first[0] not in started(seen)
    assert figures(resumed) == figures(whole)
    assert weights(resumed) == weights(whole)
    assert zoo.Comparison.open(folder).results == json.loads(json.dumps(resumed.results))
    seen.clear()
    again = compare(zoo, resume=folder, on_event=lambda *event: seen.append(event))
    assert started(seen) == []
    assert figures(again) == figures(whole)
    assert again.rows[0]["train_seconds"] == resumed.rows[0]["train_seconds"]


@pytest.mark.parametrize("lives", [2, 3])
def test_a_cell_whose_process_is_killed_goes_on_from_its_state_twice_and_the_table_says_so(
    distribution, site, tmp_path, lives, compare
):
    distribution("zoo-mortal", source=MORTAL, entry="mortal", target="Mortal")
    contestants = ["mortal:latent_dim=2,hidden=[8]", "ae@normal:latent_dim=2,hidden=[8],sample.k=5"]
    settings = {"seeds": 1, "steps": 8, "save_every": 0.0, "jobs": 1}
    (site / "lives").write_text(str(lives))
    comparison = compare(Registry(), contestants, out=tmp_path, **settings)
    mortal, other = (row["cells"][0] for row in comparison.rows[:2])
    reason = "its process was killed by SIGKILL, as the system does when memory runs out"
    assert mortal["lost"] == [reason] * 2
    assert "mean" in comparison.rows[1]["summary"]["frechet"]
    assert f"seed 0: tried again because {reason} and then {reason}" in " ".join(str(comparison).split())
    assert "tried again" in (comparison.path / "report.html").read_text()
    assert (site / "lives").read_text() == str(max(lives - 3, 0))
    if lives == 3:
        assert comparison.failed == [f"{contestants[0]} seed 0: {reason}"]
        comparison = compare(Registry(), resume=comparison.path)
        assert "lost" not in comparison.rows[0]["cells"][0]
        assert comparison.rows[1]["cells"][0] == other
    run = comparison.path / "mortal" / "seed-0"
    assert json.loads((run / "run.json").read_text())["resumed"] == [3]  # the step that it never survived
    trained = Registry().load(next(run.glob("*.safetensors"))).module.state_dict()
    undisturbed = zoo.load(next((comparison.path / "ae" / "seed-0").glob("*.safetensors"))).module.state_dict()
    assert all(torch.equal(trained[name], undisturbed[name]) for name in undisturbed)
    assert not list(comparison.path.rglob("state*"))
    assert not list(comparison.path.rglob(".lock"))


def test_what_fails_for_one_contestant_costs_none_that_shares_its_training(distribution, tmp_path, compare):
    distribution("zoo-broken", source=BROKEN, entry="broken", target="Broken", group="zoo.densities")
    contestants = ["ae@broken:latent_dim=2,hidden=[8]", "ae@normal:latent_dim=2,hidden=[8],sample.k=5"]
    comparison = compare(Registry(), contestants, seeds=1, steps=2, out=tmp_path)
    assert comparison.failed == [f"{contestants[0]} seed 0: ZeroDivisionError: division by zero"]
    assert "mean" in comparison.rows[1]["summary"]["frechet"]
    assert "return 1 / 0" in (comparison.path / "ae" / "seed-0" / "output.log").read_text()
    assert (comparison.path / "ae" / "seed-0" / "state.safetensors").exists()
    assert "ae@broken" not in (comparison.path / JOURNAL).read_text()


# `zoo …` with a server that is there sooner
COMMAND = f"""
import zoo.cli.main, zoo.comparison.run
zoo.comparison.run.PRELOAD = {LIGHT}
zoo.cli.main.main()
"""


def test_sigterm_saves_the_trainings_and_says_the_command_that_goes_on(tmp_path):
    words = ["compare", "vae:latent_dim=2,hidden=[8]", "--data", "bars-and-stripes:3", "--seeds", "1"]
    command = [sys.executable, "-c", COMMAND, *words, "--epochs", "1000000", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    folder = tmp_path / "compare-bars-and-stripes_3-1"
    run = folder / "vae" / "seed-0"
    end = time.monotonic() + 100
    while not ((run / "metrics.jsonl").exists() and (run / "metrics.jsonl").stat().st_size) and time.monotonic() < end:
        time.sleep(0.05)
    process.terminate()
    said = process.communicate()[1]
    assert said.splitlines()[-1] == f"Interrupted. Resume with: zoo compare --resume {shlex.quote(str(folder))}"
    assert "Traceback" not in said
    assert process.returncode == 143
    assert (run / "state.safetensors").exists()
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"


@pytest.fixture(scope="module")
def done(tmp_path_factory, compare):
    """A finished comparison; its journal and plan are put back after each test that spoils them."""
    contestants = ["ae@normal:latent_dim=2,hidden=[8],sample.k=5"]
    return compare(zoo, contestants, seeds=1, steps=2, out=tmp_path_factory.mktemp("done")).path


@pytest.fixture
def folder(done):
    before = {name: (done / name).read_bytes() for name in (PLAN, JOURNAL)}
    yield done
    for name, content in before.items():
        (done / name).write_bytes(content)


def test_a_comparison_is_resumed_by_one_process_at_a_time(folder, compare):
    with locked(folder), pytest.raises(zoo.ConfigError, match=f"{folder} is in use by process {os.getpid()};"):
        compare(zoo, resume=folder)


def test_another_version_is_named_and_has_to_be_allowed_and_is_then_written_down(folder, compare):
    plan = json.loads((folder / PLAN).read_text())
    plan["depends_on"]["versions"]["torch"] = "1.0"
    (folder / PLAN).write_text(json.dumps(plan))
    change = f"versions.torch 1.0 then, {torch.__version__} now"
    expected = re.escape(f"{folder} was started under other conditions: {change}. ")
    with pytest.raises(zoo.CheckpointError, match=expected):
        compare(zoo, resume=folder)
    comparison = compare(zoo, resume=folder, allow_changes=True)
    assert comparison.results["protocol"]["changes"] == [change]
    assert f"Under other conditions: {change}" in " ".join(str(comparison).split())


def test_other_data_are_refused_whatever_is_allowed(folder, compare):
    plan = json.loads((folder / PLAN).read_text())
    plan["depends_on"]["data"] = "0" * 64
    (folder / PLAN).write_text(json.dumps(plan))
    with pytest.raises(zoo.CheckpointError, match=f"{folder} compares on other data: data 0{{64}} then"):
        compare(zoo, resume=folder, allow_changes=True)


@pytest.mark.parametrize("settings", [{"contestants": ["vae"]}, {"seeds": 2}, {"epochs": 3}, {"full": True}])
def test_a_comparison_goes_on_as_it_was_begun(folder, settings, compare):
    with pytest.raises(zoo.ConfigError, match="keeps its contestants, seeds, budget, device, features and n"):
        compare(zoo, resume=folder, **settings)


def test_what_is_no_comparison_cannot_go_on(tmp_path, compare):
    with pytest.raises(
        zoo.CheckpointError, match=r"is not the folder of a comparison: plan.json cannot be read \(No such"
    ):
        compare(zoo, resume=tmp_path)


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"contestants": 3}', "[" * 10_000, '{"amount": {"value": -1}}'])
def test_a_plan_that_is_none_is_refused(folder, content, compare):
    (folder / PLAN).write_text(content)
    with pytest.raises(zoo.CheckpointError, match="plan.json does not say what was compared"):
        compare(zoo, resume=folder)


def test_data_that_were_an_array_are_given_again(tmp_path, compare):
    x = torch.rand(120, 3, 3, generator=torch.Generator().manual_seed(0)).numpy()
    comparison = compare(zoo, ["ae@normal:latent_dim=2,hidden=[8],sample.k=5"], x, seeds=1, steps=2, out=tmp_path)
    with pytest.raises(zoo.ConfigError, match="compares on an array, which no file holds; give it again as data"):
        compare(zoo, resume=comparison.path)
    assert figures(compare(zoo, data=x, resume=comparison.path)) == figures(comparison)


def test_a_damaged_line_of_the_journal_is_named(tmp_path):
    (tmp_path / JOURNAL).write_text('{"job": "a"}\n')
    with pytest.raises(zoo.CheckpointError, match=r"journal.jsonl is damaged in line 1; remove that line, and its job"):
        Journal(tmp_path)


def test_the_journal_knows_a_job_by_all_that_its_result_depends_on(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    result = CellResult(shared=Shared(), contestants={"real": Measurements(metrics={"frechet": Measured(value=1.5)})})

    def job(place, metric="frechet", file="scratch"):
        return ScheduledJob("real images", EvaluateReal("real", str(place / "real"), (metric,), file))

    Journal(folder).add(Outcome(job(folder), result, seconds=2.0, failed_attempts=("killed",)))
    folder.rename(tmp_path / "moved")
    folder = tmp_path / "moved"
    journal = Journal(folder)
    here = job(folder, file="other")
    assert journal.find(here) == Outcome(here, result, seconds=2.0, failed_attempts=("killed",))
    assert journal.find(job(folder, metric="kernel")) is None
    assert journal.find(job(folder / "else")) is None
    assert journal.seconds > 0


def test_a_journal_that_cannot_be_written_ends_the_comparison_with_the_way_on(folder, monkeypatch, compare):
    (folder / JOURNAL).write_bytes(b"")

    def full(self, outcome):
        raise zoo.ZooError("Cannot write journal.jsonl: No space left on device. Free the disk.")

    monkeypatch.setattr(Journal, "add", full)
    with pytest.raises(
        zoo.ZooError, match=rf"No space left .* Resume with: zoo compare --resume {re.escape(str(folder))}"
    ):
        compare(zoo, resume=folder)
