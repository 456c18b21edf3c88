"""Files are old or new and whole; folders are one's own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.errors import ZooError
from zoo.files.storage import cache_folder, new_folder, write_atomically


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "run.json"
    write_atomically(path, b"old")
    assert path.read_bytes() == b"old"
    write_atomically(path, b"the new one")
    assert path.read_bytes() == b"the new one"
    assert list(tmp_path.iterdir()) == [path]


def test_who_reads_the_old_file_reads_it_to_its_end(tmp_path):
    path = tmp_path / "run.json"
    write_atomically(path, b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old"


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o000])
def test_permissions_follow_the_umask_which_stays_as_it_was(tmp_path, mask):
    path = tmp_path / "run.json"
    before = os.umask(mask)
    try:
        write_atomically(path, b"x")
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    finally:
        assert os.umask(before) == mask


def test_the_bytes_are_on_the_disk_before_they_get_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    path.write_bytes(b"old")
    seen = []
    fsync = os.fsync

    def watched(descriptor):
        status = os.fstat(descriptor)
        seen.append(("folder" if stat.S_ISDIR(status.st_mode) else status.st_size, path.read_bytes()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_atomically(path, b"newer")
    assert seen == [(5, b"old"), ("folder", b"newer")]


FULL_DISK = """
import resource, sys
from pathlib import Path
from zoo.errors import ZooError
from zoo.files.storage import write_atomically

path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
write_atomically(path, b"o" * 4096)
for size in (4097, 10**6):
    try:
        write_atomically(path, b"n" * size)
    except ZooError as error:
        print(error)
print("torch" in sys.modules)
"""


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "model.safetensors"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=True)
    message = f"Cannot write {path}: File too large. Free disk space or choose another location."
    assert done.stdout.splitlines() == [message, message, "False"]
    assert path.read_bytes() == b"o" * 4096
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_place_of_the_file_is_left_alone(tmp_path):
    path = tmp_path / "taken"
    path.mkdir()
    with pytest.raises(ZooError, match=r"Cannot write .*taken: Is a directory\. Free disk space or choose"):
        write_atomically(path, b"x")
    assert list(tmp_path.rglob("*")) == [path]


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ZooError, match="Cannot write .*: No such file or directory"):
        write_atomically(tmp_path / "gone" / "run.json", b"x")


def test_a_callers_mistake_leaves_no_temporary_file(tmp_path):
    with pytest.raises(TypeError, match="bytes-like"):
        write_atomically(tmp_path / "run.json", "text")
    assert list(tmp_path.iterdir()) == []


def test_folders_are_numbered_after_the_highest_of_their_stem(tmp_path):
    runs = tmp_path / "deep" / "runs"
    assert new_folder(runs, "vae") == runs / "vae-1"
    assert new_folder(runs, "vae") == runs / "vae-2"
    for name in ("vae-9", "vae-gmm-30", "vae-x", "vae-", "vae", "vae-12x", "ae-40"):
        (runs / name).mkdir()
    (runs / "vae-10").write_text("a file takes its number too")
    assert new_folder(runs, "vae") == runs / "vae-11"
    assert new_folder(runs, "vae-gmm") == runs / "vae-gmm-31"
    assert (runs / "vae-11").is_dir()


def test_a_file_in_the_place_of_the_parent_is_said(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(ZooError, match=r"Cannot create a folder in .*runs: File exists\. Choose another with --out"):
        new_folder(tmp_path / "runs", "vae")


MANY_FOLDERS = """
import sys
from pathlib import Path
from zoo.files.storage import new_folder
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    print(new_folder(Path(sys.argv[1]), "run").name)
"""


def test_twelve_processes_never_share_a_folder(tmp_path):
    command = [sys.executable, "-c", MANY_FOLDERS, tmp_path / "runs"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(12)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    names = [name for process in processes for name in process.communicate()[0].split()]
    assert [process.returncode for process in processes] == [0] * 12
    assert sorted(names) == sorted(f"run-{number}" for number in range(1, 241))


def test_the_cache_is_where_the_user_says_or_in_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("ZOO_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "genzoo"
    monkeypatch.delenv("ZOO_CACHE")
    assert cache_folder() == Path(tmp_path) / "xdg" / "genzoo"
