"""Saving a run fails at every operation in turn, and by every kind of death: what lies there is whole all the same."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from torch import nn

import zoo
from zoo.api import Registry
from zoo.files import tensor_file
from zoo.files.storage import write_atomically
from zoo.files.tensor_file import read

WRITES = ("open", "write", "fchmod", "fsync", "replace", "link", "unlink", "truncate", "mkdir")


class Failing:
    """Lets the Nth of the system's operations that change files fail, once, as a full disk would."""

    def __init__(self, monkeypatch):
        self.left = None
        for name in WRITES:
            monkeypatch.setattr(os, name, self.watched(getattr(os, name)))
        monkeypatch.setattr(io, "open", self.watched(open))

    def watched(self, operation):
        def call(*arguments, **keywords):
            if self.left is not None:
                self.left -= 1
                if self.left == 0:
                    self.left = None
                    raise OSError(28, "No space left on device")
            return operation(*arguments, **keywords)

        return call


def sweep(failing, act, check):
    """Fail the first operation of `act`, then the second, …, until it passes; return how many failed."""
    for number in range(1, 1000):
        failing.left = number
        with contextlib.suppress(zoo.ZooError):
            act()
        passed, failing.left = failing.left is not None, None
        check()
        if passed:
            return number - 1
    raise AssertionError("it never passes")


