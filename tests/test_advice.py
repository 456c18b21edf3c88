"""Wrong inputs are answered with what to type instead, from metadata alone: torch is never imported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

import zoo
from zoo.api import default
from zoo.cli.main import cli, run
from zoo.contract.training import Training
from zoo.errors import nearest
from zoo.plugins.source import PluginSource

# Each line of the table is run by one process, which says what was printed and whether torch is there.
STEPS = """
import contextlib, io, json, sys
from zoo.cli.main import run

answers = []
for words in json.loads(sys.argv[1]):
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = run(words)
    answers.append([code, errors.getvalue() + output.getvalue(), "torch" in sys.modules])
print(json.dumps(answers))
"""

MODEL = "'vae' is a model, and this command needs a trained one: zoo train vae,"
WRONG = [
    ("train mnist", 2, "'mnist' is a data set, not a model; train a model on it: zoo train MODEL --data mnist."),
    ("compare ae mnist", 2, "'mnist' is a data set, not a model; train a model on it: zoo train MODEL --data mnist."),
    ("train gmm", 2, "'gmm' is a latent density, not a model; attach it to a model: MODEL@gmm."),
    ("train frechet", 2, "'frechet' is a metric, not a model; 'zoo info frechet' describes it."),
    ("train ae@vae", 2, "'vae' is a model, not a latent density; train it with 'zoo train vae'."),
    ("train ae --data vae", 2, "'vae' is a model, not a data set; train it with 'zoo train vae'."),
    ("train ae --data MNIST", 2, "No data set named 'MNIST' is installed. Did you mean 'mnist'?"),
    ("train ae --data imgs", 2, "No data set named 'imgs' is installed; the folder of this name is ./imgs."),
    ("train ae --data notes", 2, "No data set named 'notes' is installed; the file of this name is ./notes."),
    ("data info imgs:epochs=3", 2, "the folder of this name is ./imgs:epochs=3."),
    ("compare ae --data imgs", 2, "No data set named 'imgs' is installed; the folder of this name is ./imgs."),
    ("compare VAE", 2, "No model named 'VAE' is installed. Did you mean 'vae'?"),
    ("check VAE", 2, "No model named 'VAE' is installed. Did you mean 'vae'?"),
    ("compare rbm,vae", 2, "'rbm,vae' is not a valid contestant; separate contestants by spaces: rbm vae."),
    ("train made", 3, "Not installed: made. Install with: zoo install made;"),
    ("train vae --latent-dim 8", 2, "No such option '--latent-dim'; it is a setting of the model: vae:latent_dim=8."),
    ("train vae --latent_dim=8", 2, "it is a setting of the model: vae:latent_dim=8."),
    ("train vae --lr 0.1", 2, "it is a setting of the model: vae:train.learning_rate=0.1."),
    ("train --lr 0.1 vae:beta=2", 2, "it is a setting of the model: vae:beta=2,train.learning_rate=0.1."),
    ("compare ae vae@gmm --batch-size 64", 2, "it is a setting of the model: ae:train.batch_size=64."),
    ("train rbm --warmup 0.1", 2, "it is a setting of the model: rbm:train.warmup=0.1."),
    ("train vae --warmup 3", 2, "it is a setting of the model: vae:warmup=3."),
    ("train vae --hiden", 2, "it is a setting of the model: vae:hidden=VALUE."),
    ("train vae --frobnicate", 2, "Settings follow the model's name: vae:KEY=VALUE,…; 'zoo info vae' lists them."),
    ("train vae --dataset mnist", 2, "No such option '--dataset'; use --data mnist."),
    ("train vae --epoch 3", 2, "--epochs"),
    (
        "train vae --device gpu",
        2,
        "The device must be cpu, cuda, cuda:NUMBER, mps or auto, got 'gpu'; a GPU is cuda, or mps on a Mac.",
    ),
    ("sample vae", 5, MODEL),
    ("evaluate vae@gmm", 5, "'vae@gmm' is a model, and this command needs a trained one: zoo train vae@gmm,"),
    ("sample runs", 5, "runs is a folder of runs; choose one of: runs/pca-digits-1, runs/vae-digits-1."),
    ("report runs", 5, "runs is a folder of runs; choose one of: runs/pca-digits-1, runs/vae-digits-1."),
    ("decode vae z.npy", 5, "Trained already: runs/vae-digits-1."),
    ("encode runs/vae-digit-1", 5, "Did you mean 'runs/vae-digits-1'?"),
    ("sample imgs", 5, "imgs contains neither a run nor a model; 'zoo runs' lists those in ./runs."),
    ("info xylophone", 2, "No plugin or run named 'xylophone'. 'zoo plugins' lists what is installed,"),
    ("info digts", 2, "No plugin or run named 'digts'. Did you mean 'digits'?"),
]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a folder and a file of data, and two runs by their records."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "imgs").mkdir()
    (folder / "notes").write_text("")
    for name in ("vae", "pca"):
        record = {"plugin": f"zoo/{name}", "data": {"name": "digits"}, "budget": "3 epochs", "seed": 0}
        (folder / "runs" / f"{name}-digits-1").mkdir(parents=True)
        (folder / "runs" / f"{name}-digits-1" / "run.json").write_text(json.dumps(record | {"status": "trained"}))
    return folder


def test_wrong_names_and_options_are_answered_without_torch(here):
    words = json.dumps([line.split() for line, _, _ in WRONG])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", STEPS, words], capture_output=True, cwd=here, env=environment)
    assert done.stderr == b""
    answers = json.loads(done.stdout)
    assert [line for (line, *_), (_, _, torch) in zip(WRONG, answers, strict=True) if torch] == []
    for (line, code, message), (ended, said, _) in zip(WRONG, answers, strict=True):
        assert message in said, line
        assert ended == code, line
        assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("gan", ["mean", "vae"], ""),
        ("imgs", ["rings"], ""),
        ("rmb", ["rbm", "ae"], "rbm"),
        ("VAE", ["ae", "vae"], "vae"),
        ("vea", ["ae", "vae"], "vae"),
        ("fashion", ["mnist", "fashion-mnist"], "fashion-mnist"),
        ("latnet_dmi", ["latent_dim"], "latent_dim"),
        ("xxtent_dxm", ["latent_dim"], "latent_dim"),
        ("xxtent_dxx", ["latent_dim"], ""),
        ("sauce", ["source"], "source"),
        ("ab", ["abc"], "abc"),
        ("a", ["abc"], ""),
        ("", ["a", "b"], ""),
        ("a", [], ""),
    ],
)
def test_a_name_is_near_another_within_one_slip_in_three_characters(name, known, meant):
    assert nearest(name, known) == meant


@pytest.mark.parametrize("model", ["rbm", "ae", "vae"])
def test_the_settings_in_the_source_are_those_of_the_loaded_plugin(model):
    (candidate,) = (each for each in default.candidates() if each.name == model)
    card = candidate.load().card
    wanted = [*type(card.config()).model_fields]
    wanted += [f"train.{name}" for name in Training.model_fields]
    if card.options is not zoo.DeclaredNoise:  # of no class in the plugin's source
        wanted += [f"sample.{name}" for name in type(card.options()).model_fields]
    assert PluginSource.of(candidate).settings == wanted


def test_settings_and_runs_are_completed(here, monkeypatch):
    monkeypatch.chdir(here)

    def completed(*words):
        items = ShellComplete(cli, {}, "zoo", "_ZOO_COMPLETE").get_completions(list(words[:-1]), words[-1])
        return [item.value for item in items]

    assert completed("train", "vae:lat") == ["vae:latent_dim="]
    assert completed("train", "vae@gmm:beta=2,train.le") == ["vae@gmm:beta=2,train.learning_rate="]
    assert completed("compare", "vae:beta=2") == []
    assert completed("sample", "") == ["runs/pca-digits-1", "runs/vae-digits-1"]
    assert completed("sample", "runs/v") == ["runs/vae-digits-1"]


def test_errors_are_json_on_standard_output_where_json_is_asked_for(capsys):
    assert run(["info", "vea", "--json"]) == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert (error["kind"], error["exit_code"], err) == ("ConfigError", 2, "")
    assert error["message"].startswith("No plugin or run named 'vea'. Did you mean 'vae'?")
    assert run(["train", "vae", "--json", "--epochs", "few"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["kind"] == "BadParameter"
    assert err == ""


def test_an_output_without_a_name_takes_the_first_free_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["train", "vae:latent_dim=2,hidden=[16]", "--steps", "1"]) == 0
    folder = "runs/vae-digits-1"
    for name in ("samples.png", "samples-2.png"):
        assert run(["sample", folder, "-n", "4"]) == 0
        assert capsys.readouterr().out.endswith(f"to {name}.\n")
    assert run(["encode", folder]) == 0
    assert run(["decode", folder, "codes.npy"]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.*")) == [
        *("codes.npy", "decoded.png", "samples-2.png", "samples.png")
    ]
    inside = tmp_path / "compare" / "vae" / "seed-0"
    shutil.copytree(folder, inside)
    for name in ("vae", "vae@gmm"):
        shutil.copy(inside / "model.safetensors", inside / f"{name}.safetensors")
    (inside / "model.safetensors").unlink()
    with pytest.raises(zoo.CheckpointError, match=r"contains several models; choose one of: .*seed-0/vae\.safetensors"):
        zoo.load("compare")


def test_info_describes_plugins_of_every_group_and_runs(here, monkeypatch, capsys):
    monkeypatch.chdir(here)
    assert "accepts" in zoo.info("gmm")
    assert zoo.info("digits")["summary"].startswith("1,797 real handwritten digits")
    assert zoo.info("memoriser")["latent"] is None
    assert zoo.info("kde")["install"] == "zoo install kde"
    facts = zoo.info("runs/vae-digits-1")
    assert (facts["contestants"], facts["data"], facts["budget"], facts["result"]) == (
        *("vae", "digits", "3 epochs", "trained"),
    )
    assert run(["info", "gmm"]) == 0
    assert "accepts  real\n" in capsys.readouterr().out


def test_data_sets_are_listed_with_their_contents(capsys):
    assert run(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, contents in (
        ("digits", "1,797 real handwritten digits, 8x8 grayscale, 10 classes"),
        ("mnist", "70,000 handwritten digits, 28x28 grayscale, 10 classes"),
    ):
        assert any(line.split("  ")[0] == name and contents in line for line in lines)
