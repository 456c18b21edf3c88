"""Installing, removing and restoring with pip itself: tiny wheels, a throw-away environment, no network."""

import functools
import hashlib
import http.server
import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from zoo.api import Registry
from zoo.cli.consent import ask, show_files
from zoo.cli.main import cli
from zoo.comparison.plan import Plan
from zoo.errors import ConfigError, PluginError, ZooError
from zoo.installation import pip as pip_module
from zoo.installation.lock import Locked, check_unchanged, forget, read_lock, record
from zoo.installation.pip import Pip, check_environment, explain
from zoo.installation.plan import core_versions, make_plan, read_plan
from zoo.installation.publication import Publication, publication, warnings
from zoo.installation.removal import find_distribution, removed_with
from zoo.installation.request import Request
from zoo.installation.transaction import TrialVerdict, check_plugin, fetch, try_plugins
from zoo.installation.wheel import read_wheel
from zoo.plugins.fingerprint import fingerprints, wheel_fingerprint

PLUGIN = '''
import zoo

class CoinsConfig(zoo.Config):
    """It has no settings."""

class Plugin:
    card = zoo.Card(name="NAME", summary="coins", config=CoinsConfig, trains_on="bits", latent=None, samples="means")

    @zoo.hookimpl
    def build(self, data): ...

    @zoo.hookimpl
    def fit(self, model, train): ...

    @zoo.hookimpl
    def encode(self, model, x): ...

    @zoo.hookimpl
    def decode(self, model, z): ...

    @zoo.hookimpl
    def sample(self, model, n): ...
'''
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "zoo-built"
version = "0.3"
dependencies = ["genzoo"]
[project.entry-points."zoo.models"]
built = "zoo_built:Plugin"
[tool.setuptools]
py-modules = ["zoo_built"]
"""
DIGEST = "ab" * 32
TORCH = importlib.metadata.version("torch")


def write_wheel(folder, name, version="1.0", *, requires=(), python=">=3.11", source=PLUGIN, entry="", files=None):
    """A wheel of one module, with an entry point if `entry` names one."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    headers = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Requires-Python: {python}"]
    content = {
        f"{module}.py": source.replace("NAME", entry),
        f"{info}/METADATA": "\n".join([*headers, *(f"Requires-Dist: {line}" for line in requires), ""]),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(files or {}),
    }
    if entry:
        content[f"{info}/entry_points.txt"] = f"[zoo.models]\n{entry} = {module}:Plugin\n"
    content[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*content, f"{info}/RECORD"])
    path = Path(folder) / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in content.items():
            archive.writestr(file, text)
    return path


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A folder of wheels, as somebody without a network has it."""
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder, "zoo-coins", entry="coins", requires=["genzoo>=0.1", "zoo-dice>=1", "click"])
    write_wheel(folder, "zoo-coins", "2.0", entry="coins", source="raise RuntimeError('no luck')")
    write_wheel(folder, "zoo-dice", source="", requires=["zoo-pips"])
    write_wheel(folder, "zoo-pips", source="")
    write_wheel(folder, "zoo-torch", entry="old", requires=["torch==2.6"])
    write_wheel(folder, "zoo-later", entry="later", requires=["genzoo>=99"])
    write_wheel(folder, "zoo-python", entry="python", python=">=3.99")
    write_wheel(folder, "zoo-address", entry="address", requires=["zoo-dice @ https://ada:hunter2@h/d.whl"])
    write_wheel(folder, "zoo-plain", source="")
    write_wheel(folder, "zoo-thief", entry="thief", files={"torch/_thief.py": ""})
    write_wheel(folder, "zoo-burglar", entry="burglar", files={"zoo_burglar-1.0.data/purelib/zoo/thief.py": ""})
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment of its own, over the one that the tests run in: pip writes to the former only."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    below = [path for path in sys.path if path.endswith("site-packages")]
    (site / "below.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in below))
    return folder


@pytest.fixture
def zoo_in(environment, tmp_path):
    """`zoo …` in that environment, with a configuration of its own."""

    def run(*arguments):
        return subprocess.run(
            [environment / "bin" / "python", "-m", "zoo", *arguments],
            env={**os.environ, "ZOO_CONFIG": str(tmp_path / "configuration"), "PIP_INDEX_URL": "http://127.0.0.1:9"},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    return run


def _content(folder):
    """The files of an environment, without bytecode, each with its hash."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _plan_of(folder, distributions):
    """The folder of a comparison whose cells need these distributions."""
    Plan(("ae",), (), "digits", (0,), None, False, str(folder), distributions=distributions).write(folder)
    return str(folder)


