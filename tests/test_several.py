"""One comparison on several data sets: a folder each, one summary, and a data set that fails costs no other one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.cli.main import run
from zoo.comparison.experiment import Experiment
from zoo.comparison.runs import find_runs
from zoo.data.paths import data_sets
from zoo.engine.executor import InlineExecutor
from zoo.errors import ConfigError
from zoo.runtime.interruption import Interrupted

ROWS = ["ae@normal:hidden=[8],latent_dim=1|2"]
ASKED = {"contestants": ROWS, "steps": 3, "seeds": [0], "metrics": ["reconstruction"]}


def ended(names):
    def on_event(job, event):
        if "ended" in event and getattr(job.job, "kind", "") == "train":
            names.append(job.name)

    return on_event


def test_a_data_set_that_fails_costs_no_other_one_and_is_compared_on_resuming(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data = ["bars-and-stripes:2", "late.csv", "bars-and-stripes:3"]
    executor = InlineExecutor()
    first = zoo.compare_each(ASKED | {"data": data}, executor=executor)
    assert first.path == Path("runs/compare-bars-and-stripes_2-late-bars-and-stripes_3-1")
    assert list(first.each) == ["bars-and-stripes_2", "bars-and-stripes_3"]
    assert "late.csv" in first.errors["late"]
    assert first.failed == [f"late: {first.errors['late']}"]
    alone = zoo.compare(**ASKED, data="bars-and-stripes:2", executor=executor, out="alone")
    for mine, other in zip(first.each["bars-and-stripes_2"].typed.rows, alone.typed.rows, strict=True):
        assert mine.summary == other.summary

    rng = np.random.default_rng(0)
    np.savetxt("late.csv", rng.normal(size=(60, 3)), delimiter=",", header="a,b,c", comments="")
    counted = []
    second = zoo.compare_each(resume=first.path, executor=executor, on_event=ended(counted))
    assert second.errors == {}
    assert len(counted) == 2  # the trainings on late.csv alone
    assert list(second.each) == ["bars-and-stripes_2", "late", "bars-and-stripes_3"]
    for name in first.each:
        assert second.each[name].typed.rows == first.each[name].typed.rows
    (listed,) = find_runs(Path("runs"))
    assert (listed.data, listed.result) == ("bars-and-stripes_2, late, bars-and-stripes_3", "finished")

    found = {each.metric: each for each in second.summary.columns}
    summary = json.loads((second.path / "summary.json").read_text())
    assert {each["metric"] for each in summary["columns"]} == set(found)
    page = (second.path / "summary.html").read_text()
    assert all(f'href="{name}/report.html"' in page for name in second.each)
    assert all((second.path / name / "report.html").exists() for name in second.each)
    capsys.readouterr()
    assert run(["report", str(second.path)]) == 0
    assert capsys.readouterr().out.endswith(f"{second}\nReports: {second.path / 'summary.html'}\n")
    assert zoo.Comparisons.open(second.path).summary.columns == second.summary.columns


def test_the_command_line_takes_names_with_commas_options_and_files(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "zoo.comparison.several.compare_each", lambda registry, asked, **more: calls.append((asked, more)) or 1 / 0
    )
    words = [
        "compare",
        "rbm",
        "vae",
        "--data",
        "digits,rings",
        "--data",
        "t.csv:labels=y,drop=a,b",
        "--seeds",
        "2",
        "--jobs",
        "1",
    ]
    with pytest.raises(ZeroDivisionError):
        run([*words, "--save", str(tmp_path / "e.toml")])
    with pytest.raises(ZeroDivisionError):
        run(["compare", "-f", str(tmp_path / "e.toml")])
    expected = Experiment(
        contestants=("rbm", "vae"), data=("digits", "rings", "t.csv:labels=y,drop=a,b"), seeds=(0, 1), jobs=1
    )
    assert [asked for asked, _ in calls] == [expected, expected]
    (tmp_path / "a,b.csv").touch()
    assert data_sets(str(tmp_path / "a,b.csv")) == [str(tmp_path / "a,b.csv")]


def test_what_is_wrong_for_every_data_set_leaves_no_folder(tmp_path):
    asked = {"contestants": ["rmb"], "data": ["digits", "rings"]}
    with pytest.raises(ConfigError, match=r"No model named 'rmb' is installed. Did you mean 'rbm'"):
        zoo.compare_each(asked, out=tmp_path, executor=InlineExecutor())
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="must name several data sets, got 'digits'"):
        zoo.compare_each(asked | {"data": "digits"}, out=tmp_path)
    with pytest.raises(ConfigError, match="zoo.compare takes one data set, got digits, rings; use zoo.compare_each"):
        zoo.compare("rbm", ["digits", "rings"], out=tmp_path)
    with pytest.raises(ConfigError, match="data must be a name or path, or a list of different ones"):
        zoo.compare_each(asked | {"data": ["digits", "digits"]}, out=tmp_path)


def test_an_interrupted_comparison_names_the_folder_of_all_data_sets(tmp_path, monkeypatch):
    def interrupted(*given, **named):
        raise Interrupted(2, "zoo compare --resume part")

    monkeypatch.setattr("zoo.comparison.several.compare", interrupted)
    with pytest.raises(Interrupted, match="zoo compare --resume .*compare-digits-rings-1"):
        zoo.compare_each({"contestants": ["rbm"], "data": ["digits", "rings"]}, out=tmp_path)
