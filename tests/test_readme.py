"""The README is run: its commands, its code blocks, and its table against the columns that the zoo prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import zoo.testing
from zoo.cli.main import cli

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line.startswith("zoo ")]
CODE = [block for kind, block in BLOCKS if kind == "python"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


def test_the_readme_has_what_is_tested_here():
    assert len(COMMANDS) >= 8
    assert len(CODE) == 2


@pytest.mark.documents
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_works(command, place):
    arguments = command.split()[1:]
    done = subprocess.run([sys.executable, "-m", "zoo", *arguments], cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.documents
def test_the_plugin_of_the_readme_passes_its_checks():
    place = {}
    exec(CODE[1].split("zoo.register")[0], place)
    verdict = zoo.testing.examine(place["PCAPlugin"])
    assert [each.check for each in verdict.outcomes if each.status == "failed"] == []
    assert sum(each.status == "passed" for each in verdict.outcomes) >= 33


@pytest.mark.documents
@pytest.mark.parametrize("block", CODE, ids=["api", "plugin"])
def test_a_code_block_of_the_readme_runs(block, place):
    done = subprocess.run([sys.executable, "-c", block], cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "vae" in done.stdout


def test_the_table_of_plugins_is_what_its_command_prints():
    command, table = re.search(r"<!-- Written by: zoo (.*) -->\n(.*)<!-- Until here. -->", README, re.DOTALL).groups()
    assert CliRunner().invoke(cli, command.split()).output == table


def test_the_table_of_the_readme_has_the_rows_of_the_default_comparison():
    from zoo.plugins.catalogue import read_catalogue

    for contestant in read_catalogue().compare.contestants:
        assert re.search(rf"^\W*{re.escape(contestant)} ", README, re.MULTILINE), contestant


def test_the_answer_of_the_readme_gives_figures_of_its_table():
    table = {row.split("|")[1].strip(): row.split("|")[3] for row in README.splitlines() if row.startswith("| ")}
    answer = README.partition("**On these digits")[2].partition("\n\n")[0]
    plain, fitted = re.search(r"`ae@normal`\).* is (\S+), where .*`ae@gmm`\), it is (\S+),", answer, re.DOTALL).groups()
    assert f" {plain} ±" in table["ae@normal"]
    assert f"**{fitted} ±" in table["ae@gmm"]


def test_the_picture_and_pages_that_the_readme_links_to_exist():
    here = Path(__file__).parents[1]
    links = [target for target in re.findall(r"\]\(([^)#]+)", README) if "://" not in target]
    assert "docs/pictures/samples.png" in links
    assert [target for target in links if not (here / target).exists()] == []
