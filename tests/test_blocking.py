"""Blocked, disabled and broken plugins, seen from the command line: nobody else is hurt, and nothing is hidden."""

import json
import sys

import pytest

import zoo
from zoo.api import Registry
from zoo.cli.main import run
from zoo.plugins.blocking import Blocklist, read_disabled, write_disabled

PROVES_IMPORT = "from pathlib import Path; Path(__file__).with_suffix('.imported').touch()"


@pytest.fixture(autouse=True)
def configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config"))
    for name in ("ZOO_NO_PLUGINS", "ZOO_NO_EXTENSIONS", "ZOO_STRICT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def command(site, tmp_path, executor):
    """`zoo …` in a process that sees the throw-away distributions."""

    def command(*arguments, **environment):
        done = executor.command(*arguments, folder=tmp_path, **environment)
        assert "Traceback" not in done.stderr
        return done

    return command


def listed(registry):
    return {each.name: each for each in registry.list_models()}


@pytest.mark.parametrize("name", ["coins", "zoo-coins", "zoo-coins/coins", "all"])
def test_a_blocked_plugin_is_never_imported(distribution, site, monkeypatch, name):
    module = distribution(then=PROVES_IMPORT)
    monkeypatch.setenv("ZOO_NO_PLUGINS", f"something, {name}")
    registry = Registry()
    assert listed(registry)["coins"].status == "blocked"
    with pytest.raises(zoo.PluginError, match="is blocked: -p no:… or ZOO_NO_PLUGINS blocks it"):
        registry.plugin("coins")
    assert not (site / f"{module}.imported").exists()
    assert module not in sys.modules
    assert registry.plugin("gmm", "zoo.densities").card.name == "gmm"  # the core's own stay


def test_disabling_lasts_until_it_is_taken_back(distribution):
    distribution()
    write_disabled(["coins"])
    with pytest.raises(zoo.PluginError, match="it is disabled; 'zoo plugins enable coins' enables it again"):
        Registry().plugin("coins")
    write_disabled([name for name in read_disabled() if name != "coins"])
    assert Registry().plugin("coins").card.name == "coins"


def test_a_registry_can_have_a_blocklist_of_its_own(distribution):
    distribution()
    with pytest.raises(zoo.PluginError, match="blocked"):
        Registry(blocklist=Blocklist(environment=frozenset({"coins"}))).plugin("coins")


def test_the_command_line_blocks_and_disables_with_exit_code_3_for_the_asked_one_only(distribution, command, site):
    module = distribution(then=PROVES_IMPORT)
    asked = command("-p", "no:coins", "train", "coins", "--steps", "1")
    assert asked.returncode == 3
    assert asked.stderr.count("\n") == 1
    assert command("-p", "no:coins", "list").returncode == 0
    assert command("plugins", "disable", "coins").returncode == 0
    assert command("train", "coins", "--steps", "1").returncode == 3
    assert not (site / f"{module}.imported").exists()
    assert command("plugins", "enable", "coins").returncode == 0
    assert command("plugins", "enable", "coins").returncode == 2
    assert command("train", "coins", "--steps", "1").returncode == 0
    assert command("-p", "coins", "list").returncode == 2


def test_a_plugin_that_prints_at_import_does_not_spoil_a_result(distribution, command):
    distribution(then="print('hello from the plugin')")
    done = command("info", "coins", "--json")
    assert json.loads(done.stdout)["name"] == "coins"
    assert "hello from the plugin" in done.stderr


def test_doctor_shows_what_is_broken_hangs_or_leaves_and_why(distribution, warm, capsys):
    distribution("zoo-good")
    distribution("zoo-broken", then="import no_such_module", entry="broken")
    distribution("zoo-slow", then="import time; time.sleep(30)", entry="slow")
    distribution("zoo-leaving", then="import sys; sys.exit(0)", entry="leaving")
    distribution("zoo-dying", then="import os; os._exit(1)", entry="dying")
    distribution("zoo-later", requires=("genzoo>=99",), entry="later")
    assert run(["doctor", "--json", "--timeout", "5"]) == 3
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["plugins"]}
    assert rows["coins"]["state"] == rows["vae"]["state"] == "loaded"
    assert "No module named 'no_such_module'" in rows["broken"]["reason"]
    assert "ModuleNotFoundError" in rows["broken"]["traceback"]
    assert rows["slow"]["reason"] == "it ran longer than 5 s"
    assert rows["leaving"]["reason"] == "it called sys.exit(0) while it was imported"
    assert rows["dying"]["reason"] == "its process ended with exit code 1 and no result"
    assert rows["later"]["state"] == "incompatible"
    assert [name for name, row in rows.items() if row["state"] == "broken"] == ["broken", "dying", "leaving", "slow"]


def test_healthy_models_train_beside_broken_ones_and_the_broken_one_gives_3_when_asked_for(
    distribution, command, warm, tmp_path, capsys
):
    distribution()
    distribution("zoo-broken", then="1 / 0", entry="broken")
    assert command("train", "coins", "--steps", "1").returncode == 0
    assert run(["compare", "coins", "broken", "--seeds", "1", "--out", str(tmp_path)]) == 3
    reason = "The plugin 'broken' of zoo-broken 1.0 is broken: ZeroDivisionError: division by zero."
    assert reason in capsys.readouterr().err


def test_strict_turns_a_broken_plugin_into_a_failure_of_every_command_but_the_diagnosis(distribution, command):
    distribution()
    assert command("list", ZOO_STRICT="1").returncode == 0
    distribution("zoo-broken", then="1 / 0", entry="broken")
    distribution("zoo-later", requires=("genzoo>=99",), entry="later")
    done = command("list", ZOO_STRICT="1")
    assert done.returncode == 3
    assert "ZOO_STRICT is set. The plugin 'broken'" in done.stderr
    assert "it needs genzoo>=99" in done.stderr
    assert command("plugins", ZOO_STRICT="1").returncode == 0


def test_strict_turns_an_ambiguous_name_into_a_failure(distribution):
    distribution("zoo-one")
    distribution("zoo-two")
    with pytest.raises(zoo.PluginError, match="Two distributions have a model named 'coins'"):
        Registry().verify()
