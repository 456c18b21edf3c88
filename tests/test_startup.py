"""What a user waits for first imports neither torch nor pydantic nor any plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import zoo

# One process that does one thing after another, and after each says what has been imported so far.
STEPS = """
import contextlib, io, json, os, sys
from pathlib import Path

HEAVY = {"torch", "pydantic", "numpy", "scipy", "sklearn"}
steps = {}

def heavy():
    return sorted({name.partition(".")[0] for name in sys.modules
                   if name.partition(".")[0] in HEAVY or name.startswith("throw_away")})

def step(name, act):
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)  # click writes bytes too
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            code = act()
        except SystemExit as exit:
            code = exit.code
    steps[name] = {"code": code, "output": output.buffer.getvalue().decode(), "imported": heavy()}

def completion(words):
    os.environ |= {"_ZOO_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    run([])

import zoo
step("import zoo", lambda: dir(zoo) and zoo.hookimpl and zoo.Registry and 0)

import zoo.api
from zoo.cli.main import run
zoo.api.default = zoo.Registry(catalogue=Path(sys.argv[1]))
for words in ("--help", "--version", "list", "list --json", "plugins", "info nade", "info node", "lst", "train --help"):
    step(words, lambda: run(words.split()))
for words in ("zoo tr", "zoo train pe", "zoo compare coins@g", "zoo train coins --data b"):
    step(words, lambda: completion(words))
step("a config", lambda: zoo.Config and 0)
print(json.dumps(steps))
"""


@pytest.fixture
def steps(distribution, site, tmp_path):
    """Name of a step -> its exit code, its output, and the heavy modules that had been imported after it."""
    distribution()
    distribution("zoo-bad", entry="pebbles", then="raise SystemExit('imported')")
    (tmp_path / "registry.toml").write_text(
        """
        schema = 1
        compare = {contestants = ["nade"], data = "digits", seeds = 3}
        [[plugin]]
        name = "nade"
        group = "zoo.models"
        package = "zoo-nade"
        entry_point = "zoo_nade.plugin:NADE"
        summary = "masked autoencoder"
        tier = "community"
        requires_core = ">=0.1"
        requires_python = ">=3.11"
        licence = "MIT"
        """,
        encoding="utf-8",
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", STEPS, tmp_path / "registry.toml"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_help_lists_and_completion_import_neither_torch_nor_pydantic_nor_any_plugin(steps):
    control = steps.pop("a config")
    assert control["imported"] == ["pydantic"]
    assert {name: step["imported"] for name, step in steps.items() if step["imported"]} == {}

    codes = {name: step["code"] for name, step in steps.items() if step["code"] != 0}
    assert codes == {"info node": 2, "lst": 2}
    expected = {
        "--help": "Train contestants and compare how well each generates.",
        "--version": zoo.__version__,
        "list": "pebbles",
        "list --json": '"distribution": "zoo-bad"',
        "plugins": "bars-and-stripes",
        "info nade": "zoo install nade",
        "info node": "No plugin or run named 'node'. Did you mean 'nade'?",
        "lst": "No command 'lst'. Did you mean 'list'?",
        "train --help": "--epochs",
        "zoo tr": "plain,train",
        "zoo train pe": "plain,pebbles\n",
        "zoo compare coins@g": "plain,coins@gaussian\nplain,coins@gmm\n",
        "zoo train coins --data b": "plain,bars-and-stripes\n",
    }
    for name, text in expected.items():
        assert text in steps[name]["output"], name


def test_every_public_name_can_be_had_and_no_other():
    assert dir(zoo) == sorted(zoo.__all__)
    for name in zoo.__all__:
        assert getattr(zoo, name) is getattr(zoo, name)
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'vae'"):
        _ = zoo.vae
