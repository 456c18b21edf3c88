"""`zoo push` and loading from where it was pushed: real files, a local server that speaks a hub's endpoints."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.hub_server import Hub
from zoo.cli.main import run
from zoo.exchange.export import _description
from zoo.exchange.provenance import short_path, without_folders
from zoo.models.model import FILE
from zoo.results.file import read_results

TABLE = Path(__file__).with_name("old_files") / "table"
CELL = TABLE / "ae" / "seed-0"  # of ae@gaussian
MODEL = next(CELL.glob("*.safetensors"))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on this machine, and an empty cache of its files."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs genzoo[hub]")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the library waits between its attempts
    monkeypatch.setenv("HF_TOKEN", "hf_local")
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


def cached(tmp_path) -> list[Path]:
    """The model files, or parts of them, in the cache."""
    return [path for path in (tmp_path / "hub-cache").rglob("*") if path.suffix in (".safetensors", ".incomplete")]


def test_a_model_comes_back_from_a_hub_by_its_commit_and_once(hub, tmp_path, capsys):
    assert run(["push", str(CELL), "hub:us/ae"]) == 0
    ((commit, files),) = hub.repositories["us/ae"]
    address = f"hub:us/ae@{commit}"
    assert capsys.readouterr().out == f'Pushed. Load it with: zoo.load("{address}")\n'
    assert files.keys() == {FILE, "README.md"}
    assert files[FILE] == MODEL.read_bytes()

    hub.requests.clear()
    assert zoo.load(address).sample(5, seed=1).equal(zoo.load(MODEL).sample(5, seed=1))
    assert {request.rpartition("/")[2] for request in hub.requests} == {FILE}
    hub.requests.clear()
    assert run(["sample", address, "-n", "3", "-o", str(tmp_path / "x.npy")]) == 0
    assert hub.requests == []


def test_a_later_push_does_not_change_what_a_commit_names(hub):
    first = zoo.push(CELL, "hub:us/model")
    second = zoo.push(TABLE / "rbm" / "seed-0", "hub:us/model")
    assert first != second
    assert (zoo.load(first).name, zoo.load(second).name) == ("ae@gaussian", "rbm")


def test_the_card_says_what_the_model_is_how_it_was_trained_and_how_well_it_generates(tmp_path):
    zoo.push(CELL, tmp_path)
    card = (tmp_path / "README.md").read_text()
    figure = next(row for row in read_results(TABLE).rows if row.folder == "ae").figure("reconstruction")
    for line in (
        "library_name: genzoo",
        "# ae@gaussian on bars-and-stripes:3",
        'pip install "genzoo[hub]" zoo-ae',
        "| latent\\_dim | 2 |",
        "| budget | 40 steps |",
        f"| reconstruction error | {figure.mean:.4g} ± {figure.half_width:.2g} | lower | 2 |",
    ):
        assert line in card.splitlines()
    assert "Reference: doi:10.1126/science.1127647." in card


def test_the_results_of_an_evaluation_are_found_by_the_path_of_the_run(tmp_path, monkeypatch):
    shutil.copytree(CELL, tmp_path / "mine")
    content = (TABLE / "results.json").read_text().replace("ae@gaussian:hidden=[8],latent_dim=2", "mine:sample.k=5")
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "results.json").write_text(content)
    monkeypatch.chdir(tmp_path)
    assert run(["push", "mine", "out", "--results", "evaluation"]) == 0
    assert "As mine:sample.k=5 in a comparison on bars-and-stripes:3" in (tmp_path / "out" / "README.md").read_text()
    shutil.copy(MODEL, "renamed.safetensors")
    with pytest.raises(zoo.CheckpointError, match=r"has no row of renamed.*, but rbm:hidden=6, ae@gaussian.*'zoo eval"):
        zoo.push("renamed.safetensors", "out", TABLE)


def test_a_published_model_names_no_folder_of_the_machine(tmp_path):
    """Weights, data and splits are given by absolute paths, and so is the run in its evaluation."""
    scratch = tmp_path / "secret"
    scratch.mkdir()
    x = np.random.default_rng(0).random((30, 4))
    np.savetxt(scratch / "mine.csv", x, delimiter=",")
    np.savetxt(scratch / "tested.csv", x[:12], delimiter=",")
    data, small = f"{scratch}/mine.csv:test={scratch}/tested.csv", "ae@gaussian:latent_dim=2,hidden=[4]"
    zoo.train(small, data, steps=2, folder=scratch / "first", progress=False)
    model = zoo.train(small, data, steps=2, weights=scratch / "first", folder=scratch / "second", progress=False)
    assert model.protocol["weights"]["path"] == str(scratch / "first" / FILE)  # the run still names it
    content = (TABLE / "results.json").read_text()
    content = content.replace("ae@gaussian:hidden=[8],latent_dim=2", f"{scratch}/second:sample.k=5")
    (scratch / "evaluation").mkdir()
    (scratch / "evaluation" / "results.json").write_text(content)

    out = tmp_path / "out"
    zoo.push(scratch / "second", out, scratch / "evaluation")
    assert {path.name for path in out.iterdir()} == {FILE, "README.md"}
    for path in out.iterdir():
        published = path.read_bytes()
        assert b"secret" not in published
        assert str(tmp_path).encode() not in published
        assert str(tmp_path).replace("_", "\\_").encode() not in published  # as the card escapes it
    card = (out / "README.md").read_text()
    assert "| weights.path | first/model.safetensors |" in card
    assert f"| weights.sha256 | {model.protocol['weights']['sha256']} |" in card
    assert "As second:sample.k=5 in a comparison" in card
    assert "secret" not in json.dumps(_description(model, "torch", {}, {}))  # export.json
    again = zoo.load(out)
    weights = model.protocol["weights"] | {"path": "first/model.safetensors"}
    assert again.protocol == model.protocol | {"weights": weights}
    assert again.sample(5, seed=1).equal(model.sample(5, seed=1))


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("/home/us/runs/vae-digits-1/model.safetensors", "vae-digits-1/model.safetensors"),
        ("/model.safetensors", "model.safetensors"),
        ("/home/us/vae/seed-0/vae@gmm.safetensors", "vae@gmm.safetensors"),
        (r"C:\us\runs\vae-1\model.safetensors", "vae-1/model.safetensors"),
        ("/home/us/x.csv", "x.csv"),
        ("runs/vae-1", "runs/vae-1"),
        ("zoo-rbm/rbm:hidden=6", "zoo-rbm/rbm:hidden=6"),
        ("40 steps", "40 steps"),
    ],
)
def test_an_absolute_path_is_cut_to_the_run_and_the_file(text, short):
    assert short_path(text) == short
    assert without_folders({"a": [text, 1], "b": None}) == {"a": [short, 1], "b": None}


@pytest.mark.parametrize("destination", ["memory://travel/one", "file://{folder}"])
def test_a_model_comes_back_from_an_address(destination, tmp_path):
    pytest.importorskip("fsspec", reason="needs genzoo[hub]")
    address = zoo.push(CELL, destination.format(folder=tmp_path / "deep" / "er"))
    assert zoo.load(address).sample(5, seed=1).equal(zoo.load(MODEL).sample(5, seed=1))
    assert zoo.load(f"{address}/{FILE}").name == "ae@gaussian"


def test_an_interrupted_push_leaves_no_half_file(monkeypatch):
    memory = pytest.importorskip("fsspec.implementations.memory", reason="needs genzoo[hub]").MemoryFileSystem

    def fail(*_, **__):
        raise OSError("the connection was lost")

    monkeypatch.setattr(memory, "mv", fail)
    with pytest.raises(zoo.ZooError, match=r"^memory://travel/two cannot be written: the connection was lost\.$"):
        zoo.push(CELL, "memory://travel/two")
    assert memory().ls("/travel/two") == []


def test_an_interrupted_download_is_one_sentence_and_leaves_no_half_file(hub, tmp_path, capfd):
    address = zoo.push(CELL, "hub:us/ae")
    hub.cut = True
    assert run(["sample", address, "-o", str(tmp_path / "x.npy")]) == 5
    error = capfd.readouterr().err
    assert error.startswith(f"Error: {address} cannot be downloaded: peer closed connection")
    assert error.count("\n") == 1
    assert cached(tmp_path) == []
    hub.cut = False
    assert zoo.load(address).name == "ae@gaussian"


def test_no_network_and_a_refusal_are_one_sentence(hub, tmp_path, monkeypatch):
    address = zoo.push(CELL, "hub:us/ae")
    hub.status = 403
    with pytest.raises(zoo.ZooError, match=r"^hub:us/ae cannot be written: the server answered 403 Forbidden\.$"):
        zoo.push(CELL, "hub:us/ae")
    with pytest.raises(zoo.CheckpointError, match=r"cannot be downloaded: the server answered 403 Forbidden\.$"):
        zoo.load(address)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(zoo.CheckpointError, match=r"cannot be downloaded: .*Connection refused\.$"):
        zoo.load(address)
    assert cached(tmp_path) == []


def test_what_a_hub_does_not_have_is_refused(hub):
    zoo.push(CELL, "hub:us/ae")
    for name in ("us/ae", "us/other"):
        with pytest.raises(zoo.CheckpointError, match=f"hub:{name}@0* cannot be downloaded: the server answered 404"):
            zoo.load(f"hub:{name}@{'0' * 40}")


@pytest.mark.parametrize(
    "address", ["hub:us/ae", "hub:us/ae@main", "hub:us/ae@4cb76c0", f"hub:us/ae@{'F' * 40}", f"hub:us/ae@{'0' * 41}"]
)
def test_a_model_is_loaded_by_a_commit_only(address):
    said = address.partition("@")[2]
    with pytest.raises(
        zoo.ConfigError, match=f"with 40 hexadecimal digits, got {repr(said) if said else 'none'}; 'zoo"
    ):
        zoo.load(address)


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("hub:ae", "must be hub:USER/NAME or hub:USER/NAME@COMMIT, got 'hub:ae'"),
        ("hub:us/ae@main", "'hub:us/ae@main' must be hub:us/ae"),
    ],
)
def test_a_destination_that_is_none_is_refused(destination, message):
    pytest.importorskip("huggingface_hub", reason="needs genzoo[hub]")
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.push(CELL, destination)


def test_a_damaged_model_is_neither_pushed_nor_loaded(tmp_path):
    content = bytearray(MODEL.read_bytes())
    content[-1] ^= 1
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(zoo.CheckpointError, match="is damaged"):
        zoo.push(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    pytest.importorskip("fsspec", reason="needs genzoo[hub]")
    with pytest.raises(zoo.CheckpointError, match=f"^file://{tmp_path} is damaged"):
        zoo.load(f"file://{tmp_path}")


def test_a_missing_plugin_is_named_with_its_distribution_and_not_installed(tmp_path, distribution):
    distribution("zoo-coins")
    registry = zoo.Registry()
    registry.train("coins", "digits", steps=1, folder=tmp_path / "coins", progress=False)
    registry.push(tmp_path / "coins", tmp_path / "out")
    assert "zoo-coins" in (tmp_path / "out" / "README.md").read_text()
    shutil.rmtree(next((tmp_path / "site").glob("*.dist-info")))
    with pytest.raises(zoo.ConfigError, match=r"No model named 'coins' is installed.* needs zoo-coins 1\.0\.$"):
        zoo.Registry().load(tmp_path / "out")


def test_without_the_library_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(zoo.ConfigError, match=r'A hub needs huggingface_hub, .*: pip install "genzoo\[hub\]"\.$'):
        zoo.load(f"hub:us/ae@{'0' * 40}")