def test_whichever_operation_of_the_writer_fails_the_file_is_old_or_new_and_whole(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    contents = []

    def check():
        contents.append(path.read_bytes())
        assert [each.name for each in tmp_path.iterdir()] == ["file"]

    failed = sweep(Failing(monkeypatch), lambda: write_atomically(path, b"new" * 9), check)
    assert failed == 7  # open, write, fchmod, fsync, rename; then open and fsync of the folder
    assert contents == [b"old"] * 5 + [b"new" * 9] * 3


class Walk(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(size))
        self.register_buffer("chain", torch.zeros(3), persistent=False)


class WalkPlugin:
    card = zoo.Card(
        name="walk",
        summary="a random walk",
        config=type("WalkConfig", (zoo.Config,), {"poison": -1, "__annotations__": {"poison": int}}),
        trains_on="bits",
        latent=None,
        samples="means",
        training=zoo.Training(batch_size=2, average=0.5, patience=9),
    )

    @zoo.hookimpl
    def build(self, config, data):
        model = Walk(data.size)
        model.shape, model.poison = data.shape, config.poison
        return model

    @zoo.hookimpl
    def loss(self, model, x, generator, step):
        if model.training:
            model.chain = model.chain + torch.randn(3, generator=generator)
        if step.index == model.poison:
            with torch.no_grad():
                model.w[0] = torch.nan
            return {"loss": model.w[1:].sum()}
        return {"loss": (model.w - x.flatten(1).mean(0) - model.chain.sum()).square().mean()}

    @zoo.hookimpl
    def encode(self, model, x):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def decode(self, model, z):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def sample(self, model, n):
        return torch.sigmoid(model.w.detach()).expand(n, -1).unflatten(1, model.shape)


@pytest.fixture
def walk():
    registry = Registry(extensions=False)
    registry.register(WalkPlugin)
    return registry


@pytest.fixture(scope="module")
def data():
    return zoo.Data.from_arrays(torch.rand(10, 2, generator=torch.Generator().manual_seed(0)), name="pairs")


def test_whichever_operation_of_a_run_fails_its_files_are_whole_and_it_ends_as_if_nothing_had_been(
    walk, data, tmp_path, monkeypatch
):
    settings = {"steps": 4, "save_every": 0, "keep": 2}
    walk.train("walk", data, folder=tmp_path / "undisturbed", **settings)
    expected = (tmp_path / "undisturbed" / "model.safetensors").read_bytes()
    log = (tmp_path / "undisturbed" / "metrics.jsonl").read_text().count("\n")
    failing, folder, steps = Failing(monkeypatch), tmp_path / "run", []

    def act():
        walk.train("walk", data, folder=folder, **settings)

    def check():
        for file in folder.glob("*.safetensors"):
            facts, _ = read(file)
            steps.append(facts.get("step", "model"))
        if (folder / "run.json").exists():
            walk.resume(folder, data=data, save_every=0)
            assert (folder / "model.safetensors").read_bytes() == expected
            assert (folder / "metrics.jsonl").read_text().count("\n") == log
            assert not list(folder.glob(".*"))
        shutil.rmtree(folder, ignore_errors=True)

    failed = sweep(failing, act, check)
    assert failed > 50
    assert set(steps) == {1, 2, 3, 4, "model"}


KILLED = """
import sys
from pathlib import Path
from zoo.errors import ZooError
from zoo.files.storage import write_atomically
try:
    write_atomically(Path(sys.argv[1]), b"new" * 1000)
except ZooError as error:
    print(error)
assert "torch" not in sys.modules
"""


FAULTS = [("fchmod:when=1", "error=EACCES")]
FAULTS += [(call, what) for call in ("fsync:when=1", "rename:when=1") for what in ("error=EIO", "signal=SIGKILL")]
FAULTS += [("fsync:when=2", what) for what in ("error=ENOSPC", "signal=SIGKILL")]  # of the folder: the file is new


@pytest.mark.parametrize(("call", "what"), FAULTS)
def test_the_system_itself_may_fail_or_kill_the_writer(tmp_path, call, what):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    path = tmp_path / "file"
    path.write_bytes(b"old")
    name, when = call.split(":")
    inject = [f"--trace={name}", f"--inject={name}:{what}:{when}", "--output=/dev/null"]
    done = subprocess.run(["strace", *inject, sys.executable, "-c", KILLED, path], capture_output=True, text=True)
    if "ptrace" in done.stderr.lower():
        pytest.skip("processes may not be traced here")
    left = [each for each in tmp_path.iterdir() if each != path]
    if what == "signal=SIGKILL":
        assert done.returncode == -9
        assert len(left) <= 1
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"Cannot write {path}: ")
        assert left == []
    assert path.read_bytes() == (b"new" * 1000 if call == "fsync:when=2" else b"old")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_leaves_the_last_state_and_space_lets_the_run_go_on(walk, data, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        folder, filler = disk / "run", disk / "filler"

        def fill(report):
            if report.step == 6:
                with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                    while file.write(bytes(4096)):
                        pass

        walk.train("walk", data, steps=12, folder=tmp_path / "undisturbed")
        with pytest.raises(zoo.ZooError, match="Cannot write .*: No space left on device. Free disk space"):
            walk.train("walk", data, steps=12, folder=folder, save_every=0, progress=fill)
        assert 5 <= read(folder / "state.safetensors")[0]["step"] <= 6
        filler.unlink()
        walk.resume(folder, data=data)
        expected = (tmp_path / "undisturbed" / "model.safetensors").read_bytes()
        assert (folder / "model.safetensors").read_bytes() == expected
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("poison", [0, 4, 8])
def test_a_weight_that_is_nan_while_the_losses_are_finite_reaches_no_file(walk, data, tmp_path, poison):
    with pytest.raises(
        zoo.DivergedError, match=rf"w is nan or infinite at step {poison + 1}; lower the learning"
    ) as error:
        walk.train(f"walk:poison={poison}", data, steps=9, folder=tmp_path, save_every=0)
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "diverged"
    assert not (tmp_path / "model.safetensors").exists()
    assert (tmp_path / "state.safetensors").exists() == (poison > 0)
    if poison:
        facts, tensors = read(tmp_path / "state.safetensors")
        assert facts["step"] == poison
        assert all(tensor.isfinite().all() for tensor in tensors.values())
        assert str(error.value).endswith(f"zoo train CONTESTANT --resume {tmp_path} --allow-changes.")
        model = walk.resume(tmp_path, contestant="walk", data=data, allow_changes=True)
        assert model.module.w.isfinite().all()


def test_a_weight_that_is_nan_at_the_end_is_found_without_a_folder_too(walk, data):
    with pytest.raises(zoo.DivergedError, match="w is nan or infinite at step 9"):
        walk.train("walk:poison=8,train.patience=0", data, steps=9)


def test_a_validation_loss_that_is_nan_ends_the_training(walk, data, tmp_path):
    class Invalid(WalkPlugin):
        @zoo.hookimpl
        def loss(self, model, x, generator, step):
            losses = super().loss(model, x, generator, step)
            return losses if model.training or step.index < 3 else {"loss": losses["loss"] * torch.nan}

    walk.register(Invalid)
    with pytest.raises(zoo.DivergedError, match="valid_loss is nan at step 6"):
        walk.train("walk", data, steps=9, folder=tmp_path, save_every=0)
    assert read(tmp_path / "state.safetensors")[0]["step"] == 5
    assert not (tmp_path / "model.safetensors").exists()


def test_a_density_that_is_nan_reaches_no_file(data, tmp_path):
    class Nowhere:
        card = zoo.DensityCard(name="nowhere", summary="nan")

        @zoo.hookimpl
        def fit(self, codes):
            return {"mean": codes.mean(0) * torch.nan}

        @zoo.hookimpl
        def sample(self, state, n):
            raise zoo.Unsupported("never")

        @zoo.hookimpl
        def log_prob(self, state, z):
            raise zoo.Unsupported("never")

    registry = Registry(extensions=False)
    registry.register(Nowhere, "zoo.densities")
    with pytest.raises(zoo.DivergedError, match="The hook 'fit' of 'nowhere' .* returned nan"):
        registry.train("ae@nowhere:latent_dim=1,hidden=[2]", data, steps=1, folder=tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_a_state_is_saved_when_its_time_has_come_and_at_the_end(walk, data, tmp_path, monkeypatch):
    now, saved = [0.0], []
    clock = type("clock", (), {"monotonic": staticmethod(lambda: now[0])})
    monkeypatch.setattr("zoo.runtime.ranks.time", clock)
    write = tensor_file.write
    monkeypatch.setattr(
        tensor_file,
        "write",
        lambda path, tensors, facts: (saved.append(facts["step"]), write(path, tensors, facts)),
    )

    class Clock(WalkPlugin):
        @zoo.hookimpl
        def loss(self, model, x, generator, step):
            now[0] += model.training
            return super().loss(model, x, generator, step)

    walk.register(Clock)
    walk.train("walk", data, steps=12, folder=tmp_path, save_every=5)
    assert saved == [5, 10, 12]