def test_a_plugin_is_planned_installed_lost_restored_and_removed_without_a_trace(zoo_in, wheels, environment, tmp_path):
    before = _content(environment)
    offline = ("--offline", str(wheels))

    dry = zoo_in("install", "zoo-coins<2", *offline, "--dry-run", "--json")
    assert (dry.returncode, dry.stderr) == (0, "")
    plan = json.loads(dry.stdout)["plan"]
    assert [(step["name"], step["version"], step["replaces"], step["requested"]) for step in plan] == [
        ("zoo-coins", "1.0", "", True),
        ("zoo-dice", "1.0", "", False),
        ("zoo-pips", "1.0", "", False),
    ]
    files = [wheels / f"{name}-1.0-py3-none-any.whl" for name in ("zoo_coins", "zoo_dice", "zoo_pips")]
    assert [step["sha256"] for step in plan] == [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]

    unanswered = zoo_in("install", "zoo-coins<2", *offline)
    assert unanswered.returncode == 2
    assert "runs with your permissions" in unanswered.stderr
    assert "Standard input is not a terminal; nothing was done. Confirm with --yes." in unanswered.stderr
    assert _content(environment) == before

    installed = zoo_in("install", "zoo-coins<2", *offline, "--yes")
    assert installed.returncode == 0, installed.stderr
    assert installed.stdout.endswith("Installed zoo-coins 1.0: coins.\n")
    assert "  zoo_coins.py\n" in installed.stderr
    after = _content(environment)
    assert before.items() <= after.items()

    broken = zoo_in("install", "zoo-coins==2.0", *offline, "--yes")
    assert broken.returncode == 3
    assert "zoo-coins 2.0 does not work, and its installation was undone: coins is broken" in broken.stderr
    assert "RuntimeError: no luck." in broken.stderr
    assert _content(environment) == after

    folder = tmp_path / "configuration"
    lock = Pylock.from_dict(tomllib.loads((folder / "pylock.zoo.toml").read_text()))
    assert [(each.name, str(each.version), len(each.wheels)) for each in lock.packages] == [
        (name, "1.0", 1) for name in ("zoo-coins", "zoo-dice", "zoo-pips")
    ]
    for package, file in zip(lock.packages, files, strict=True):
        assert (folder / package.wheels[0].path).read_bytes() == file.read_bytes()
        assert package.wheels[0].hashes == {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    assert lock.packages[0].tool["zoo"] == {
        "source": (wheels / files[0].name).as_uri(),
        "dependencies": {"zoo-dice": "1.0", "zoo-pips": "1.0"},
        "brought": ["zoo-dice", "zoo-pips"],
    }

    for path in after.keys() - before.keys():  # an upgrade made the environment anew
        (environment / path).unlink()
    assert json.loads(zoo_in("sync", "--json").stdout)[0]["state"] == "restored"
    assert _content(environment) == after
    assert Pylock.from_dict(tomllib.loads((folder / "pylock.zoo.toml").read_text())) == lock

    removed = zoo_in("uninstall", "coins", "--yes", "--json")
    assert json.loads(removed.stdout) == {"removed": ["zoo-coins", "zoo-dice", "zoo-pips"]}
    assert _content(environment) == before
    assert not list((tmp_path / "configuration").iterdir())


@pytest.mark.slow
def test_what_a_plan_names_is_installed_with_the_same_files_or_not_at_all(zoo_in, wheels, environment, tmp_path):
    before = _content(environment)
    offline = ("--offline", str(wheels))
    wheel = wheels / "zoo_coins-1.0-py3-none-any.whl"
    planned = {"zoo-coins": wheel_fingerprint(wheel), **fingerprints(["torch"])}
    other = {name: replace(each, sha256=DIGEST) for name, each in planned.items()}

    synced = zoo_in("sync", "--from", _plan_of(tmp_path, other), *offline, "--yes", "--json")
    assert synced.returncode == 3
    coins, _ = (row["reason"] for row in json.loads(synced.stdout))
    found = planned["zoo-coins"].sha256[:12]
    assert coins == f"zoo-coins 1.0 has other files there (sha256 {found}, not {DIGEST[:12]})."
    unanswered = zoo_in("sync", "--from", _plan_of(tmp_path, planned), *offline)
    assert unanswered.returncode == 2
    assert "Install zoo-coins 1.0? Standard input is not a terminal; nothing was done." in unanswered.stderr
    assert _content(environment) == before

    for state in ("installed", "present"):
        synced = zoo_in("sync", "--from", _plan_of(tmp_path, planned), *offline, "--yes", "--json")
        assert [row["state"] for row in json.loads(synced.stdout)] == [state, "present"]
    removed = zoo_in("uninstall", "coins", "--yes", "--json")
    assert json.loads(removed.stdout) == {"removed": ["zoo-coins", "zoo-dice", "zoo-pips"]}
    assert _content(environment) == before


def test_a_plan_of_other_files_of_the_core_is_not_carried_out(tmp_path, capsys):
    here = fingerprints(["genzoo"])["genzoo"]
    plan = _plan_of(tmp_path, {"genzoo": replace(here, version="9.0"), "torch": fingerprints(["torch"])["torch"]})
    code = cli.main(["sync", "--from", plan, "--json"], standalone_mode=False)
    genzoo, torch = json.loads(capsys.readouterr().out)
    assert (code, genzoo["state"], torch["state"]) == (3, "failed", "present")
    assert genzoo["reason"] == f"genzoo is {here.version}, not 9.0; install it with pip, zoo changes plugins only"


def test_a_folder_is_built_without_a_network_and_stays_as_it_was(zoo_in, environment, wheels, tmp_path):
    source = tmp_path / "built"
    source.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "zoo_built.py").write_text(PLUGIN.replace("NAME", "built"))
    before = _content(environment)

    unanswered = zoo_in("install", "./built", "--offline", str(wheels), "--dry-run")
    assert unanswered.returncode == 2
    assert f"Building {source} runs its code." in unanswered.stderr

    assert zoo_in("install", "./built", "--offline", str(wheels), "--yes").returncode == 0
    assert sorted(path.name for path in source.iterdir()) == ["pyproject.toml", "zoo_built.py"]
    (locked,) = tomllib.loads((tmp_path / "configuration" / "pylock.zoo.toml").read_text())["packages"]
    assert (locked["name"], locked["version"]) == ("zoo-built", "0.3")
    assert locked["tool"]["zoo"] == {"source": str(source)}
    kept = tmp_path / "configuration" / "wheels" / "zoo_built-0.3-py3-none-any.whl"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == locked["wheels"][0]["hashes"]["sha256"]
    assert zoo_in("uninstall", "zoo-built", "--yes").returncode == 0
    assert _content(environment) == before


