"""`zoo new`: what it writes passes every check at once, trains on digits, and is the author's from then on."""

import importlib
import json
import tomllib

import pytest
from click.testing import CliRunner

from zoo.api import Registry
from zoo.cli.check import command as check
from zoo.cli.new import command as new
from zoo.errors import ConfigError, ZooError
from zoo.scaffold.new import scaffold


@pytest.fixture
def installed(site, tmp_path):
    """Write a new plugin, and install it as `pip install -e` would: its folder on the path, its metadata beside."""

    def install(name, *, minimal=False):
        scaffold(name, tmp_path, minimal=minimal)
        project = tomllib.loads((tmp_path / name / "pyproject.toml").read_text())["project"]
        info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        headers = ["Metadata-Version: 2.4", f"Name: {project['name']}", f"Version: {project['version']}"]
        headers += [f"Summary: {project['description']}", f"Requires-Python: {project['requires-python']}"]
        headers += [f"Requires-Dist: {line}" for line in project["dependencies"]]
        (info / "METADATA").write_text("\n".join(headers) + "\n")
        (entry,) = project["entry-points"]["zoo.models"].items()
        (info / "entry_points.txt").write_text(f"[zoo.models]\n{entry[0]} = {entry[1]}\n")
        for path in (tmp_path / name).glob("zoo_*"):
            path.rename(site / path.name)
        importlib.invalidate_caches()
        return tmp_path / name

    return install


def outcomes(name, *, exit_code=0):
    """Of `zoo check NAME --json`: the verdict, and the names of its checks by status."""
    result = CliRunner().invoke(check, [name, "--json"], standalone_mode=False)
    verdict = json.loads(result.stdout)
    statuses = {}
    for outcome in verdict["checks"]:
        statuses.setdefault(outcome["status"], []).append(outcome["check"])
    assert result.return_value == exit_code, [each for each in verdict["checks"] if each["status"] == "failed"]
    return verdict, statuses


def test_a_new_plugin_passes_every_check_and_skips_none(installed, warm):
    installed("demo-two")
    verdict, statuses = outcomes("demo-two")
    assert verdict["plugin"] == "zoo-demo-two/demo-two"
    assert set(statuses) == {"passed", "inapplicable"}
    assert verdict["refused"] == [
        "a table of 2 columns: p(x|z) is a distribution of bits; the data must be bits or values in [0, 1]"
    ]
    assert len(statuses["passed"]) >= 44


def test_a_minimal_plugin_passes_every_check(installed, warm):
    installed("demo", minimal=True)
    verdict, statuses = outcomes("demo")
    assert set(statuses) == {"passed", "inapplicable"}
    count, rest = len(statuses["passed"]), len(statuses["inapplicable"])
    assert verdict["summary"] == f"ran {count} of {count}: {count} passed; {rest} do not apply"


@pytest.mark.parametrize("minimal", [False, True])
def test_a_new_plugin_trains_on_digits(installed, minimal):
    installed("demo", minimal=minimal)
    model = Registry(extensions=False).train("demo", "digits", steps=5)
    assert model.sample(2, seed=0).shape == (2, 8, 8)


def test_the_tests_of_a_new_plugin_pass(installed, site, executor):
    folder = installed("demo")
    source = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    words = ["-q", "-p", "no:cacheprovider", "-k", "of_torch or survive-json"]
    done = executor.script(source, *words, folder=folder, path=[site])
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_every_written_file_is_listed(tmp_path):
    result = CliRunner().invoke(new, ["demo", "--out", str(tmp_path), "--json"], standalone_mode=False)
    written = json.loads(result.stdout)
    folder = tmp_path / "demo"
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert sorted(written["files"]) == found
    assert ".github/workflows/test.yml" in found
    assert "{" not in "".join(found)


def test_the_requirement_fits_this_core_and_not_the_next(tmp_path):
    scaffold("demo", tmp_path)
    project = tomllib.loads((tmp_path / "demo" / "pyproject.toml").read_text())["project"]
    assert project["dependencies"][0] == "genzoo>=0.1,<0.2"


@pytest.mark.parametrize("name", ["Demo", "demo_two", "2demo", "demo-", "../demo", "", "demo\n"])
def test_a_name_that_is_none_is_refused_and_nothing_is_written(tmp_path, name):
    with pytest.raises(ConfigError, match="lower-case words joined by hyphens"):
        scaffold(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_taken_is_refused(tmp_path):
    result = CliRunner().invoke(new, ["vae", "--out", str(tmp_path)], standalone_mode=False)
    assert str(result.exception) == "A model named 'vae' is installed; choose another name."


def test_a_folder_that_exists_is_left_alone(tmp_path):
    (tmp_path / "demo").mkdir()
    with pytest.raises(ConfigError, match="already exists; choose another name, or another parent folder with --out"):
        scaffold("demo", tmp_path)
    assert not list((tmp_path / "demo").iterdir())


def test_a_place_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ZooError, match="Cannot write .*file/demo: Not a directory"):
        scaffold("demo", tmp_path / "file")
