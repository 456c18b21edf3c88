"""The command line: what each command writes and prints, and how it ends when it cannot."""

import dataclasses
import io
import json
import re
import shutil

import numpy as np
import pytest
import torch
from zoo_ae.plugin import AEPlugin

import zoo
from zoo.cli.check import _print
from zoo.cli.decode import _codes
from zoo.cli.files import write_array
from zoo.cli.main import COMMANDS, run
from zoo.conformance.check import Outcome
from zoo.conformance.verdict import Verdict
from zoo.report.grid import as_pixels, tile


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder with a small VAE under a mixture, trained through the command line."""
    out = tmp_path_factory.mktemp("runs")
    assert run(["train", "vae@gmm:latent_dim=2,hidden=[16]", "--steps", "20", "--out", str(out)]) == 0
    return out / "vae@gmm-digits-1"


def said(capsys):
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_every_command_has_help_with_an_example(capsys):
    for name in COMMANDS:
        assert run([name, "--help"]) == 0
        out, _ = said(capsys)
        assert "Example: zoo" in out
        assert f"zoo {name}" in out.split("Example:")[1]


def test_every_command_that_prints_a_result_takes_json(capsys):
    for name in COMMANDS.keys() - {"explore"}:  # serves a page
        run([name, "--help"])
        assert "--json" in said(capsys)[0]


def test_train_writes_a_run_folder_of_its_own_each_time(trained, capsys):
    names = ["metrics.jsonl", "model.safetensors", "report.html", "run.json", "samples.png", "state.safetensors"]
    assert sorted(path.name for path in trained.iterdir()) == names
    run(["train", "vae@gmm:latent_dim=2,hidden=[16]", "--steps", "1", "--out", str(trained.parent), "--json"])
    out, _ = said(capsys)
    assert json.loads(out)["run"].endswith("vae@gmm-digits-2")


def test_train_draws_its_samples_and_writes_a_small_page_that_loads_nothing(trained, tmp_path):
    samples = zoo.load(trained).sample(64, seed=0)
    assert (trained / "samples.png").read_bytes() == zoo.show(samples).save(tmp_path / "x.png").read_bytes()
    page = (trained / "report.html").read_text()
    assert len(page) < 300_000
    assert re.findall(r"<h2>(\w+)</h2>", page) == [
        *("Curves", "Samples", "Reconstructions", "Interpolation", "Codes", "Settings", "Next"),
    ]
    assert "<script" not in page
    assert set(re.findall(r'(?:src|href)="(\w+:)', page)) == {"data:"}
    assert '<th scope="row">latent_dim</th><td>2</td>' in page


def test_train_says_what_a_step_has_cost(tmp_path, capsys):
    assert run(["train", "vae:latent_dim=2,hidden=[16]", "--steps", "3", "--out", str(tmp_path)]) == 0
    ms = json.loads((tmp_path / "vae-digits-1" / "run.json").read_text())["step_ms"]
    assert list(ms) == ["all"]
    assert f"\nCost: 3 steps of {ms['all']:.3g} ms\n" in said(capsys)[0]


def test_train_resume_says_where_it_goes_on_and_needs_nothing_typed_again(trained, tmp_path, capsys):
    run_folder = shutil.copytree(trained, tmp_path / "run")
    (run_folder / "model.safetensors").unlink()
    assert run(["train", "--resume", str(run_folder)]) == 0
    assert f"{run_folder} resumes from {run_folder / 'state.safetensors'}.\n" in said(capsys)[1]
    assert (run_folder / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    (run_folder / "state.safetensors").unlink()
    assert run(["train", "--resume", str(run_folder)]) == 0
    assert f"{run_folder} has no checkpoint and starts at its first step.\n" in said(capsys)[1]
    assert (run_folder / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    assert run(["train", "--resume", str(run_folder), "--steps", "21", "--allow-changes", "--json"]) == 0
    assert json.loads(said(capsys)[0])["contestant"] == "vae@gmm:latent_dim=2,hidden=[16]"
    assert json.loads((run_folder / "run.json").read_text())["steps"] == 21


@pytest.mark.parametrize("suffix", ["png", "npy", "npz"])
def test_sample_writes_pictures_and_arrays(trained, tmp_path, capsys, suffix):
    output = tmp_path / f"samples.{suffix}"
    assert run(["sample", str(trained), "-n", "9", "-o", str(output)]) == 0
    if suffix == "png":
        assert output.read_bytes().startswith(b"\x89PNG")
    else:
        content = np.load(output)
        x = content["samples"] if suffix == "npz" else content
        assert x.shape == (9, 8, 8)
        assert 0 <= x.min() <= x.max() <= 1


def test_the_same_seed_writes_the_same_samples(trained, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(["sample", str(trained), "-n", "3", "--seed", str(seed), "-o", str(tmp_path / f"{name}.npy")])
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """A run folder with a small conditional VAE."""
    out = tmp_path_factory.mktemp("conditional")
    assert run(["train", "vae:conditional=true,latent_dim=2,hidden=[16]", "--steps", "20", "--out", str(out)]) == 0
    return out / "vae-digits-1"


def test_sample_of_a_label_or_of_drawn_ones(conditional, tmp_path):
    model, path = zoo.load(conditional), tmp_path / "x.npz"
    assert run(["sample", str(conditional), "-n", "6", "--label", "3", "-o", str(path)]) == 0
    assert np.array_equal(np.load(path)["samples"], model.sample(6, 3, seed=0).numpy())
    assert run(["sample", str(conditional), "-n", "6", "-o", str(path)]) == 0
    assert np.array_equal(np.load(path)["labels"], model.draw_labels(6, seed=0).numpy())
    assert np.array_equal(np.load(path)["samples"], model.sample(6, seed=0).numpy())


def test_a_picture_of_a_conditional_model_has_a_row_for_each_class(conditional, tmp_path, capsys):
    path = tmp_path / "x.png"
    assert run(["sample", str(conditional), "-n", "21", "-o", str(path)]) == 0
    assert "Wrote 30 samples of vae" in said(capsys)[0]
    samples = zoo.load(conditional).sample(30, torch.arange(10).repeat_interleave(3), seed=0)
    assert path.read_bytes() == png(samples, 3)
    assert run(["sample", str(conditional), "-n", "9", "--label", "4", "-o", str(path)]) == 0
    assert path.read_bytes() == png(zoo.load(conditional).sample(9, 4, seed=0), 3)


def png(samples, across):
    """The bytes of a picture of samples."""
    buffer = io.BytesIO()
    tile(as_pixels(samples.numpy()), across).save(buffer, format="PNG")
    return buffer.getvalue()


def test_encode_of_a_conditional_model_takes_the_labels_of_the_data_and_decode_one_label(conditional, tmp_path):
    z, x = tmp_path / "z.npy", tmp_path / "x.npy"
    assert run(["encode", str(conditional), "--split", "valid", "-o", str(z)]) == 0
    model, data = zoo.load(conditional), zoo.load_data("digits")
    assert np.array_equal(np.load(z), model.encode(data.valid, data.valid_labels).numpy())
    assert run(["decode", str(conditional), str(z), "--label", "7", "-o", str(x)]) == 0
    assert np.array_equal(np.load(x), model.decode(torch.from_numpy(np.load(z)), 7).numpy())


def test_labels_are_for_conditional_models_only(trained, conditional, tmp_path, capsys):
    z, x = str(tmp_path / "z.npy"), str(tmp_path / "x.npy")
    assert run(["sample", str(trained), "--label", "3", "-o", x]) == 2
    assert "vae@gmm is not conditional, so it takes no classes y" in said(capsys)[1]
    assert run(["sample", str(conditional), "--label", "10", "-o", x]) == 2
    assert "Classes y must be from 0 to 9, got 10" in said(capsys)[1]
    run(["encode", str(conditional), "-o", z])
    assert run(["decode", str(conditional), z, "-o", x]) == 2
    assert "vae is a model of p(x|y); give the classes y" in said(capsys)[1]
    bare = tmp_path / "bare.npy"
    np.save(bare, zoo.load_data("digits").test[:20].numpy())
    assert run(["encode", str(conditional), "--data", str(bare), "-o", z]) == 4
    assert f"{bare} has no labels, which a conditional model needs" in said(capsys)[1]


def test_decode_of_encode_is_the_reconstruction(trained, tmp_path):
    import zoo

    assert run(["encode", str(trained), "--split", "valid", "-o", str(tmp_path / "z.npy")]) == 0
    assert run(["decode", str(trained), str(tmp_path / "z.npy"), "-o", str(tmp_path / "x.npy")]) == 0
    assert np.load(tmp_path / "z.npy").shape == (180, 2)
    expected = zoo.load(trained).reconstruct(zoo.load_data("digits").valid)
    assert np.array_equal(np.load(tmp_path / "x.npy"), expected.numpy())


class Single(AEPlugin):
    """An autoencoder whose code is one value, of shape ()."""

    card = dataclasses.replace(AEPlugin.card, name="single", summary="one value")

    @zoo.hookimpl
    def encode(self, model, x):
        return model.encode(x)[:, 0]

    @zoo.hookimpl
    def decode(self, model, z):
        return model.decode(z[:, None])


@pytest.mark.parametrize("suffix", ["csv", "npy"])
def test_codes_of_any_shape_come_back_from_their_files(tmp_path, suffix):
    registry = zoo.Registry()
    registry.register(Single)
    for name, settings in (("single", "latent_dim=1"), ("vae", "latent_dim=3")):
        model = registry.create(f"{name}:{settings},hidden=[4]")
        z = model.encode(zoo.load_data("digits").test[:5])
        write_array(tmp_path / f"z.{suffix}", z, "code")
        torch.testing.assert_close(_codes(tmp_path / f"z.{suffix}", model), z)
    with pytest.raises(zoo.DataError, match=r"must contain codes of shape \(N\), got \(5, 3\)"):
        _codes(tmp_path / f"z.{suffix}", registry.create("single:latent_dim=1,hidden=[4]"))


def test_check_shows_one_error_once(capsys):
    traceback = "Traceback (most recent call last):\n  a line\nRuntimeError: no luck\n"
    outcomes = [
        Outcome(check, "shapes", f"{check} holds.", "failed", "RuntimeError: no luck", traceback=traceback)
        for check in ("first", "second")
    ]
    outcomes.append(Outcome("third", "shapes", "third holds.", "failed", "2 is not 3"))
    _print(Verdict("zoo-x/x", "1.0", [], outcomes))
    out, _ = said(capsys)
    assert out.startswith(f"FAILED  first: first holds.\n{traceback}")
    assert "FAILED  second: second holds.\nThe same error as in first: RuntimeError: no luck\n" in out
    assert "FAILED  third: third holds.\n2 is not 3\n" in out
    assert out.count("a line") == 1


def test_info_shows_every_setting_with_its_bounds(capsys):
    assert run(["info", "vae", "--json"]) == 0
    facts = json.loads(said(capsys)[0])
    assert {row["name"] for row in facts["config"]} >= {"latent_dim", "hidden", "beta"}
    assert all(row["description"] for key in ("config", "training", "options") for row in facts[key])
    types = {row["name"]: (row["type"], row["bounds"]) for row in facts["config"]}
    assert types["latent_dim"] == ("int", "> 0")
    assert types["hidden"] == ("list of int", "")
    assert types["likelihood"] == ("auto | bernoulli | gaussian", "")
    assert run(["info", "vae"]) == 0
    assert "latent_dim" in said(capsys)[0]


def test_plugins_shows_all_groups(capsys):
    assert run(["plugins", "--json"]) == 0
    groups = {row["group"] for row in json.loads(said(capsys)[0])}
    assert groups == {"zoo.models", "zoo.densities", "zoo.datasets", "zoo.features", "zoo.metrics", "zoo.controls"}


def test_doctor_loads_every_plugin(warm, capsys):
    assert run(["doctor", "--json"]) == 0
    diagnosis = json.loads(said(capsys)[0])
    assert {row["state"] for row in diagnosis["plugins"]} == {"loaded"}
    assert {"rbm", "ae", "vae", "gmm", "digits", "frechet"} <= {row["name"] for row in diagnosis["plugins"]}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["trian"], 2, "Did you mean 'train'"),
        (["train"], 2, "Missing argument"),
        (["train", "vea"], 2, "Did you mean 'vae'"),
        (["train", "vae:"], 2, "is not a valid contestant"),
        (["train", "vae:latent_dim=two"], 2, "latent_dim must be a valid integer, got 'two'"),
        (["train", "vae", "--data", "digts"], 2, "Did you mean 'digits'"),
        (["train", "vae", "--epochs", "0"], 2, "finite number above 0"),
        (["train", "vae", "--epochs", "1", "--steps", "1"], 2, "keep one"),
        (["train", "vae", "--save-every", "nan"], 2, "a finite number of seconds >= 0, got nan"),
        (["compare", "vae", "--save-every", "nan"], 2, "a finite number of seconds >= 0, got nan"),
        (["compare", "--resume", "here", "--out", "there"], 2, "keeps its folder; remove --out"),
        (["compare", "vae", "--resume", "here"], 2, "keeps its contestants, seeds, budget, device, features and n"),
        (["compare", "--controls", "--resume", "here"], 2, "keeps its contestants, seeds, budget"),
        (["compare", "--resume", "here"], 5, "here is not the folder of a comparison: plan.json cannot be read"),
        (["train", "vae", "--keep", "0"], 2, "keep must be at least 1, got 0"),
        (["train", "--resume", "no-such-run"], 5, "is not a run folder: run.json cannot be read"),
        (["train", "--resume", "RUN", "--seed", "1"], 2, "remove --seed and --out"),
        (["train", "--resume", "RUN", "--steps", "30"], 5, "budget 20 steps then, 30 steps now. Continue from it"),
        (["info", "vea"], 2, "Did you mean 'vae'"),
        (["sample", "no-such-run", "-o", "x.npy"], 5, "Cannot read no-such-run"),
        (["sample", "no-such-run", "-o", "x.gif"], 2, "must end in .png"),
        (["sample", "no-such-run", "-o", "nowhere/x.npy"], 2, "does not exist; create it first"),
        (["sample", "RUN", "-n", "0", "-o", "x.npy"], 2, "not in the range"),
        (["sample", "RUN", "--set", "steps=3", "-o", "x.npy"], 2, "no key 'steps'"),
        (["encode", "RUN", "--set", "steps=3", "-o", "z.npy"], 2, "no key 'steps'"),
        (["decode", "RUN", "no-codes.npy", "-o", "x.npy"], 4, "no-codes.npy does not exist"),
        (["encode", "RUN", "--data", "bars-and-stripes:3", "-o", "z.npy"], 4, "was trained on examples of shape"),
        (["compare", "vae", "vae"], 2, "twice"),
    ],
)
def test_what_cannot_be_done_says_so_with_its_exit_code(
    trained, tmp_path, monkeypatch, capsys, arguments, code, message
):
    monkeypatch.chdir(tmp_path)
    assert run([str(trained) if word == "RUN" else word for word in arguments]) == code
    out, err = said(capsys)
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert not list(tmp_path.glob("**/*.safetensors"))


def test_an_autoencoder_says_why_it_cannot_sample(tmp_path, capsys):
    assert run(["train", "ae", "--steps", "1", "--out", str(tmp_path)]) == 0
    assert run(["sample", str(tmp_path / "ae-digits-1"), "-o", str(tmp_path / "x.npy")]) == 2
    assert "ae@gmm" in said(capsys)[1]


def test_debug_shows_the_traceback(capsys):
    assert run(["--debug", "info", "vea"]) == 2
    assert "Traceback" in said(capsys)[1]