@pytest.mark.slow
def test_an_editable_install_of_the_same_version_is_replaced_and_the_command_says_so(
    zoo_in, environment, wheels, tmp_path
):
    source = tmp_path / "built"
    source.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "zoo_built.py").write_text(PLUGIN.replace("NAME", "built"))
    python, before = environment / "bin" / "python", _content(environment)
    editable = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-e", source]
    subprocess.run([python, *editable], check=True, capture_output=True)

    installed = zoo_in("install", "./built", "--offline", str(wheels), "--yes")
    assert installed.returncode == 0, installed.stderr
    assert installed.stdout.endswith(f"Installed zoo-built 0.3 in place of 0.3 (editable, {source}): built.\n")
    code = "import zoo_built; print(zoo_built.__file__)"
    where = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True, cwd="/").stdout
    assert Path(where.strip()).is_relative_to(environment)
    assert zoo_in("uninstall", "zoo-built", "--yes").returncode == 0
    assert _content(environment) == before


@pytest.mark.parametrize(
    ("requirement", "match"),
    [
        (
            "zoo-torch",
            rf"zoo-torch 1.0 depends on torch==2.6; but torch\S*=={re.escape(TORCH)} must not change \(needed by",
        ),
        ("zoo-python", r"it needs Python >=3.99, but this is Python 3"),
    ],
)
def test_what_does_not_fit_the_core_is_refused_with_the_reason(wheels, monkeypatch, requirement, match):
    monkeypatch.setenv("PIP_CONSTRAINT", "/nowhere")  # offline the folder alone counts, and no setting of pip's
    with pytest.raises(PluginError, match=match) as caught:
        make_plan(Request("index", requirement, requirement), Pip(wheels), set())
    assert "\n" not in str(caught.value)


