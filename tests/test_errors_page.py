"""docs/errors.md: every refused input with its message and exit code, as the command line really gives them."""

import re
import shutil
from pathlib import Path

import pytest

from tests.wrong_data import FETCHED, READ, Wrong, matches
from tests.wrong_plugins import WRONG_PLUGINS
from tests.wrong_runs import CONTESTANT, WRONG_RUNS
from zoo.api import default
from zoo.cli.main import run

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
CASES = [wrong for group in READ.values() for wrong in group]


def rows(section: str) -> list[tuple[str, str, str]]:
    """(situation, message, exit code) of each row of a section's table."""
    text = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert text, section
    table = re.findall(r"^\| (.*) \| `(.*)` \| (\d) \|$", text[1], re.M)
    return [(situation, message.replace("\\|", "|"), code) for situation, message, code in table]


@pytest.mark.parametrize(("section", "group"), READ.items(), ids=list(READ))
def test_the_page_shows_exactly_the_data_that_the_tests_try(section, group):
    assert rows(f"Data: {section}") == [(wrong.situation, wrong.message, "4") for wrong in group]


def test_the_page_shows_what_can_go_wrong_with_a_fetch():
    assert rows("Data: files to fetch") == [(situation, message, "4") for situation, message in FETCHED.items()]


@pytest.mark.parametrize("wrong", CASES, ids=str)
def test_the_command_line_says_it_in_one_line_and_exits_with_4(wrong: Wrong, tmp_path, capsys):
    assert run(["train", "vae", "--data", wrong.make(tmp_path), "--out", str(tmp_path / "runs")]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert matches(f"Error: {wrong.message}\n", err), err
    assert not list(tmp_path.glob("runs/**/*.safetensors"))


@pytest.mark.parametrize(("section", "group"), WRONG_PLUGINS.items(), ids=list(WRONG_PLUGINS))
def test_the_page_shows_exactly_the_plugins_that_the_tests_try(section, group):
    assert rows(f"Plugins: {section}") == [(wrong.situation, wrong.message, str(wrong.code)) for wrong in group]


@pytest.mark.parametrize("wrong", [wrong for group in WRONG_PLUGINS.values() for wrong in group], ids=str)
def test_a_wrong_plugin_is_named_in_one_line_when_it_is_asked_for_and_hurts_no_other(
    wrong, distribution, tmp_path, capsys, monkeypatch
):
    settings = dict(wrong.settings)
    if settings.pop("blocked", False):
        monkeypatch.setenv("ZOO_NO_PLUGINS", "coins")
    if settings.pop("twice", False):
        distribution("zoo-another")
    distribution(then=wrong.then, **settings)
    default.refresh()
    out = ["--steps", "1", "--out", str(tmp_path)]
    try:
        code = run(["train", wrong.contestant, *out])
        if wrong.command != "train":
            assert code == 0
            capsys.readouterr()
            code = run([wrong.command, str(tmp_path / "coins-digits-1"), "-o", str(tmp_path / "x.npy"), *wrong.more])
        _, err = capsys.readouterr()
        assert code == wrong.code
        assert matches(f"Error: {wrong.message}\n", err), err
        assert run(["train", "ae:hidden=[4]", *out]) == 0
    finally:
        default.refresh()


def test_the_page_shows_exactly_the_runs_that_the_tests_try():
    assert rows("Runs") == [(wrong.situation, wrong.message, str(wrong.code)) for wrong in WRONG_RUNS]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with two states."""
    out = tmp_path_factory.mktemp("runs")
    assert run(["train", CONTESTANT, "--steps", "3", "--save-every", "0", "--out", str(out)]) == 0
    return out / "vae-digits-1"


@pytest.mark.parametrize("wrong", WRONG_RUNS, ids=str)
def test_a_run_that_cannot_be_resumed_or_used_says_why_in_one_line(wrong, trained, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "run")
    wrong.spoil(folder)
    files = {path: path.read_bytes() for path in folder.iterdir()}
    assert run(wrong.words.replace("RUN", str(folder)).split()) == wrong.code
    out, err = capsys.readouterr()
    assert out == ""
    assert matches(f"Error: {wrong.message}\n", "".join(err.splitlines(keepends=True)[-1:])), err
    assert {path: path.read_bytes() for path in files} == files
