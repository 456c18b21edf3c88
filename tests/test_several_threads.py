"""A training on several threads: the number is used, recorded and kept; one thread stays the default."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

import zoo
from zoo.api import Registry
from zoo.runtime.threads import several_threads

AE = "ae:hidden=[8],latent_dim=2"
DATA = "bars-and-stripes:3"


class Count:
    """An extension that notes on how many threads each step computes."""

    card = zoo.ExtensionCard(name="count", summary="counts threads")

    def __init__(self):
        self.seen = set()

    @zoo.hookimpl(wrapper=True)
    def loss(self):
        self.seen.add(torch.get_num_threads())
        return (yield)


@pytest.fixture
def registry():
    registry = Registry(extensions=True)
    registry.count = Count()
    registry.register(registry.count, "zoo.extensions")
    return registry


def test_a_run_is_trained_and_resumed_on_its_threads_and_another_number_is_a_change(registry, tmp_path):
    before = torch.get_num_threads()
    model = registry.train(AE, DATA, steps=2, folder=tmp_path, threads=2)
    assert registry.count.seen == {2}
    assert torch.get_num_threads() == before
    assert model.protocol["threads"] == json.loads((tmp_path / "run.json").read_bytes())["threads"] == 2
    with pytest.raises(zoo.CheckpointError, match=r"other conditions: threads 2 then, 1 now\."):
        registry.resume(tmp_path, threads=1)
    assert "threads" in registry.resume(tmp_path).protocol
    longer = {"steps": 3, "allow_changes": True}
    assert not any("threads" in change for change in registry.resume(tmp_path, **longer).protocol["changes"])
    assert registry.count.seen == {2}
    model = registry.resume(tmp_path, steps=4, allow_changes=True, threads=1)
    assert registry.count.seen == {1, 2}
    assert any("threads" in change for change in model.protocol["changes"])


def test_one_thread_is_the_default_and_leaves_no_mark(registry):
    assert "threads" not in registry.train(AE, DATA, steps=1).protocol
    assert registry.count.seen == {1}


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_is_a_whole_number(threads):
    with pytest.raises(zoo.ConfigError, match="threads must be a whole number >= 1, got"):
        zoo.train(AE, DATA, steps=1, threads=threads)


def test_the_threads_of_the_caller_are_restored_after_an_error():
    before, seen = torch.get_num_threads(), []

    def fail():
        with several_threads(3):
            seen.append(torch.get_num_threads())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [*seen, torch.get_num_threads()] == [3, before]


@pytest.mark.parametrize(("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_set_otherwise(given, policy):
    script = (
        "import os, sys; from zoo.runtime.threads import wait_passively; wait_passively(); "
        "assert 'torch' not in sys.modules; print(os.environ['OMP_WAIT_POLICY'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment | given, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == policy
