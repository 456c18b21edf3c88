"""A run that is killed at random moments loses nothing, and ends with the bytes of a run that was left alone."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import zoo
from zoo.runtime.threads import ENVIRONMENT

SCRIPT = Path(__file__).with_name("killed_runs.py").read_text(encoding="utf-8")

EXAMPLES = Path(__file__).parents[1] / "examples"

GAME = "gan:network=mlp,hidden=[16],latent_dim=4"
PHASES = (
    GAME,
    "dbn:hidden=[16,16]",
    "vqvae:hidden=[16],positions=2,entries=8,dim=2,prior_hidden=8,prior_share=0.5",
)
SOME = ("rbm:hidden=16,chains=10", "vae@gmm:latent_dim=2,hidden=[8],train.average=0.9")
ALL = (
    *SOME,
    "ae:latent_dim=2,hidden=[8],train.patience=2",
    "ae@gaussian:latent_dim=2,hidden=[8],train.clip=1",
    "vae:network=conv,channels=[4],latent_dim=2",
)


def killed(executor, folder, kills, seed, contestants):
    """What became of each contestant's run after so many SIGKILLs."""
    done = executor.script(SCRIPT, folder, kills, seed, *contestants, **ENVIRONMENT, ZOO_EXAMPLES=str(EXAMPLES))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(runs, kills):
    for run in runs:
        assert run["torn"] == 0
        assert run["identical"], run["contestant"]
        assert run["lines"][0] == run["lines"][1]
        assert run["parts"] == 0
        assert len(run["steps"]) == kills


@pytest.fixture
def memory():
    """A folder in memory where there is one: a kill needs no disk, and a busy one makes every save wait."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as folder:
        yield folder


def test_a_run_killed_at_random_moments_ends_as_if_it_had_been_left_alone(memory, executor):
    check(killed(executor, memory, 3, 0, SOME), 3)


def test_a_critic_and_a_generator_killed_in_their_turns_end_as_if_they_had_been_left_alone(memory, executor):
    check(killed(executor, memory, 3, 4, (GAME,)), 3)


@pytest.mark.slow
def test_players_and_phases_killed_twenty_times_end_as_if_they_had_been_left_alone(memory, executor):
    runs = killed(executor, memory, 20, 5, PHASES)
    print(*runs, sep="\n")
    check(runs, 20)
    for run in runs[1:]:  # both phases, each with half of the 60 steps
        assert min(run["steps"]) < 30 <= max(run["steps"])


@pytest.mark.slow
def test_runs_killed_sixty_times_end_as_if_they_had_been_left_alone(memory, tmp_path, executor):
    in_memory, on_disk = killed(executor, memory, 10, 1, ALL), killed(executor, tmp_path, 2, 2, ALL)
    print(*in_memory, *on_disk, sep="\n")
    check(in_memory, 10)
    check(on_disk, 2)


COMPARED = [
    "rbm:hidden=16,chains=10,sample.steps=20",
    "ae@gaussian:latent_dim=2,hidden=[8]",
    "vae:latent_dim=2,hidden=[8]",
]
COMMAND = [sys.executable, "-c", "from zoo.cli.main import main; main()", "compare"]


def descendants(process):
    """The processes below one."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    pairs = list(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    found = [process]
    for parent in found:
        found += [pid for pid, ppid in pairs if ppid == parent]
    return found


@pytest.mark.slow
def test_comparisons_killed_at_random_moments_end_as_if_they_had_been_left_alone(memory):
    """Of the command, its server and its workers one is killed each time; afterwards the comparison is gone on with."""
    dice, victims = random.Random(3), []
    began = time.monotonic()
    words = [*COMPARED, "--seeds", "2", "--steps", "300", "--save-every", "0"]
    subprocess.run([*COMMAND, *words, "--out", f"{memory}/whole"], check=True, capture_output=True)
    longest = time.monotonic() - began
    whole, folder = Path(memory) / "whole" / "compare-digits-1", Path(memory) / "killed" / "compare-digits-1"
    words += ["--out", f"{memory}/killed"]
    while True:
        process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if len(victims) < 12:
            time.sleep(dice.uniform(0.1, 0.9) * longest)
            victim = dice.choice(descendants(process.pid))
            victims.append({process.pid: "command"}.get(victim, "server or worker"))
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        said = process.communicate()[1]
        assert "Traceback" not in said
        assert process.returncode in (0, 1, -signal.SIGKILL), said
        if process.returncode == 0 and len(victims) == 12:
            break
        if (folder / "plan.json").exists():
            words = ["--resume", str(folder)]
    print(victims)
    first, second = (zoo.Comparison.open(path) for path in (whole, folder))
    assert [cell["metrics"] for row in first.rows for cell in row["cells"]] == [
        cell["metrics"] for row in second.rows for cell in row["cells"]
    ]
    files = {file.relative_to(whole): file.read_bytes() for file in whole.rglob("*.safetensors")}
    assert {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.safetensors")} == files
    assert not [*folder.rglob("*.part"), *folder.rglob(".lock"), *folder.rglob("state*")]