def test_without_a_network_one_line_says_so(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://ada:hunter2@127.0.0.1:9/simple")
    with pytest.raises(
        PluginError, match="^zoo-coins: the package index or the repository cannot be reached"
    ) as caught:
        make_plan(Request("index", "zoo-coins", "zoo-coins"), Pip(), set())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["torch", "numpy", "genzoo", "pluggy", "markupsafe"])
def test_the_core_is_held_with_all_that_it_needs_directly_or_not(name):
    assert name in core_versions()


def _report(
    *, is_direct=False, requested=True, url="https://index.example/zoo_x.whl", digest=DIGEST, name="zoo-x", **more
):
    archive = {"hashes": {"sha256": digest}} if digest else {}
    item = {
        "download_info": {"url": url, "archive_info": archive},
        "is_direct": is_direct,
        "requested": requested,
        "metadata": {"name": name, "version": "1.0"},
    }
    return {"install": [item | more]}


ASKED = Request("index", "zoo-x", "zoo-x")


@pytest.mark.parametrize(
    ("report", "request_", "match"),
    [
        (_report(is_yanked=True), ASKED, "zoo-x 1.0 was yanked by its authors"),
        (_report(name="Torch"), ASKED, "torch 1.0 must not replace 2.13.0, which genzoo needs"),
        (_report(digest=""), ASKED, "zoo-x 1.0 has no SHA-256"),
        (_report(digest="x --index-url=https://evil.example"), ASKED, "zoo-x 1.0 has no SHA-256"),
        (_report(name="zoo-y"), ASKED, "zoo-x must be zoo-x, got zoo-y 1.0"),
        (_report(name="Zoo_Ours"), Request("index", "zoo-ours", "zoo-ours"), "would come from the index, but its"),
        (_report(name="zoo-ours", requested=False), Request("index", "zoo-x", ours=True), "would come from the index"),
        (_report(name="zoo-ours", requested=False), ASKED, "would come from the index, but its"),
        (_report(), Request("index", "zoo-x", "zoo-x", "cd" * 32), "must have the SHA-256 cdcd.*, got abab"),
        (_report(is_direct=True, requested=False), ASKED, "zoo-x 1.0 is required by its URL, https://index.example/"),
        (_report(requested=False), ASKED, "zoo-x is installed without zoo-x; uninstall it, then install it again"),
    ],
)
def test_a_plan_with_a_wrong_step_is_refused(report, request_, match):
    with pytest.raises(PluginError, match=match):
        read_plan(report, request_, {"torch": "2.13.0"}, {"zoo-ours"})


def test_a_plan_has_the_steps_of_the_report_without_passwords():
    url = "https://ada:hunter2@index.example/zoo_x.whl?token=hunter2"
    plan = read_plan(_report(url=url, name="Zoo_X"), ASKED, {}, {"zoo-ours"})
    assert plan.plugin.url == url
    assert plan.plugin.facts() == {
        "name": "zoo-x",
        "version": "1.0",
        "source": "https://****@index.example/zoo_x.whl?****",
        "sha256": DIGEST,
        "replaces": "",
        "requested": True,
        "published": "",
        "publisher": "",
    }
    assert read_plan({"install": []}, ASKED, {}, set()).steps == ()
    published = Request("index", "zoo-ours", "zoo-ours", ours=True)
    for known in (published, Request("wheel", "/zoo_ours-1.0-py3-none-any.whl")):
        assert read_plan(_report(name="zoo-ours"), known, {}, {"zoo-ours"}).plugin.name == "zoo-ours"


