"""Several threads of one process train, load and use models: each gets what it gets alone."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from zoo.api import Registry
from zoo.runtime.threads import alone

DATA = zoo.Data.from_arrays(torch.rand(40, 2, generator=torch.Generator().manual_seed(0)), name="pairs")


class SlowConfig(zoo.Config):
    built: float = 0.0
    step: float = 0.0


class SlowPlugin:
    """Weights that are drawn from the global state after a while, and a walk by numbers of it."""

    card = zoo.Card(
        name="slow",
        summary="waits and draws",
        config=SlowConfig,
        trains_on="grey",
        latent=None,
        samples="draws",
        training=zoo.Training(batch_size=10),
    )

    @zoo.hookimpl
    def build(self, config):
        time.sleep(config.built)
        module = nn.Module()
        module.w = nn.Parameter(torch.randn(2))
        module.wait = config.step
        return module

    @zoo.hookimpl
    def loss(self, model, x):
        time.sleep(model.wait)
        target = x.mean(0) + torch.rand(2) + np.random.rand() + random.random()
        return {"loss": (model.w - target).square().mean()}

    @zoo.hookimpl
    def encode(self):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def decode(self):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def sample(self, model, n, generator):
        time.sleep(0.001)
        return (model.w.detach() + torch.randn(n, 2, generator=generator)).sigmoid()


@pytest.fixture
def registry():
    found = Registry(extensions=False)
    found.register(SlowPlugin)
    return found


def at_once(*calls):
    """Run every call in a thread of its own, all at the same time; return their results."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def weights(model):
    return model.module.w.tolist()


def test_two_builds_of_0_3_seconds_get_the_weights_of_their_seeds(registry):
    calls = [lambda seed=seed: weights(registry.create("slow:built=0.3", DATA, seed=seed)) for seed in (0, 1)]
    assert at_once(*calls) == [call() for call in calls]


def test_two_trainings_get_the_weights_of_their_seeds(registry, tmp_path):
    def train(seed, folder=None):
        return weights(registry.train("slow:built=0.3,step=0.001", DATA, seed=seed, epochs=3, folder=folder))

    found = at_once(*(lambda seed=seed: train(seed, tmp_path / str(seed)) for seed in (0, 1)))
    assert found == [train(0), train(1)]
    assert [weights(registry.load(tmp_path / str(seed))) for seed in (0, 1)] == found


def test_a_thread_that_trains_and_one_that_samples_do_not_meet(registry, tmp_path):
    model = registry.train("slow", DATA, epochs=1)
    model.save(tmp_path)
    wanted = [model.sample(3, seed=seed) for seed in range(40)]
    alone = weights(registry.train("slow:step=0.001", DATA, seed=5, epochs=20))

    def sample():
        return [registry.load(tmp_path).sample(3, seed=seed) for seed in range(40)]

    trained, *found = at_once(
        lambda: (
            [registry.train("slow:step=0.001", DATA, seed=5, epochs=1, folder=None) for _ in range(5)]
            and weights(registry.train("slow:step=0.001", DATA, seed=5, epochs=20))
        ),
        sample,
        sample,
    )
    assert trained == alone
    for samples in found:
        assert all(torch.equal(*pair) for pair in zip(samples, wanted, strict=True))


def test_four_trainings_at_once_leave_the_process_as_it_was(registry):
    def train(number):
        time.sleep(0.005 * number)  # the first to start is the first to end
        registry.train("slow:step=0.001", DATA, seed=number, epochs=10)

    torch.set_num_threads(2)
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    expected = torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    at_once(*(lambda number=number: train(number) for number in range(4)))
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()) == expected
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_eight_threads_load_a_plugin_once_and_leave_standard_output_open(distribution):
    distribution(then="import time\ntime.sleep(0.1)")
    registry, stream = Registry(), sys.stdout
    found = at_once(*[lambda: registry.plugin("coins")] * 8)
    assert len({id(plugin) for plugin in found}) == 1
    assert sys.stdout is stream


def test_files_written_by_eight_threads_have_the_permissions_of_the_process(registry, tmp_path, monkeypatch):
    model = registry.create("slow", DATA)
    umask = os.umask
    before = umask(0o022)
    monkeypatch.setattr(os, "umask", lambda mask: (umask(mask), time.sleep(0.001))[0])
    try:
        at_once(*(lambda n=n: [model.save(tmp_path / f"{n}.safetensors") for _ in range(5)] for n in range(8)))
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}
        assert umask(0o022) == 0o022
    finally:
        umask(before)


def test_a_forked_child_does_not_wait_for_a_thread_that_it_does_not_have():
    held, done = threading.Event(), threading.Event()

    def hold():
        with alone():
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        with alone():
            os._exit(7)
    deadline = time.monotonic() + 30
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if ended == (0, 0):
        os.kill(child, 9)
        ended = os.waitpid(child, 0)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(ended[1]) == 7
