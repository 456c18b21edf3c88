"""Without POSIX, emulated by tests/no_posix: the same commands end with the same codes, messages and files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STUB = Path(__file__).with_name("no_posix")
SCRIPT = """
import contextlib, io, json, sys
from zoo.cli.main import run

found = []
for words in json.loads(sys.argv[1]):
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            code = run(words)
        except SystemExit as ended:
            code = ended.code
    found.append([words, code, output.buffer.getvalue().decode(), errors.buffer.getvalue().decode()])
print(json.dumps(found))
"""
QUICK = ["list", "plugins", "lst", "train --help", "info node", "install --pre", "train vae --device gpu", "sync"]
MODEL = "vae:latent_dim=2,hidden=[4]"
LONG = [
    f"train {MODEL} --steps 4 --out runs",
    "train --resume runs/vae-digits-1 --steps 6 --allow-changes",
    "train --resume runs/vae-digits-1",
    "train --resume runs/nothing",
    f"compare {MODEL} ae@normal:latent_dim=2,hidden=[4] --steps 4 --seeds 1 --jobs 2 --out runs --json",
    f"compare {MODEL} nothing --steps 4",
]


def answers(commands, folder, *path):
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps([each.split() for each in commands])],
        env={**os.environ, "ZOO_CONFIG": str(folder), "PYTHONPATH": os.pathsep.join(map(str, path))},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def script(source):
    command, path = [sys.executable, "-c", source], {**os.environ, "PYTHONPATH": str(STUB)}
    return subprocess.run(command, env=path, capture_output=True, text=True).stdout.split()


def test_the_stub_hides_what_posix_alone_has():
    source = """
import os, signal, subprocess, sys
print(hasattr(os, "fork"), hasattr(os, "fchmod"), hasattr(signal, "SIGKILL"))
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, print); time.sleep(60)"])
child.terminate()
print(child.wait())
try:
    import zoo.engine.server
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert script(source) == ["False", "False", "False", "-9", "selectors"]


def test_quick_commands_are_the_same(tmp_path):
    usual, without = (answers(QUICK, tmp_path / name, *path) for name, path in (("usual", []), ("without", [STUB])))
    assert without == usual
    assert [code for _, code, _, _ in usual] == [0, 0, 2, 0, 2, 2, 2, 0]


@pytest.mark.slow
def test_trainings_and_comparisons_are_the_same(tmp_path):
    usual, without = (answers(LONG, tmp_path / name, *path) for name, path in (("usual", []), ("without", [STUB])))
    assert [each[:2] for each in without] == [each[:2] for each in usual]
    assert [code for _, code, _, _ in usual] == [0, 0, 0, 5, 0, 2]
    for here, there in zip(usual, without, strict=True):
        assert [line for line in there[3].splitlines() if line.startswith("Error")] == [
            line for line in here[3].splitlines() if line.startswith("Error")
        ]
    found = [path for path in tmp_path.glob("usual/runs/**/*.safetensors") if not path.name.startswith("state")]
    files = [path.relative_to(tmp_path / "usual") for path in found]
    assert len(files) == 3  # of the training, and of the two of the comparison
    for file in files:
        assert (tmp_path / "without" / file).read_bytes() == (tmp_path / "usual" / file).read_bytes()
