"""Runs, models and comparisons that commit 667253c wrote load, resume and render."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch

import zoo
from zoo.files.tensor_file import read

OLD = Path(__file__).with_name("old_files")
# zoo train vae@gmm:latent_dim=2,hidden=[8] --data bars-and-stripes:3 --steps 40          -> trained
# zoo train rbm:hidden=6 --data bars-and-stripes:3 --steps 200, stopped by SIGTERM at 150 -> stopped
# zoo compare rbm:hidden=6 ae@gaussian:hidden=[8],latent_dim=2 vae:hidden=[8],latent_dim=2
#     --data bars-and-stripes:3 --steps 40 --seeds 2                                      -> table
# the plan, the journal's first four lines and the folders of their cells                 -> killed
KEPT = ("likelihood", "reconstruction", "valid-patterns")
SHA256_OF_200_STEPS = "a4c6933b7f1ea5b4ba6357209366f783c56ef3e5516c0db026da193dac979b38"  # never stopped


@pytest.fixture
def old(tmp_path):
    """A copy of the files, for what is resumed is written."""
    shutil.copytree(OLD, tmp_path / "old")
    return tmp_path / "old"


def test_an_old_model_loads_and_samples(old):
    model = zoo.load(old / "trained")
    assert (model.name, model.spec.shape, model.protocol["budget"]) == ("vae@gmm", (3, 3), "40 steps")
    samples = model.sample(8, seed=0)
    assert torch.equal(samples, zoo.load(old / "trained" / "model.safetensors").sample(8, seed=0))
    assert model.log_prob(zoo.load_data("bars-and-stripes:3").test)[0].kind == "lower"


def test_an_old_training_resumes_where_it_stopped(old):
    model = zoo.resume(old / "stopped", allow_changes=True)
    run = json.loads((old / "stopped" / "run.json").read_text())
    assert (run["steps"], run["resumed"], run["status"]) == (200, [150], "trained")
    assert len((old / "stopped" / "metrics.jsonl").read_text().splitlines()) == 200
    assert model.sample(4, seed=0).shape == (4, 3, 3)
    if not run["changes"]:  # the same versions on the same kind of processor: the same bits
        assert hashlib.sha256((old / "stopped" / "model.safetensors").read_bytes()).hexdigest() == SHA256_OF_200_STEPS


def test_an_old_comparison_renders(old):
    before = json.loads((old / "table" / "results.json").read_text())
    comparison = zoo.Comparison.open(old / "table")
    comparison.write()
    lines = list(csv.DictReader((old / "table" / "results.csv").read_text().splitlines()))
    means = {(line["contestant"], line["metric"]): line["mean"] for line in lines}
    for row in before["rows"]:
        for metric, summary in row["summary"].items():
            written = means[row["contestant"], metric]
            assert written == "" if "mean" not in summary else float(written) == summary["mean"]
    assert (old / "table" / "report.html").stat().st_size > 10**6
    assert (old / "table" / "samples.png").exists()
    assert json.loads((old / "table" / "results.json").read_text()) == before


def test_an_old_comparison_that_was_killed_resumes_and_is_measured_as_today(old, compare):
    plan = json.loads((old / "killed" / "plan.json").read_text())
    plan["seeds"] = [0]  # of two; each RBM draws from long chains
    (old / "killed" / "plan.json").write_text(json.dumps(plan))
    before = (old / "killed" / "journal.jsonl").read_text().splitlines()
    comparison = compare(zoo, resume=old / "killed", allow_changes=True, jobs=2)
    after = (old / "killed" / "journal.jsonl").read_text().splitlines()
    assert after[:4] == before
    assert len(after) == 4 + 4  # its metrics were others, so every cell has run again
    expected = json.loads((old / "table" / "results.json").read_text())
    found = json.loads((comparison.path / "results.json").read_text())
    assert [row["contestant"] for row in found["rows"]] == [row["contestant"] for row in expected["rows"]]
    if found["protocol"]["versions"] == expected["protocol"]["versions"] and not found["protocol"]["changes"]:
        assert _metrics(found) == _metrics(expected)


def _metrics(results):
    """The values of each contestant's cell of seed 0, of metrics whose definition is as it was."""
    return [
        [
            {name: each["value"] for name, each in cell["metrics"].items() if name in KEPT and "value" in each}
            for cell in row["cells"]
            if cell["seed"] == 0
        ]
        for row in results["rows"]
        if row["role"] == "contestant"
    ]


def test_the_state_of_an_old_training_is_whole(old):
    facts, tensors = read(old / "stopped" / "state.safetensors")
    assert facts["step"] == 150
    assert tensors
