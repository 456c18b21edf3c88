"""--trace-hooks: every call is counted, in this process and in a comparison's cells."""

import re

import pytest

from zoo.cli.main import run
from zoo.runtime import tracing


@pytest.fixture(autouse=True)
def traced(warm, monkeypatch):  # with a registry that has loaded nothing: what is loaded already is not traced
    monkeypatch.setenv(tracing.VARIABLE, "")  # put back afterwards: the option sets it
    monkeypatch.setattr(tracing, "_calls", {})


def test_a_command_prints_who_was_called_and_how_often(tmp_path, capsys):
    arguments = ["train", "vae:hidden=[8]", "--steps", "7", "--out", str(tmp_path)]
    assert run(["--trace-hooks", *arguments]) == 0
    calls = dict(re.findall(r"^zoo-vae/vae +(\w+) +(\d+) ", capsys.readouterr().err, re.MULTILINE))
    training = {"build": "1", "initialise": "1", "loss": "7"}
    pictures = {"sample": "1", "sample_codes": "1", "encode": "5", "decode": "34"}  # of the report
    assert calls == training | pictures


def test_a_cell_s_calls_are_in_its_log(tmp_path):
    assert (
        run(
            [
                "--trace-hooks",
                "compare",
                "vae:hidden=[8],sample.k=2",
                "--seeds",
                "1",
                "--steps",
                "7",
                "--out",
                str(tmp_path),
            ]
        )
        == 0
    )
    log = (tmp_path / "compare-digits-1" / "vae" / "seed-0" / "output.log").read_text()
    assert re.search(r"zoo-vae/vae +loss +7 ", log)
    assert re.search(r"genzoo/frechet +measure +1 ", log)


def test_nothing_is_traced_unasked(tmp_path, capsys):
    assert run(["train", "vae:hidden=[8]", "--steps", "2", "--out", str(tmp_path)]) == 0
    assert "calls" not in capsys.readouterr().err
    assert tracing.summary() == []
