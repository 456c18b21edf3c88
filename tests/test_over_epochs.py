"""One training, measured after some of its epochs: the models are those of a shorter training, and nothing changes."""

from __future__ import annotations

import json

import pytest
import torch

import zoo
from tests.report_folder import results, typed
from zoo.cli.main import run
from zoo.comparison.over_epochs import chosen_epochs
from zoo.contestant import parse_contestant
from zoo.engine.executor import InlineExecutor
from zoo.report.answer import answer
from zoo.report.charts import over_epochs
from zoo.report.table_view import figures_over_epochs
from zoo.training.budget import TrainingBudget
from zoo.training.checkpoints import CheckpointPolicy
from zoo.training.job import TrainingJob
from zoo.training.module import train_module
from zoo.training.resolved import resolve
from zoo.training.validation import validation_loss

DATA = "bars-and-stripes:3"
AE = "ae:hidden=[8],latent_dim=2,train.schedule=constant,train.average=0.9"


def trained(folder, epochs, *snapshots, checkpoints=None):
    registry = zoo.Registry()
    folder.mkdir(exist_ok=True)
    job = TrainingJob(
        resolve(registry, parse_contestant(AE)),
        zoo.load_data(DATA),
        0,
        TrainingBudget(epochs, "epochs"),
        folder,
        checkpoints,
        snapshots=snapshots,
    )
    return train_module(job)


def test_a_snapshot_is_the_model_of_a_training_of_so_many_epochs_and_changes_nothing(tmp_path):
    with_snapshots = trained(tmp_path / "a", 3, 1, 2, 7)
    plain = trained(tmp_path / "b", 3)
    assert all(
        torch.equal(value, plain.module.state_dict()[name])
        for name, value in with_snapshots.module.state_dict().items()
    )
    assert sorted(path.name for path in (tmp_path / "a").glob("epoch-*")) == ["epoch-1", "epoch-2"]
    assert not list((tmp_path / "b").glob("epoch-*"))
    for epochs in (1, 2):
        short, snapshot = trained(tmp_path / f"c{epochs}", epochs), zoo.load(tmp_path / "a" / f"epoch-{epochs}")
        for name, value in snapshot.module.state_dict().items():
            assert torch.equal(value, short.module.state_dict()[name])  # averaged weights, as a training ends with
            assert not torch.equal(value, plain.module.state_dict()[name])


def test_a_snapshot_of_an_epoch_is_written_after_resuming_within_it(tmp_path):
    trained(tmp_path / "a", 1, checkpoints=CheckpointPolicy(0))
    policy = CheckpointPolicy(0, start=tmp_path / "a" / "state.safetensors", allow_changes=True)
    trained(tmp_path / "a", 3, 2, checkpoints=policy)
    whole = trained(tmp_path / "b", 2)
    resumed = zoo.load(tmp_path / "a" / "epoch-2")
    assert all(
        torch.equal(value, whole.module.state_dict()[name]) for name, value in resumed.module.state_dict().items()
    )


def test_the_validation_loss_of_an_autoencoder_is_its_mean_error_on_the_validation_split():
    data = zoo.load_data("digits")
    model = zoo.create("ae:hidden=[8],latent_dim=2", data)
    error = (data.valid - model.reconstruct(data.valid)).square().flatten(1).sum(1).mean().item()
    assert validation_loss(model, data, 0) == pytest.approx(error, rel=1e-5)
    assert validation_loss(zoo.create("rbm:hidden=4", data), data, 0) is None  # its chains are part of the training


