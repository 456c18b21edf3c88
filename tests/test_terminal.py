"""What `zoo` draws on a terminal, through a pseudo-terminal of 80 and of 140 columns."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from types import SimpleNamespace

import pytest

from tests.report_folder import results, write_folder
from zoo.comparison.measurements import Measurements
from zoo.report.progress import Cells, _board, comparison_progress
from zoo.report.table import as_text
from zoo.results.schema import Measured

LONG = "vae@gmm:latent_dim=8,train.learning_rate=0.0025,train.batch_size=64"


def on_terminal(columns, *words):
    """The lines that a command draws on a terminal of so many columns, without colours."""
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    environment |= {"TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "zoo", *words]
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    said = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        said += chunk
    os.close(leader)
    assert process.wait() == 0, said.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode()).replace("\r", "").splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished comparison, one of whose contestants has a long name."""
    path = tmp_path_factory.mktemp("finished")
    found = results()
    found["rows"][4]["contestant"] = LONG
    found["pictures"] = {}
    write_folder(path, found)
    return path


@pytest.mark.parametrize("columns", [80, 140])
def test_tables_never_break_a_name_and_never_leave_the_terminal(folder, columns):
    lines = on_terminal(columns, "report", str(folder))
    assert max(map(len, lines)) <= columns
    blocks = sum(line.startswith("  contestant ") for line in lines)
    assert blocks == len([line for line in lines if line.startswith("  ae@normal  ")])
    starts = ["  vae@gmm:latent_dim=8,", "  train.learning_rate=0.0025,", "  train.batch_size=64"]
    for start in starts:
        assert sum(line.startswith(f"{start}  ") for line in lines) == blocks  # unlike a note's line
    assert blocks == {80: 8, 140: 4}[columns]


def job(kind, name):
    return SimpleNamespace(name=name, job=SimpleNamespace(kind=kind))


def ended(seconds=9.64, **figures):
    found = {name: Measurements(metrics={"frechet": Measured(value=each)}) for name, each in figures.items()}
    return {"ended": SimpleNamespace(failed=False, seconds=seconds, result=SimpleNamespace(contestants=found))}


def test_a_comparison_says_which_cell_ended_its_figures_and_the_time_that_is_left(capsys, monkeypatch):
    clock = iter([0.0, 100.0, 130.0, 160.0, 340.0])
    monkeypatch.setattr("zoo.report.progress.time.monotonic", lambda: next(clock))
    failed = {"ended": SimpleNamespace(failed=True, reason="no memory", seconds=1.0)}
    with comparison_progress(True) as on_event:
        on_event(job("prepare", "data"), ended(0.52))
        on_event(job("describe", "ae"), ended(0.31))
        on_event(SimpleNamespace(name="cells"), {"cells": 4, "done": 1, "metric": "frechet", "title": "distance"})
        on_event(job("trial", "trial of ae"), ended(2.0))
        on_event(job("train", "ae seed 0"), ended(**{"ae@normal": 1.861, "ae@gmm": 0.4}))
        on_event(job("train", "vae seed 0"), failed)
        on_event(job("real", "real images"), ended(real=-0.09))
    assert capsys.readouterr().err.splitlines() == [
        "data: loaded in 0.5 s",
        "ae: settings checked in 0.3 s",
        "trial of ae: done in 2.0 s",
        "cell 2 of 4: ae seed 0: done in 9.6 s; distance: ae@normal 1.86, ae@gmm 0.4; about 60 s left",
        "cell 3 of 4: vae seed 0: failed: no memory; about 30 s left",
        "cell 4 of 4: real images: done in 9.6 s; distance: real -0.09",
    ]


def test_the_figures_so_far_are_drawn_above_the_bars():
    cells = Cells(3, 0, "frechet", "distance")
    for value in (1.0, 2.0):
        cells.count(ended(ae=value)["ended"])
    lines = [" ".join(line.split()) for line in as_text(_board(cells.figures, cells.title)).splitlines()]
    assert lines == ["so far", "contestant distance seeds", "ae 1.5 2"]
