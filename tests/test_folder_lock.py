"""One process at a time in a folder; a dead one, here or on another machine, holds nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import zoo
from zoo.files import folder_lock
from zoo.files.folder_lock import FILE, locked

# With a machine's name, the process stands for one of another machine, whose number says nothing here.
HOLDER = """
import sys
from pathlib import Path
from zoo.files import folder_lock
from zoo.files.folder_lock import locked
folder_lock.HEARTBEAT = 0.1
if sys.argv[2:]:
    folder_lock.machine = lambda: sys.argv[2]
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def owner(folder):
    """The number of the process that holds a folder."""
    return json.loads((folder / FILE).read_text())["process"]


def held(*words):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    process = held(tmp_path)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def stranger(tmp_path):
    """A process of another machine that holds the folder."""
    process = held(tmp_path, "elsewhere")
    yield process
    process.kill()
    process.communicate()


def test_the_second_names_the_process_that_holds_the_folder_and_may_follow_it(holder, tmp_path):
    message = f"{tmp_path} is in use by process {holder.pid}; wait for it, or choose another folder."
    with pytest.raises(zoo.ConfigError, match=message), locked(tmp_path):
        pass
    holder.communicate("")
    with locked(tmp_path):
        assert owner(tmp_path) == os.getpid()
    assert not list(tmp_path.iterdir())


def test_a_killed_holder_holds_nothing(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert owner(tmp_path) == holder.pid
    with locked(tmp_path):
        assert owner(tmp_path) == os.getpid()


def test_one_process_does_not_hold_a_folder_twice(tmp_path):
    with locked(tmp_path), pytest.raises(zoo.ConfigError, match=f"in use by process {os.getpid()};"), locked(tmp_path):
        pass


def test_a_number_that_another_process_has_now_holds_nothing(holder, tmp_path):
    """The file names this process, but as it was started at another time."""
    facts = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(facts | {"process": os.getpid()}))
    with locked(tmp_path):
        assert owner(tmp_path) == os.getpid()


def test_a_holder_on_another_machine_is_known_by_its_heartbeat(stranger, tmp_path):
    host = json.loads((tmp_path / FILE).read_text())["host"]
    with pytest.raises(zoo.ConfigError, match=f"in use by process {stranger.pid} on {host};"), locked(tmp_path):
        pass


def test_a_holder_on_another_machine_holds_nothing_once_its_heartbeat_stands_still(stranger, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "STALE", 1.0)
    stranger.send_signal(signal.SIGKILL)
    began = time.monotonic()
    with locked(tmp_path):
        assert owner(tmp_path) == os.getpid()
    assert time.monotonic() - began >= 1


def test_one_who_was_taken_for_dead_is_told_and_leaves_the_new_lock_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "STALE", 0.3)
    monkeypatch.setattr(folder_lock, "_beat", lambda *_: None)  # as if this process stood still
    successor = locked(tmp_path)

    def stand_still():
        with locked(tmp_path), monkeypatch.context() as other:
            other.setattr(folder_lock, "machine", lambda: "elsewhere")
            successor.__enter__()

    with pytest.raises(zoo.ConfigError, match=f"{tmp_path} was taken over by process"):
        stand_still()
    assert (tmp_path / FILE).exists()
    successor.__exit__(None, None, None)
    assert not list(tmp_path.iterdir())


def test_a_lock_of_an_earlier_version_and_a_takeover_that_was_killed_are_cleared_away(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "STALE", 0.3)
    (tmp_path / FILE).write_text("4711")
    (tmp_path / f"{FILE}.takeover").touch()
    with locked(tmp_path):
        assert owner(tmp_path) == os.getpid()
    assert not list(tmp_path.iterdir())


def test_who_waits_gets_the_folder_when_its_holder_ends(holder, tmp_path):
    with pytest.raises(zoo.ConfigError, match="in use by"), locked(tmp_path, wait=0.2):
        pass
    end = threading.Timer(0.5, holder.kill)
    end.start()
    with locked(tmp_path, wait=20):
        assert owner(tmp_path) == os.getpid()
    end.join()


def test_two_processes_never_hold_a_folder_at_once(tmp_path):
    """Six processes add 1 to a number in a file, 50 times each, without any other care."""
    script = """
import sys, time
from pathlib import Path
import zoo
from zoo.files.folder_lock import locked
folder, number = Path(sys.argv[1]), Path(sys.argv[2])
done = 0
while done < 50:
    try:
        with locked(folder):
            value = int(number.read_text())
            time.sleep(0.0002)
            number.write_text(str(value + 1))
            done += 1
    except zoo.ConfigError:
        time.sleep(0.0005)
"""
    number = tmp_path / "number"
    number.write_text("0")
    (tmp_path / "held").mkdir()
    command = [sys.executable, "-c", script, tmp_path / "held", number]
    processes = [subprocess.Popen(command) for _ in range(6)]
    assert [process.wait() for process in processes] == [0] * 6
    assert number.read_text() == "300"


def test_a_training_in_a_folder_that_is_held_is_refused(holder, tmp_path):
    with pytest.raises(zoo.ConfigError, match=f"in use by process {holder.pid}"):
        zoo.train("vae:latent_dim=2,hidden=[3]", steps=1, folder=tmp_path)
    holder.communicate("")
    zoo.train("vae:latent_dim=2,hidden=[3]", steps=1, folder=tmp_path)
    assert not (tmp_path / FILE).exists()
