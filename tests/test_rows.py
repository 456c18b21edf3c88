"""Runs know their data: encode, score, evaluate and resume take all rows of a file in order, from any folder."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch

import zoo
from zoo.cli.main import run
from zoo.comparison.run import evaluated
from zoo.comparison.run_data import data_of_runs
from zoo.errors import CheckpointError, ConfigError, DataError
from zoo.report.table import as_text

NAMES = ["a", "b", "c"]
TABLE = np.round(np.random.default_rng(0).standard_normal((40, 3)) @ [[1, 2, 0], [0, 1, 1], [0, 0, 1]], 4)
KINDS = ["cat" if k % 3 else "dog" for k in range(40)]


def write(path, x, header=NAMES, words=None):
    cells = [[*map(repr, row), *([word] if words else [])] for row, word in zip(x.tolist(), words or x, strict=True)]
    path.write_text("\n".join(map(",".join, [header, *cells])) + "\n")


def read(path):
    """Names and columns of a table."""
    with path.open() as file:
        names, *rows = csv.reader(file)
    return names, np.array(rows, dtype=float)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with tables, and with a VAE and a conditional VAE trained on them for a few steps."""
    folder = tmp_path_factory.mktemp("home")
    write(folder / "t.csv", TABLE)
    write(folder / "kinds.csv", TABLE, [*NAMES, "kind"], KINDS)
    model = "vae:likelihood=gaussian,latent_dim=2,hidden=[4]"
    for contestant, data in ((model, "t.csv"), (f"{model},conditional=true", "kinds.csv:labels=kind")):
        words = ["train", contestant, "--data", f"{folder}/{data}", "--steps", "3", "--out", str(folder / "runs")]
        assert run(words) == 0
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_encode_takes_all_rows_in_the_order_of_the_file_and_needs_nothing_typed(home, elsewhere):
    model = zoo.load(home / "runs" / "vae-t-1")
    expected = model.encode(TABLE).numpy()
    for words in ([], ["--data", str(home / "t.csv")]):
        assert run(["encode", str(home / "runs" / "vae-t-1"), *words, "-o", "z.csv"]) == 0
        assert np.allclose(read(elsewhere / "z.csv")[1], expected, atol=1e-6)
    assert run(["encode", str(home / "runs" / "vae-t-1"), "--split", "test", "-o", "z.npy"]) == 0
    data = zoo.load_data(home / "t.csv")
    assert torch.equal(torch.from_numpy(np.load("z.npy")), model.encode(data.test))


@pytest.mark.parametrize("count", [1, 5, 40])
def test_any_number_of_rows_with_columns_in_any_order_is_encoded(home, elsewhere, count):
    write(elsewhere / "new.csv", np.column_stack([TABLE[:count, ::-1], np.arange(count)]), [*NAMES[::-1], "id"])
    assert run(["encode", str(home / "runs" / "vae-t-1"), "--data", "new.csv", "-o", "z.csv"]) == 0
    expected = zoo.load(home / "runs" / "vae-t-1").encode(TABLE[:count]).numpy()
    assert np.allclose(read(elsewhere / "z.csv")[1], expected, atol=1e-6)


def test_the_classes_of_a_conditional_model_are_those_of_its_training(home, elsewhere):
    write(elsewhere / "new.csv", TABLE[:2], [*NAMES, "kind"], ["dog", "dog"])  # alone, dog would be 0
    folder = home / "runs" / "vae-kinds-1"
    assert run(["encode", str(folder), "--data", "new.csv", "-o", "z.npy"]) == 0
    model = zoo.load(folder)
    assert model.protocol["data"]["class_names"] == ["cat", "dog"]
    assert torch.equal(torch.from_numpy(np.load("z.npy")), model.encode(TABLE[:2], 1))
    write(elsewhere / "eel.csv", TABLE[:2], [*NAMES, "kind"], ["dog", "eel"])
    assert run(["encode", str(folder), "--data", "eel.csv", "-o", "z.npy"]) == 4


