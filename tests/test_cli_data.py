"""`zoo data`: what is installed, what is in it, where its files are."""

import json
import subprocess
import sys

import numpy as np
import pytest

import zoo
from tests.test_fetch import CONTENT, FILES, put, served
from zoo.builtin.datasets.mnist import MNIST
from zoo.cli.main import run
from zoo.data import fetch


def result(capsys, *words):
    """Exit code and JSON of `zoo data … --json`."""
    code = run(["data", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """`mnist` made of two small files, which lie nowhere yet."""
    monkeypatch.setattr(MNIST, "files", tuple(FILES))
    monkeypatch.setattr(fetch, "_SYSTEM", tmp_path / "system")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOO_DATA", raising=False)
    return tmp_path


def test_each_command_has_help_with_an_example_and_takes_json(capsys):
    for name in ("list", "info", "fetch"):
        assert run(["data", name, "--help"]) == 0
        text = capsys.readouterr().out
        assert f"Example: zoo data {name}" in text
        assert "--json" in text


def test_list_shows_every_data_set_with_where_it_is_from(capsys):
    code, rows = result(capsys, "list")
    assert code == 0
    names = {row["name"]: row["distribution"] for row in rows}
    assert names.items() >= dict.fromkeys(["digits", "bars-and-stripes", "mnist", "fashion-mnist"], "genzoo").items()
    assert run(["data", "list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in names)
    digits = zoo.load_data("digits")
    count = sum(len(getattr(digits, split)) for split in ("train", "valid", "test"))
    (contents,) = [row["summary"] for row in rows if row["name"] == "digits"]
    assert contents.startswith(f"{count:,} ")
    assert "{}x{} grayscale, 10 classes".format(*digits.spec.shape) in contents


def test_list_shows_a_data_set_that_cannot_be_used_with_the_reason(distribution, capsys):
    distribution("zoo-old", entry="coins", group="zoo.datasets", requires=("genzoo>=99",))
    zoo.refresh()
    try:
        _, rows = result(capsys, "list")
    finally:
        zoo.refresh()
    (coins,) = [row for row in rows if row["name"] == "coins"]
    assert (coins["state"], coins["distribution"]) == ("incompatible", "zoo-old")
    assert "needs genzoo>=99" in coins["reason"]


def test_list_imports_neither_torch_nor_pydantic():
    code = (
        "import sys; from zoo.cli.main import run; assert run(['data', 'list']) == 0 == run(['data', '--help']);"
        "print(sorted({'torch', 'pydantic', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_info_of_digits(capsys):
    code, facts = result(capsys, "info", "digits")
    assert code == 0
    assert [facts[split] for split in ("train", "valid", "test")] == [899, 180, 718]
    assert (facts["shape"], facts["support"], facts["classes"]) == ([8, 8], "unit", 10)
    assert facts["sha256"] == zoo.load_data("digits").sha256
    assert facts["licence"].startswith("CC BY 4.0")
    assert run(["data", "info", "digits"]) == 0
    text = capsys.readouterr().out
    assert "8, 8" in text
    assert facts["sha256"] in text


def test_info_takes_an_argument_and_says_what_may_be_one(capsys):
    _, facts = result(capsys, "info", "bars-and-stripes:2")
    assert (facts["train"], facts["shape"], facts["classes"]) == (6, [2, 2], 0)
    assert facts["argument"] == "the side n, 2 to 4 (default 3)"


def test_info_of_a_file_of_ones_own(tmp_path, capsys):
    (tmp_path / "table.csv").write_text("a,b,kind\n" + "1,2,x\n3,5,y\n" * 10)
    code, facts = result(capsys, "info", f"{tmp_path / 'table.csv'}:labels=kind")
    assert code == 0
    assert (facts["name"], facts["columns"], facts["classes"]) == ("table.csv", ["a", "b"], 2)
    assert "licence" not in facts


def test_fetch_fetches_once_and_says_where(letters, monkeypatch, capsys):
    put(letters / "mirror" / "mnist")
    with served(letters / "mirror") as (address, asked):
        monkeypatch.setenv("ZOO_MIRROR", address)
        code, first = result(capsys, "fetch", "mnist")
        assert run(["data", "fetch", "mnist"]) == 0
    assert (code, len(asked)) == (0, 2)
    assert first["files"] == [str(letters / "cache" / "data" / "mnist" / f"{name}.gz") for name in CONTENT]
    assert capsys.readouterr().out.splitlines() == first["files"]


def test_fetch_is_content_with_the_files_in_zoo_data(letters, monkeypatch, capsys):
    put(letters / "mine" / "mnist", packed=False)
    monkeypatch.setenv("ZOO_DATA", str(letters / "mine"))
    _, answer = result(capsys, "fetch", "mnist")
    assert answer["files"] == [str(letters / "mine" / "mnist" / name) for name in CONTENT]


def test_fetch_without_a_server_exits_with_4_in_one_line(letters, monkeypatch, capsys):
    with served(letters) as (address, _):
        pass
    monkeypatch.setenv("ZOO_MIRROR", address)
    assert run(["data", "fetch", "mnist"]) == 4
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "set ZOO_DATA to it, or choose a mirror with ZOO_MIRROR" in err


def test_a_data_set_without_files_says_so(capsys):
    assert result(capsys, "fetch", "digits") == (0, {"name": "digits", "files": []})
    assert run(["data", "fetch", "digits"]) == 0
    assert capsys.readouterr().out == "digits needs no files.\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["info", "digts"], 2, "Did you mean 'digits'"),
        (["fetch", "mnits"], 2, "Did you mean 'mnist'"),
        (["info", "./nothing.npy"], 4, "nothing.npy does not exist."),
    ],
)
def test_what_cannot_be_done_says_so_with_its_exit_code(tmp_path, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(tmp_path)
    assert run(["data", *words]) == code
    assert message in capsys.readouterr().err


def test_a_model_trained_on_a_table_samples_in_the_units_of_the_table(tmp_path):
    x = np.random.default_rng(0).normal([1000.0, -3.0], [5.0, 1e-3], (200, 2))
    (tmp_path / "t.csv").write_text("a,b\n" + "\n".join(f"{a!r},{b!r}" for a, b in x.tolist()))
    words = ["train", "vae:likelihood=gaussian,latent_dim=2,hidden=[8]", "--data", str(tmp_path / "t.csv")]
    assert run([*words, "--steps", "20", "--out", str(tmp_path)]) == 0
    (run_folder,) = tmp_path.glob("vae*")
    assert run(["sample", str(run_folder), "-n", "400", "-o", str(tmp_path / "s.npy")]) == 0
    means = np.load(tmp_path / "s.npy").mean(0)
    assert abs(means[0] - 1000) < 5  # one standard deviation of the data
    assert abs(means[1] + 3) < 1e-3
