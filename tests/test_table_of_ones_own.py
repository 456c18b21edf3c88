"""A user's own measurements, end to end: scikit-learn's breast-cancer table, written to CSV, through every command."""

import csv
import json

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from zoo.cli.main import run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    bunch = load_breast_cancer()
    with (folder / "cancer.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*bunch.feature_names, "diagnosis"])
        writer.writerows(
            [[*row, bunch.target_names[label]] for row, label in zip(bunch.data, bunch.target, strict=True)]
        )
    return folder


@pytest.fixture(autouse=True)
def path_inside(place, monkeypatch):
    monkeypatch.chdir(place)


def table(path):
    with path.open() as file:
        header, *rows = csv.reader(file)
    return header, np.array(rows, dtype=float)


def test_train_sample_encode_decode_give_tables_in_the_user_s_units_and_names(place):
    data = "cancer.csv:labels=diagnosis"
    assert run(["train", "vae", "--data", data, "--epochs", "60"]) == 0
    assert run(["sample", "runs/vae-cancer-1", "-n", "300", "-o", "samples.csv"]) == 0
    header, samples = table(place / "samples.csv")
    bunch = load_breast_cancer()
    assert header == list(bunch.feature_names)
    # in units of the data: each column's mean within a third of its standard deviation, and a spread of its order
    offset = (samples.mean(0) - bunch.data.mean(0)) / bunch.data.std(0)
    assert np.abs(offset).max() < 1 / 3
    spread = samples.std(0) / bunch.data.std(0)
    assert 0.5 < spread.min() <= spread.max() < 1.5
    assert run(["encode", "runs/vae-cancer-1", "--data", data, "-o", "z.csv"]) == 0
    assert run(["decode", "runs/vae-cancer-1", "z.csv", "-o", "x.csv"]) == 0
    header, decoded = table(place / "x.csv")
    assert header == list(bunch.feature_names)
    assert decoded.shape == (569, 30)


def test_compare_ranks_a_fitted_model_above_the_lecture_s_failing_one(place, warm, capsys):
    rbm = "rbm:hidden=100,sample.steps=100,sample.temperatures=20,sample.burn_in=20"
    normal, gmm = (f"ae@{density}:sample.k=20" for density in ("normal", "gmm"))
    arguments = ["--data", "cancer.csv:labels=diagnosis", "--seeds", "1", "--epochs", "60", "--json"]
    assert run(["compare", rbm, normal, gmm, "vae:sample.k=20", *arguments]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results["protocol"]["data"]["support"] == "real"
    distance = {row["contestant"]: row["summary"]["frechet"]["mean"] for row in results["rows"]}
    assert distance[gmm] < distance[normal]
    real = distance.pop("real")
    assert real < 1.2 * distance.pop(gmm)  # 114 examples against 114: the floor itself varies by as much
    assert real < min(distance.values())


def test_a_picture_of_a_table_is_refused_with_the_way_out(capsys):
    assert run(["sample", "runs/vae-cancer-1", "-o", "x.png"]) == 2
    assert "write .npy or .npz" in capsys.readouterr().err
