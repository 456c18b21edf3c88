"""A run that is killed at random moments loses nothing, and ends with the bytes of a run that was left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from zoo.threads import ENVIRONMENT

SCRIPT = Path(__file__).with_name("killed_runs.py")

SOME = ("rbm:hidden=16,chains=10", "vae@gmm:latent_dim=2,hidden=[8],train.average=0.9")
ALL = (
    *SOME,
    "ae:latent_dim=2,hidden=[8],train.patience=2",
    "ae@gaussian:latent_dim=2,hidden=[8],train.clip=1",
    "vae:network=conv,channels=[4],latent_dim=2",
)


def killed(folder, kills, seed, contestants):
    """What became of each contestant's run after so many SIGKILLs."""
    command = [sys.executable, SCRIPT, folder, str(kills), str(seed), *contestants]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ENVIRONMENT)
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


def test_a_run_killed_at_random_moments_ends_as_if_it_had_been_left_alone(memory):
    check(killed(memory, 3, 0, SOME), 3)


@pytest.mark.slow
def test_runs_killed_sixty_times_end_as_if_they_had_been_left_alone(memory, tmp_path):
    in_memory, on_disk = killed(memory, 10, 1, ALL), killed(tmp_path, 2, 2, ALL)
    print(*in_memory, *on_disk, sep="\n")
    check(in_memory, 10)
    check(on_disk, 2)
