"""One process at a time in a folder, and a dead one is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import zoo
from zoo.files.folder_lock import FILE, locked

HOLDER = """
import sys
from pathlib import Path
from zoo.files.folder_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    command = [sys.executable, "-c", HOLDER, tmp_path]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_names_the_process_that_holds_the_folder_and_may_follow_it(holder, tmp_path):
    message = f"{tmp_path} is in use by process {holder.pid}; wait for it, or choose another folder."
    with pytest.raises(zoo.ConfigError, match=message), locked(tmp_path):
        pass
    holder.communicate("")
    with locked(tmp_path):
        assert (tmp_path / FILE).read_text() == str(os.getpid())
    assert not list(tmp_path.iterdir())


def test_a_killed_holder_holds_nothing(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / FILE).read_text() == str(holder.pid)
    with locked(tmp_path):
        assert (tmp_path / FILE).read_text() == str(os.getpid())


def test_one_process_does_not_hold_a_folder_twice(tmp_path):
    with locked(tmp_path), pytest.raises(zoo.ConfigError, match=f"in use by process {os.getpid()};"), locked(tmp_path):
        pass


def test_a_name_that_its_last_holder_has_just_removed_locks_nothing(tmp_path, monkeypatch):
    """The file is opened, and removed by its holder, before it can be locked: the new one by that name is taken."""
    (tmp_path / FILE).touch()
    lock, locks = zoo.files.folder_lock.fcntl.flock, []

    def late(descriptor, how):
        locks.append(descriptor)
        if len(locks) == 1:
            (tmp_path / FILE).unlink()
        lock(descriptor, how)

    monkeypatch.setattr("fcntl.flock", late)
    with locked(tmp_path):
        assert len(locks) == 2
        assert (tmp_path / FILE).read_text() == str(os.getpid())


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