def test_a_version_that_an_installed_distribution_cannot_live_with_is_refused(distribution):
    distribution("zoo-dice")
    distribution("zoo-coins", requires=("zoo-dice<2", "an unreadable line"))
    plan = read_plan(_report(name="zoo-dice"), Request("index", "zoo-dice"), {}, set())
    assert plan.plugin.replaces == "1.0"
    newer = _report(name="zoo-dice")
    newer["install"][0]["metadata"]["version"] = "2.0"
    with pytest.raises(PluginError, match="zoo-dice 2.0 must not replace 1.0: zoo-coins 1.0 needs zoo-dice<2"):
        read_plan(newer, Request("index", "zoo-dice"), {}, set())


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index on this machine: 1.0 is yanked, 1.2 has another hash; pip knows of it by its own variable.

    Of 1.1 it serves who published it and when.
    """
    folder = tmp_path / "index"
    (folder / "simple" / "zoo-coins").mkdir(parents=True)
    links = []
    for version, yanked in (("1.0", ' data-yanked="it lost"'), ("1.1", ""), ("1.2", "")):
        path = write_wheel(folder, "zoo-coins", version, entry="coins")
        digest = DIGEST if version == "1.2" else hashlib.sha256(path.read_bytes()).hexdigest()
        links.append(f'<a href="/{path.name}#sha256={digest}"{yanked}>{path.name}</a>')
    (folder / "simple" / "zoo-coins" / "index.html").write_text(
        f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>"
    )
    digest = hashlib.sha256((folder / "zoo_coins-1.1-py3-none-any.whl").read_bytes()).hexdigest()
    publisher = {"kind": "GitHub", "repository": "ada/zoo-coins\x1b", "workflow": "release.yml"}
    (folder / "provenance.json").write_text(json.dumps({"attestation_bundles": [{"publisher": publisher}]}))
    file = {"filename": "x", "hashes": {"sha256": digest}, "upload-time": "2026-05-04T03:02:01Z"}
    page = folder / "simple" / "zoo-coins" / "index.json"
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        file["provenance"] = f"http://127.0.0.1:{server.server_port}/provenance.json"
        page.write_text(json.dumps({"files": [file]}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.headers["Accept"] == "application/vnd.pypi.simple.v1+json":
            self.path += "index.json"
        super().do_GET()

    def log_message(self, *arguments):
        pass


def test_from_an_index_the_planned_wheel_is_fetched_and_a_yanked_or_exchanged_one_is_refused(index, tmp_path):
    plan = make_plan(Request("index", "zoo-coins==1.1", "zoo-coins"), Pip(), set())
    assert plan.plugin.url == f"{index}/zoo_coins-1.1-py3-none-any.whl"
    assert (plan.plugin.published, plan.plugin.publisher) == ("2026-05-04", "GitHub ada/zoo-coins")
    assert fetch(plan, Pip(), tmp_path / "wheels").sha256 == plan.plugin.sha256
    with pytest.raises(PluginError, match="would come from the index, but its authors have not published it there"):
        make_plan(Request("index", "zoo-coins==1.1", "zoo-coins"), Pip(), {"zoo-coins"})
    with pytest.raises(PluginError, match="zoo-coins.* was yanked by its authors; choose another version"):
        make_plan(Request("index", "zoo-coins==1.0", "zoo-coins"), Pip(), set())
    with pytest.raises(PluginError, match="zoo-coins==1.2: the file has another hash than planned"):
        make_plan(Request("index", "zoo-coins==1.2", "zoo-coins"), Pip(), set())


def test_an_index_that_says_nothing_of_a_release_leaves_it_unknown(index):
    assert publication("zoo-coins", DIGEST, f"{index}/simple/") == Publication()
    assert publication("zoo-dice", DIGEST, f"{index}/simple") == Publication()
    assert publication("zoo-coins", DIGEST, "file:///etc") == Publication()


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (Publication("2026-05-04", "GitHub ada/x"), "GitHub ada/x", []),
        (Publication("2026-05-04", "GitHub ada/x"), "", []),
        (Publication("", ""), "", []),
        (Publication("2026-05-05"), "", ["x 2 was published on 2026-05-05, less than 7 days ago."]),
        (
            Publication("", "GitHub eve/x"),
            "GitHub ada/x",
            ["x 2 was published by GitHub eve/x; the locked version by GitHub ada/x."],
        ),
        (
            Publication(),
            "GitHub ada/x",
            ["x 2 was published by an unknown account; the locked version by GitHub ada/x."],
        ),
    ],
)
def test_a_young_release_and_another_publisher_are_warned_of(now, before, expected):
    assert warnings("x 2", now, before, datetime(2026, 5, 11, tzinfo=UTC)) == expected


def test_a_lock_has_addresses_without_passwords_and_hashes_of_what_was_there_before(
    distribution, wheels, tmp_path, monkeypatch
):
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path))
    distribution("zoo-dice")
    distribution("zoo-coins", requires=("genzoo", "zoo-dice"))
    report = _report(name="zoo-coins", url="https://ada:hunter2@index.example/zoo_coins-1.0-py3-none-any.whl?t=hunter2")
    record(read_plan(report, Request("index", "zoo-coins"), {}, set()), tmp_path, "https://x", Pip(wheels))
    locked = read_lock()
    assert locked["zoo-coins"].url == "https://index.example/zoo_coins-1.0-py3-none-any.whl"
    assert locked["zoo-coins"].dependencies == {"zoo-dice": "1.0"}
    dice = wheels / "zoo_dice-1.0-py3-none-any.whl"
    assert (locked["zoo-dice"].sha256, locked["zoo-dice"].wheel) == (read_wheel(dice).sha256, dice.name)
    assert "hunter2" not in (tmp_path / "pylock.zoo.toml").read_text()
    forget(["zoo-coins"])
    assert not list((tmp_path / "wheels").parent.glob("[pw]*"))


def test_a_wheel_other_than_the_locked_one_is_not_restored():
    plan = read_plan(_report(), ASKED, {}, set())
    check_unchanged(plan, {"zoo-x": Locked("zoo-x", "1.0", DIGEST), "zoo-y": Locked("zoo-y", "1.0", "cd" * 32)})
    with pytest.raises(PluginError, match=f"zoo-x 1.0 must have the SHA-256 {'cd' * 32} of the lock file, got abab"):
        check_unchanged(plan, {"zoo-x": Locked("zoo-x", "1.0", "cd" * 32)})


def _plan(path, name):
    return read_plan(
        _report(url=path.as_uri(), digest=read_wheel(path).sha256, name=name), Request("wheel", str(path)), {}, set()
    )


@pytest.mark.parametrize("name", ["zoo-thief", "zoo-burglar"])
def test_a_wheel_that_writes_into_a_package_of_the_core_is_refused(wheels, tmp_path, name):
    path = wheels / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    with pytest.raises(PluginError, match=f"{name} 1.0 must not write .*thief.py, which belongs to the core"):
        fetch(_plan(path, name), Pip(wheels), tmp_path / "wheels")


def test_a_wheel_that_was_exchanged_after_planning_is_not_installed(wheels, tmp_path):
    path = write_wheel(tmp_path, "zoo-coins", entry="coins")
    plan = _plan(path, "zoo-coins")
    assert fetch(plan, Pip(wheels), tmp_path / "first").sha256 == plan.plugin.sha256
    write_wheel(tmp_path, "zoo-coins", entry="coins", source="import os")
    with pytest.raises(PluginError, match="zoo-coins 1.0 changed after the plan was made; nothing was installed"):
        fetch(plan, Pip(wheels), tmp_path / "second")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("zoo_plain", "zoo-plain 1.0 must be a zoo plugin; it has no entry point"),
        (
            "zoo_address",
            r"zoo-address 1.0 must not require packages by URL, .*: zoo-dice ?@ https://\*\*\*\*@h/d.whl",
        ),
        ("zoo_later", "zoo-later 1.0 needs genzoo >=99, but this is genzoo "),
        ("zoo_python", "zoo-python 1.0 needs Python >=3.99, but this is Python "),
    ],
)
def test_a_wheel_is_refused_by_its_own_metadata(wheels, name, match):
    with pytest.raises(PluginError, match=match):
        check_plugin(read_wheel(wheels / f"{name}-1.0-py3-none-any.whl"))


def test_a_wheel_is_read_and_anything_else_is_none(wheels, tmp_path):
    wheel = read_wheel(wheels / "zoo_coins-1.0-py3-none-any.whl")
    assert (wheel.name, wheel.version, wheel.requires_core, wheel.requires_python) == (
        "zoo-coins",
        "1.0",
        ">=0.1",
        ">=3.11",
    )
    assert wheel.plugins == (("zoo.models", "coins"),)
    assert wheel.files[0] == "zoo_coins.py"
    (tmp_path / "a.whl").write_text("no archive")
    with pytest.raises(PluginError, match="a.whl is not a valid wheel: File is not a zip file"):
        read_wheel(tmp_path / "a.whl")
    with zipfile.ZipFile(tmp_path / "b.whl", "w") as archive:
        archive.writestr("b.py", "")
    with pytest.raises(PluginError, match="b.whl is not a valid wheel: its metadata lacks a name or a version"):
        read_wheel(tmp_path / "b.whl")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement zoo-x (from versions: none)\n"
            "ERROR: No matching distribution found for zoo-x\n",
            "the index has no wheel of zoo-x for this Python.",
        ),
        (
            "ERROR: Cannot install zoo-x==1.0 because these package versions have conflicting dependencies.\n\n"
            "The conflict is caused by:\n    zoo-x 1.0 depends on genzoo>=99\n"
            "    The user requested (constraint) genzoo==0.1.0\n\nTo fix this you could try to:\n1. loosen\n",
            "zoo-x 1.0 depends on genzoo>=99; but genzoo==0.1.0 must not change (needed by genzoo or in the lock file)",
        ),
        (
            "ERROR: Ignored the following versions that require a different python version: "
            "0.9 Requires-Python >=3.98; 1.0 Requires-Python >=3.99\n"
            "ERROR: No matching distribution found for zoo-x\n",
            "zoo-x needs Python >=3.99, but this is Python ",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n", "the file has another hash"),
        ("  fatal: unable to access: Could not resolve host: example.org\n", "the package index or the repository"),
        ("ERROR: Cannot find command 'git' - do you have 'git' installed?\n", "it needs git, which is not on the PATH"),
        ("WARNING: slow\nERROR: No space left on device.\nmore\n", "pip failed: No space left on device."),
        (
            "  fatal: remote error: not our ref\n  error: subprocess-exited-with-error\n",
            "pip failed: remote error: not our ref.",
        ),
        (
            "  error: subprocess-exited-with-error\n  NameError: x\n  ModuleNotFoundError: No module named 'y'\n",
            "pip failed: ModuleNotFoundError: No module named 'y'.",
        ),
        ("Killed\n", "pip failed: no reason given."),
    ],
)
def test_what_pip_complains_of_becomes_one_line(said, expected):
    line = explain(said, None)
    assert line.startswith(expected)
    assert "\n" not in line


def test_what_is_not_in_the_users_folder_is_said_to_be_missing_there(tmp_path):
    said = "ERROR: No matching distribution found for zoo-x>=2\n"
    assert explain(said, tmp_path) == f"{tmp_path} has no wheel of zoo-x>=2 for this Python."


def test_an_environment_without_pip_or_of_the_system_is_refused(monkeypatch, tmp_path):
    check_environment()
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(pip_module.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", sys.prefix + "-base")
    check_environment()
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    with pytest.raises(ConfigError, match="belongs to the system's package manager; .* python -m venv FOLDER"):
        check_environment()
    monkeypatch.setattr(pip_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="has no pip, which genzoo requires; get it with: pip install pip"):
        check_environment()


@pytest.mark.parametrize(
    ("then", "seconds", "state", "reason"),
    [
        ("", 60, "loaded", ""),
        ("raise SystemExit(4)", 60, "broken", "it called sys.exit(4) while it was imported"),
        ("import os; os._exit(4)", 60, "broken", "loading it ended the process with code 4"),
        ("import time; time.sleep(60)", 2, "broken", "loading it took longer than 2 s"),
    ],
)
def test_a_plugin_is_tried_in_a_process_that_it_may_end(distribution, site, monkeypatch, then, seconds, state, reason):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    distribution(source=PLUGIN.replace("NAME", "coins"), target="Plugin", then=then)
    (verdict,) = try_plugins("Zoo_Coins", seconds=seconds)
    assert (verdict.state, verdict.reason) == (state, reason)


def test_a_distribution_without_plugins_does_not_work():
    assert try_plugins("zoo-gone") == [TrialVerdict("zoo-gone", "", "broken", "its entry points were not found")]


def test_a_plugin_is_found_for_removal_by_each_of_its_names(distribution):
    distribution("Zoo_Coins", entry="heads", then="raise SystemExit('imported')")
    distribution("zoo-twins", entry="twin")
    distribution("zoo-more-twins", entry="twin")
    registry = Registry()
    for name in ("heads", "Zoo_Coins/heads", "Zoo_Coins", "zoo-coins"):
        assert find_distribution(name, registry) == "zoo-coins"
    assert find_distribution("zoo-twins/twin", registry) == "zoo-twins"
    with pytest.raises(PluginError, match="Several .* have a plugin 'twin'; choose one: zoo-more-twins, zoo-twins"):
        find_distribution("twin", registry)
    with pytest.raises(
        ConfigError, match="No plugin named 'headz' is installed. Did you mean 'heads'. Installed: .*zoo-coins"
    ):
        find_distribution("headz", registry)
    with pytest.raises(ConfigError, match="'mean' is part of genzoo and cannot be removed"):
        find_distribution("mean", registry)


def test_what_another_distribution_needs_is_not_removed(distribution, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path))
    distribution("zoo-coins")
    assert removed_with("zoo-coins") == ["zoo-coins"]
    distribution("zoo-purse", requires=("Zoo_Coins",), entry="purse")
    with pytest.raises(PluginError, match="zoo-purse needs zoo-coins; uninstall zoo-purse first"):
        removed_with("zoo-coins")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "Cannot read the lock file .*pylock.zoo.toml: .*Repair or remove it"),
        ("packages = []", "Cannot read the lock file .*: 'tool'"),
        ("[tool.zoo]\nschema = 3", "pylock.zoo.toml must have schema 2, got 3; update zoo"),
        ("packages = [{ name = 'x', wheels = [] }]\n[tool.zoo]\nschema = 2", "Cannot read the lock file .*not enough"),
        ("packages = [3]\n[tool.zoo]\nschema = 2", "Cannot read the lock file"),
    ],
)
def test_a_lock_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch, text, match):
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path))
    assert read_lock() == {}
    (tmp_path / "pylock.zoo.toml").write_text(text)
    with pytest.raises(ConfigError, match=match):
        read_lock()


def test_a_lock_of_an_earlier_version_is_read_until_the_next_change_replaces_it(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path))
    old = [
        {"name": name, "version": "1.0", "sha256": DIGEST, "source": 'a "b" \\ c\x7f', "wheel": wheel}
        | {"dependencies": {"zoo-dice": "1.0"}, "brought": ["zoo-dice"]}
        for name, wheel in (("zoo-a", ""), ("zoo-b", "zoo_b-1.0-py3-none-any.whl"), ("zoo-c", ""))
    ]
    (tmp_path / "plugins.lock").write_text(json.dumps({"schema": 1, "plugins": old}))
    before = read_lock()
    assert before["zoo-b"] == Locked(**old[1])
    forget(["zoo-c"])
    assert [path.name for path in tmp_path.iterdir()] == ["pylock.zoo.toml"]
    del before["zoo-c"]
    assert read_lock() == before
    lock = Pylock.from_dict(tomllib.loads((tmp_path / "pylock.zoo.toml").read_text()))
    assert [each.name for each in lock.packages] == ["zoo-b"]  # the address of zoo-a's wheel is unknown


def test_a_kept_wheel_that_is_gone_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path))
    with pytest.raises(
        ConfigError, match="The stored wheel .*/wheels/x.whl does not exist; install zoo-x from its source again"
    ):
        Locked("zoo-x", "1.0", DIGEST, wheel="x.whl").request()
    from_index = Locked("zoo-x", "1.0", DIGEST, "https://index.example/x.whl").request()
    assert from_index == Request("index", "zoo-x==1.0", "zoo-x", DIGEST, ours=True)


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self):
        return True


def test_the_answer_of_somebody_at_a_terminal_decides(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Terminal("y\nn\n\n"))
    ask("Install it?", yes=False)
    for _ in ("n", "nothing, which means no"):
        with pytest.raises(ZooError, match="Nothing was done"):
            ask("Install it?", yes=False)
    assert capsys.readouterr().out == ""


def test_files_that_python_runs_at_its_start_are_shown_first(capsys):
    show_files("somewhere", "x 1.0", [*(f"{n}.py" for n in range(30)), "x.pth"])
    shown = capsys.readouterr().err.splitlines()
    assert shown[:5] == ["Source: somewhere", "Version: x 1.0", "Files: 31", "  x.pth", "  0.py"]
    assert shown[-2:] == ["  and 11 more", shown[-1]]