def test_score_gives_each_row_its_likelihood_and_reconstruction_error(home, elsewhere):
    x = TABLE[:6].copy()
    x[2] += 15
    write(elsewhere / "new.csv", x)
    folder = home / "runs" / "vae-t-1"
    assert run(["score", str(folder), "--data", "new.csv", "-o", "s.csv", "--set", "k=50"]) == 0
    names, columns = read(elsewhere / "s.csv")
    assert names == ["row", "log_likelihood_lower_bound", "reconstruction_error"]
    model = zoo.load(folder)
    (answer,) = model.log_prob(x, seed=0, k=50)
    offset, scale = (each.double().numpy() for each in model.standardisation)
    error = ((model.reconstruct(x).double().numpy() - x) / scale) ** 2
    assert columns[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert np.allclose(columns[:, 1], answer.nats.numpy(), rtol=1e-5)
    assert np.allclose(columns[:, 2], error.sum(1), rtol=1e-4)
    assert columns[:, 1].argmin() == columns[:, 2].argmax() == 2
    assert offset.shape == (3,)


def test_rows_without_a_value_are_left_out_and_the_others_keep_their_numbers(home, elsewhere, capsys):
    write(elsewhere / "new.csv", TABLE[:4])
    text = (elsewhere / "new.csv").read_text().splitlines()
    text[2] = "1.0,,2.0"
    (elsewhere / "new.csv").write_text("\n".join(text))
    folder = str(home / "runs" / "vae-t-1")
    assert run(["score", folder, "--data", "new.csv", "-o", "s.csv"]) == 4
    assert "line 3, column 'b': no value" in capsys.readouterr().err
    assert run(["score", folder, "--data", "new.csv:missing=drop", "-o", "s.csv"]) == 0
    assert read(elsewhere / "s.csv")[1][:, 0].tolist() == [1, 3, 4]
    assert "Note: 1 rows with missing values are left out." in capsys.readouterr().err
    assert run(["score", folder, "--data", "new.csv:missing=mean", "-o", "s.csv"]) == 0
    model = zoo.load(folder)
    filled = TABLE[:4].copy()
    filled[1] = (1.0, model.standardisation[0][1], 2.0)
    assert np.allclose(read(elsewhere / "s.csv")[1][:, 1], model.log_prob(filled)[0].nats.numpy(), rtol=1e-4)


def test_other_columns_are_refused_with_both_lists(home, elsewhere, capsys):
    write(elsewhere / "new.csv", TABLE, ["x", "y2", "z"])
    assert run(["encode", str(home / "runs" / "vae-t-1"), "--data", "new.csv", "-o", "z.csv"]) == 4
    assert "must have the columns a, b, c, matched by name: new.csv has no column 'a'." in capsys.readouterr().err


# Where the data of a run are


def test_a_run_is_evaluated_on_its_own_data_with_its_options_from_any_folder(home, elsewhere):
    folder = home / "runs" / "vae-kinds-1"
    assert evaluated(zoo.api.default, folder)[1] == f"{home}/kinds.csv:labels=kind"
    assert evaluated(zoo.api.default, folder, "moved.csv")[1] == "moved.csv:labels=kind"
    assert evaluated(zoo.api.default, folder, "digits")[1] == "digits"
    shutil.copy(folder / "model.safetensors", "alone.safetensors")
    with pytest.raises(
        ConfigError, match="was trained on kinds.csv and does not say where that is; name it with --data"
    ):
        evaluated(zoo.api.default, "alone.safetensors")
    both = [folder, home / "runs" / "vae-t-1"]
    with pytest.raises(ConfigError, match="The runs were trained on several data: .*; choose one with --data"):
        data_of_runs(both, zoo.api.default)


def test_a_file_that_was_moved_is_named_and_checked_by_its_hash(home, elsewhere, capsys):
    shutil.copytree(home / "runs" / "vae-kinds-1", "run")
    facts = json.loads((elsewhere / "run" / "run.json").read_text())
    facts["source"] = f"{elsewhere}/gone.csv:labels=kind"
    (elsewhere / "run" / "run.json").write_text(json.dumps(facts))
    assert run(["encode", "./run", "-o", "z.npy"]) == 4
    assert (
        "gone.csv, on which run was trained, does not exist any more; say where it is with" in capsys.readouterr().err
    )
    shutil.copy(home / "kinds.csv", "moved.csv")
    assert zoo.resume("run", data="moved.csv", progress=False).n_parameters  # finished; the same content
    write(elsewhere / "other.csv", TABLE + 1, [*NAMES, "kind"], KINDS)
    with pytest.raises(CheckpointError, match="was saved under other conditions: data "):
        zoo.resume("run", data="other.csv", progress=False)


def test_a_finished_run_is_not_resumed_with_a_smaller_budget_and_nothing_is_written(home, elsewhere, capsys):
    shutil.copytree(home / "runs" / "vae-t-1", "run")
    before = {path.name: path.read_bytes() for path in (elsewhere / "run").iterdir()}
    assert run(["train", "--resume", "run", "--steps", "2", "--allow-changes"]) == 2
    assert (
        "trained for 3 steps already, more than the total budget of 2 steps; give a larger" in capsys.readouterr().err
    )
    assert {path.name: path.read_bytes() for path in (elsewhere / "run").iterdir()} == before
    assert run(["train", "--resume", "run", "--steps", "4", "--allow-changes"]) == 0
    assert json.loads((elsewhere / "run" / "run.json").read_text())["steps"] == 4


# Few examples


def test_ten_examples_are_compared_and_a_collapse_is_said_below_the_table(tmp_path, compare):
    x = np.random.default_rng(0).random((10, 3))
    contestant = "vae:beta=1000,latent_dim=1,hidden=[2],train.learning_rate=0.1"
    found = compare(zoo, [contestant], x, seeds=1, steps=60, out=tmp_path)
    assert not found.failed
    said = f"{contestant}: posterior collapse in 1 of 1 seed: none of 1 units is active"
    assert said in as_text(found.table(), width=300)
    assert list(tmp_path.rglob("*.pictures.npz"))


def test_few_samples_are_compared_with_as_many_test_examples(tmp_path, compare):
    x = np.random.default_rng(0).random((50, 3))
    np.save(tmp_path / "s.npy", x[:12])
    with pytest.raises(DataError, match=r"at least 20 samples, one per test image, got 12; add more, or .* --n 12"):
        compare(zoo, f"samples:{tmp_path}/s.npy", x, out=tmp_path)
    found = compare(zoo, f"samples:{tmp_path}/s.npy", x, n=12, out=tmp_path)
    data = zoo.load_data(x)
    assert found.results["protocol"]["data"]["sizes"] == [25, 5, 12]
    assert found.results["protocol"]["data"]["sha256"] == data.sha256
    assert "the first of the test split, as n asks" in found.results["protocol"]["reference"]
    with pytest.raises(ConfigError, match="has 20 test examples to compare with; n must be from 2 to 20, got 21"):
        data.with_first_test_examples(21)
    assert torch.equal(data.with_first_test_examples(12).test, data.test[:12])
