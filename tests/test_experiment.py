"""Experiment files: what is wrong is said at once, and a comparison is repeated to the digit."""

from __future__ import annotations

import pytest

import zoo
from zoo.cli.main import run
from zoo.comparison.experiment import Experiment
from zoo.comparison.plan import Plan
from zoo.engine.executor import InlineExecutor
from zoo.errors import ConfigError
from zoo.training.budget import TrainingBudget

AE = "ae:hidden=[8],latent_dim=2"


def written(folder, text):
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def figures(comparison):
    """What was measured of every row and seed, without the seconds that it took."""
    return [
        (row.contestant, cell.seed, {name: each.model_dump() for name, each in cell.metrics.items()})
        for row in comparison.typed.rows
        for cell in row.cells
    ]


def test_the_file_in_the_folder_of_a_comparison_repeats_its_figures_to_the_digit(tmp_path):
    grid = "contestants = ['ae@normal:hidden=[8],latent_dim=1|2']\nsteps = 3\nseeds = [4]\n"
    grid += "metrics = ['precision', 'likelihood']\n"
    path = written(tmp_path, f"{grid}data = 'bars-and-stripes:3'\n")
    executor = InlineExecutor()
    first = zoo.compare(experiment=path, out=tmp_path, executor=executor, save=tmp_path / "saved.toml")
    assert list(first) == ["ae@normal:hidden=[8],latent_dim=1", "ae@normal:hidden=[8],latent_dim=2", "real"]
    assert [metric.name for metric in first.typed.metrics] == ["precision", "likelihood"]  # the former is of --full
    assert (tmp_path / "saved.toml").read_text() == (first.path / "experiment.toml").read_text()
    again = zoo.compare(experiment=first.path / "experiment.toml", out=tmp_path, executor=executor)
    assert figures(again) == figures(first)
    assert figures(again)[0][2] != figures(again)[1][2]
    for part in ("budget", "seeds", "features", "data"):
        assert getattr(again.typed.protocol, part) == getattr(first.typed.protocol, part)


def test_an_experiment_is_read_as_it_was_written(tmp_path):
    plan = Plan(('vae:note="ü|\\"x"', "ae"), ("noise",), "digits", (3, 1), None, False, str(tmp_path), n=50)
    asked = Experiment.of(plan, TrainingBudget(0.1, "epochs"), {"jobs": 2, "timeout": 1e-5})
    asked.write(tmp_path / "e.toml")
    assert Experiment.read(tmp_path / "e.toml") == asked
    assert asked == Experiment(
        contestants=plan.contestants, data="digits", seeds=(3, 1), epochs=0.1, controls=True, n=50, jobs=2, timeout=1e-5
    )
    steps = Experiment.of(plan, TrainingBudget(5.0, "steps"), {})
    assert steps.steps == 5
    assert type(steps.steps) is int
    assert Experiment(seeds=3).seeds == (0, 1, 2)


def test_a_run_is_found_from_the_folder_in_which_the_experiment_was_started(tmp_path, monkeypatch):
    (tmp_path / "runs" / "x").mkdir(parents=True)
    plan = Plan(("runs/x",), (), "digits", (0,), None, False, str(tmp_path))
    Experiment.of(plan, None, {}).write(tmp_path / "e.toml")
    monkeypatch.chdir("/")
    assert Experiment.read(tmp_path / "e.toml").directory == str(tmp_path)
    with pytest.raises(ConfigError, match="No metric named 'frechets'.* Did you mean 'frechet'"):
        zoo.compare(AE, "digits", metrics=["frechets"], out=tmp_path)
    bare = written(tmp_path, "contestants = ['samples:mine.npy']")
    with pytest.raises(ConfigError, match=r"contestants\.0 'samples:mine\.npy' names a file that does not exist"):
        Experiment.read(bare)


def test_everything_that_is_wrong_is_named_at_once_with_its_place(tmp_path):
    path = written(
        tmp_path, "contestants = ['rbm', 'a b']\nseeds = [1, 1]\nepoch = 3\nn = 1\ndevice = 'gpu'\nfull = 1\n"
    )
    with pytest.raises(ConfigError) as caught:
        Experiment.read(path)
    message = str(caught.value)
    assert message.startswith(f"Settings of {path}: ")
    assert "contestants.1 'a b' is not a valid contestant" in message
    assert "seeds must be distinct, got (1, 1)" in message
    assert "no key 'epoch'. Did you mean 'epochs'?" in message
    assert "n must be greater than or equal to 2, got 1" in message
    assert "device must be cpu, cuda or cuda:NUMBER, got 'gpu'" in message
    assert "full must be a valid boolean, got 1" in message
    assert "contestants.0" not in message


def test_a_file_and_what_it_replaces_are_not_mixed(tmp_path, capsys):
    path = written(tmp_path, "seeds = 2\n")
    for words in (["rbm"], ["--seeds", "2"], ["--data", "digits"], ["--full"], ["--epochs", "1"], ["--n", "20"]):
        assert run(["compare", "-f", str(path), *words]) == 2
        assert f"{path} says what is compared" in capsys.readouterr().err
    for bad, why in (("= 1", "is not a valid TOML file: "), (None, "cannot be read: No such file")):
        path.unlink() if bad is None else path.write_text(bad)
        assert run(["compare", "-f", str(path)]) == 2
        assert why in capsys.readouterr().err


def test_an_array_is_in_no_experiment_file(tmp_path):
    data = zoo.load_data("digits").train[:40].reshape(40, -1).numpy()
    with pytest.raises(ConfigError, match="An experiment file cannot hold an array"):
        zoo.compare(AE, data, save=tmp_path / "e.toml", out=tmp_path)