def test_a_figure_after_an_epoch_is_that_of_a_comparison_of_so_many_epochs(tmp_path):
    shared = {"data": DATA, "seeds": [3], "executor": InlineExecutor()}
    contestants = [AE.replace("ae:", "ae@normal:"), AE.replace("ae:", "ae@gaussian:")]
    long = zoo.compare(contestants, over_epochs=[2, 1], out=tmp_path / "long", **shared)
    short = zoo.compare(contestants, epochs=1, out=tmp_path / "short", **shared)
    assert (long.typed.protocol.budget.value, long.typed.protocol.budget.unit) == (2.0, "epochs")
    assert [(each.contestant, each.seed, each.epoch) for each in long.typed.over_epochs] == [
        (contestant, 3, 1) for contestant in contestants
    ]
    for entry in long.typed.over_epochs:
        own = short[entry.contestant].cells[0].metrics
        compared = {name: its.value for name, its in entry.metrics.items() if its.value is not None}
        assert compared
        assert compared == {name: own[name].value for name in compared}
    lines = [json.loads(line) for line in (long.path / "ae" / "seed-3" / "validation.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert "over_epochs" not in json.loads((short.path / "results.json").read_text())
    assert 'id="over-epochs"' in (long.path / "report.html").read_text()
    resumed = zoo.compare(resume=long.path, executor=InlineExecutor())
    assert resumed.typed.over_epochs == long.typed.over_epochs


@pytest.fixture
def found():
    """Results with a contestant that gets worse with training, and one that gets better."""
    found = results()
    found["protocol"]["budget"] = {"value": 100, "unit": "epochs"}
    curves = {"ae@normal": {5: (2.0, 3.0), 20: (4.0, 5.0), 100: (6.0, 7.0)}, "vae": {5: (4.0, 4.0), 100: (3.0, 1.0)}}
    found["over_epochs"] = [
        {"contestant": name, "seed": seed, "epoch": epoch, "metrics": {"frechet": {"value": values[seed]}}}
        for name, curve in curves.items()
        for seed in (1, 0)
        for epoch, values in curve.items()
        if epoch < 100
    ]
    found["over_epochs"][0]["failed"] = "no memory"
    del found["over_epochs"][0]["metrics"]
    for row in found["rows"]:
        if row["contestant"] in curves:
            last = curves[row["contestant"]][100]
            row["cells"] = [{"seed": n, "metrics": {"frechet": {"value": value}}} for n, value in enumerate(last)]
    return found


def test_an_epoch_counts_if_every_seed_has_it(found):
    assert figures_over_epochs(typed(found), "frechet") == {
        "ae@normal": {20: [4.0, 5.0], 100: [6.0, 7.0]},
        "vae": {5: [4.0, 4.0], 100: [3.0, 1.0]},
    }


def test_the_figure_has_a_line_of_means_and_a_dot_for_each_seed(found):
    chart = over_epochs(typed(found))
    line, dots, *_ = chart["data"]
    assert (line["x"], line["y"]) == ([20, 100], [4.5, 6.5])
    assert (dots["x"], dots["y"]) == ([20, 20, 100, 100], [4.0, 5.0, 6.0, 7.0])
    assert chart["layout"]["xaxis"]["title"]["text"] == "epochs of training (log scale)"
    assert chart["layout"]["xaxis"]["tickvals"] == [5, 20, 100]
    assert over_epochs(typed()) is None


@pytest.mark.parametrize(("last", "told"), [((6.0, 7.5), True), ((6.0, 7.4), False), ((5.9, 7.5), False)])
def test_a_contestant_is_said_to_get_worse_if_every_training_does(found, last, told):
    for row in found["rows"]:
        if row["contestant"] == "ae@normal":
            for cell, value in zip(row["cells"], last, strict=True):
                cell["metrics"]["frechet"]["value"] = value
    said = {each.finding: each.evidence for each in answer(typed(found))}
    assert ("ae@normal generates worse the longer it is trained." in said) == told
    assert "vae generates worse the longer it is trained." not in said
    if told:
        assert said["ae@normal generates worse the longer it is trained."] == (
            "Fréchet distance 4.50 after 20 epochs, 6.75 after 100; it grows in each of 2 trainings."
        )


@pytest.mark.parametrize("epochs", [[5], [5, 5], [0, 5], [1.5, 5], "5,20", 5, [True, 5]])
def test_epochs_must_be_two_different_whole_numbers(epochs):
    with pytest.raises(zoo.ConfigError, match="over_epochs must be two or more different whole numbers >= 1, got"):
        chosen_epochs(epochs)


def test_the_last_epoch_is_the_budget(tmp_path, capsys):
    assert run(["compare", "ae@gmm", "--over-epochs", "5,20", "--epochs", "20", "--out", str(tmp_path)]) == 2
    assert "The last of over_epochs, 20, is the budget; leave 20 epochs out." in capsys.readouterr().err
    assert run(["compare", "ae@gmm", "--over-epochs", "5;20", "--out", str(tmp_path)]) == 2
    assert "'5;20' must be whole numbers, separated by commas: 5,20,100." in capsys.readouterr().err
