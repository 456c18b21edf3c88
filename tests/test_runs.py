"""`zoo runs` and `zoo diff`: what is on the disk, and what differs."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from tests.report_folder import results, write_folder
from zoo.cli.main import run


def record(folder, *losses, **more):
    folder.mkdir(parents=True)
    facts = {"plugin": "zoo-vae/vae", "config": {"latent_dim": 2}, "training": {"learning_rate": 0.003}, "seed": 0}
    facts |= {"data": {"name": "digits"}, "budget": "2 epochs", "status": "trained", "seconds": 12.345}
    facts |= {"contestant": {"text": "vae:latent_dim=2"}, "started": "2026-01-01T00:00:00+00:00"} | more
    (folder / "run.json").write_text(json.dumps(facts))
    lines = [{"epoch": n + 1, "seconds": n * 7.0, "loss": loss, "kl": 0.5} for n, loss in enumerate(losses)]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record(tmp_path / "runs" / "a", 9.0, 8.0)
    record(tmp_path / "runs" / "b", 9.0, 7.25, seed=1, status="interrupted", config={"latent_dim": 3, "beta": 2})
    found = results()
    found["rows"][2]["summary"]["frechet"]["standing"] = "best"
    (tmp_path / "runs" / "c").mkdir()
    write_folder(tmp_path / "runs" / "c", found)
    (tmp_path / "runs" / "d").mkdir()
    (tmp_path / "runs" / "e").mkdir()
    (tmp_path / "runs" / "e" / "run.json").write_text("{")
    return tmp_path / "runs"


def test_runs_and_comparisons_are_listed_with_data_budget_result_and_time(runs, capsys):
    assert run(["runs", "--json"]) == 0
    a, b, c = json.loads(capsys.readouterr().out)
    assert a == {
        "path": "runs/a",
        "kind": "run",
        "contestants": "vae:latent_dim=2",
        "data": "digits",
        "budget": "2 epochs",
        "seeds": "0",
        "result": "trained",
        "seconds": 12.345,
        "started": "2026-01-01T00:00:00+00:00",
    }
    assert (b["seeds"], b["result"]) == ("1", "interrupted")
    assert (c["kind"], c["result"], c["seeds"]) == ("comparison", "best Fréchet distance: ae@gmm", "0, 1, 2, 3, 4")
    assert run(["runs"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("runs/a "))
    words = ["runs/a", "digits", "2 epochs", "0", "trained", "12.3 s", "vae:latent_dim=2"]
    assert re.split("  +", line) == words
    assert run(["runs", "nowhere"]) == 0
    assert capsys.readouterr().out.startswith("No runs or comparisons in nowhere.")


def test_two_runs_differ_in_settings_and_last_losses(runs, capsys):
    assert run(["diff", "runs/a", "runs/b", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["what"]: (each["first"], each["second"]) for each in found["settings"]} == {
        "config.latent_dim": ("2", "3"),
        "config.beta": ("", "2"),
        "seed": ("0", "1"),
    }
    assert found["figures"] == [{"what": "loss", "first": "8.00", "second": "7.25"}]
    assert run(["diff", "runs/a", "runs/a"]) == 0
    assert capsys.readouterr().out == "No settings differ.\nNo figures differ.\n"


def test_two_comparisons_differ_in_protocol_contestants_and_means(runs, capsys):
    other = runs / "other"
    shutil.copytree(runs / "c", other)
    found = json.loads((other / "results.json").read_text())
    found["protocol"]["samples"] = 7
    found["protocol"]["wall_seconds"] = 1.5
    found["rows"][0]["summary"]["frechet"]["mean"] = 99.5
    found["rows"][3]["contestant"] = "new"
    (other / "results.json").write_text(json.dumps(found))
    assert run(["diff", "runs/c", "runs/other", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    settings = {each["what"]: (each["first"], each["second"]) for each in told["settings"]}
    assert settings["samples"] == ("359", "7")
    assert "wall_seconds" not in settings
    figures = {each["what"]: (each["first"], each["second"]) for each in told["figures"]}
    assert figures.pop("rbm, Fréchet distance") == ("14.20 ± 0.90", "99.50 ± 0.90")
    assert {name.partition(",")[0] for name in figures} == {"vae", "new"}
    assert all("" in pair for pair in figures.values())


def test_bounds_differ_with_their_sign_bracket_and_declared_noise_as_in_the_tables(runs, capsys):
    other = runs / "other"
    shutil.copytree(runs / "c", other)
    found = json.loads((other / "results.json").read_text())
    rows = {row["contestant"]: row["summary"]["likelihood"] for row in found["rows"]}
    rows["rbm"]["bracket"] = [-96.6, -84.5]
    rows["vae"]["declared"] = True
    rows["rbm:hidden=9"] |= {"kind": "estimate", "stderr": 0.31}
    (other / "results.json").write_text(json.dumps(found))
    assert run(["diff", "runs/c", "runs/other", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["figures"]
    assert {each["what"]: (each["first"], each["second"]) for each in told} == {
        "rbm, log-likelihood": ("≥ −96.60 ± 0.31 [−96.60, −84.90]", "≥ −96.60 ± 0.31 [−96.60, −84.50]"),
        "vae, log-likelihood": ("≥ −91.20 ± 0.22", "≥ −91.20 ± 0.22 declared"),
        "rbm:hidden=9, log-likelihood": ("= −101", "≈ −101 s.e. 0.310"),
    }


def test_a_run_and_a_comparison_have_no_differences(runs, capsys):
    assert run(["diff", "runs/a", "runs/c"]) == 2
    assert "Compare two runs, or two comparisons: runs/a and runs/c are one of each." in capsys.readouterr().err
