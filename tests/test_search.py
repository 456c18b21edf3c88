"""`zoo search` looks through everything that the catalogue says of a plugin."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from zoo.api import Registry
from zoo.cli.search import command

ENTRY = """
[[plugin]]
name = "{name}"
group = "zoo.models"
package = "zoo-{name}"
entry_point = "zoo_{name}:Plugin"
summary = "{summary}"
tier = "community"
requires_core = ">=0.1"
requires_python = ">=3.11"
licence = "MIT"
paper = "arXiv:1502.03509"
capabilities = ["log_prob"]
supports = ["bits"]
[[plugin.release]]
version = "1.0"
source = "plugins/{name}"
[[plugin.release]]
version = "1.1"
source = "plugins/{name}"
"""


@pytest.fixture
def search(tmp_path, monkeypatch, distribution):
    """`zoo search …` over a catalogue of two plugins, of which one is installed and cannot be imported."""
    head = 'schema = 1\n[compare]\ncontestants = ["nade"]\ndata = "digits"\nseeds = 3\n'
    summaries = {"nade": "Neural autoregressive density", "flow": "RealNVP"}
    entries = "".join(ENTRY.format(name=name, summary=summary) for name, summary in summaries.items())
    (tmp_path / "registry.toml").write_text(head + entries, encoding="utf-8")
    distribution("zoo-flow", entry="flow", then="raise SystemExit('imported')")
    monkeypatch.setattr("zoo.api.default", Registry(catalogue=tmp_path / "registry.toml"))
    return lambda *words: CliRunner().invoke(command, words, catch_exceptions=False).output


def test_every_word_must_occur_in_what_is_said_in_any_case(search):
    found = {words: [row["name"] for row in json.loads(search(*words, "--json"))] for words in SEARCHED}
    assert found == SEARCHED


SEARCHED = {
    (): ["nade", "flow"],
    ("AUTO",): ["nade"],
    ("zoo-flow",): ["flow"],
    ("1502.03509",): ["nade", "flow"],
    ("log_prob", "nvp"): ["flow"],
    ("bits", "masked", "nvp"): [],
}


def test_the_table_says_what_is_installed_and_which_version_is_the_newest(search):
    rows = [" ".join(line.split()) for line in search().splitlines()]
    assert rows == [
        "plugin group status package tier data summary",
        "nade models available zoo-nade 1.1 community bits Neural autoregressive density",
        "flow models installed zoo-flow 1.1 community bits RealNVP",
    ]
    assert search("rbm", "x") == "No catalogue entry contains 'rbm' and 'x'. 'zoo search' lists all entries.\n"


def test_json_has_every_fact_and_release(search):
    (nade,) = json.loads(search("nade", "--json"))
    assert (nade["installed"], nade["published"], nade["licence"]) == (False, False, "MIT")
    assert [release["version"] for release in nade["releases"]] == ["1.0", "1.1"]


def test_a_table_in_markdown_links_papers_and_is_the_same_whatever_is_installed(search):
    head, _, nade, flow = search("--markdown").splitlines()
    assert head == "| plugin | group | package | tier | code | likelihood | paper | summary |"
    paper = "[arXiv](https://arxiv.org/abs/1502.03509)"
    assert nade == f"| `nade` | models | `zoo-nade` | community | – | – | {paper} | Neural autoregressive density |"
    assert flow == nade.replace("nade", "flow").replace("Neural autoregressive density", "RealNVP")


def test_managing_plugins_imports_neither_torch_nor_pydantic():
    modules = (
        "cli.install",
        "cli.uninstall",
        "cli.sync",
        "cli.search",
        "installation.transaction",
        "installation.lock",
    )
    code = f"""
import importlib, sys
for name in {modules}:
    importlib.import_module("zoo." + name)
print(sorted({{"torch", "pydantic", "numpy"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
